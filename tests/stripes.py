"""People told apart by fine stripes, which low views of 6x8 pixels average away, and coarse actions. For `--plugin`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from benchmark_core.clips.frames import Frames
from benchmark_core.specs.index import Clip, Drawn, Fold, Index
from elrbench import DatasetSpec, Option, Protocol, hookimpl

ACTIONS, PEOPLE = ("small", "middle", "large"), ("plain", "faint", "bold")


def render(key: str) -> Iterator[Frames]:
    """Four frames of 48x64: a white square of one of three sizes, on stripes of 8 pixels of one of three contrasts."""
    asked = json.loads(key)
    rng = np.random.default_rng(asked["clip"])
    rows = np.arange(48) + int(rng.integers(8))
    wall = 100 + (0, 30, 90)[asked["person"]] * np.where(rows % 8 < 4, 1, -1)[:, None]  # the mean of 8 rows is 100
    frames = np.broadcast_to(wall, (3, 4, 48, 64)).astype(np.uint8)
    side, left = 8 << asked["action"], int(rng.integers(24))
    frames[:, :, 8 : 8 + side, left : left + side] = 250
    yield Frames(planes=tuple(frames), colour="rgb")


def actions(root: object, protocol: str, options: Mapping[str, Any]) -> Index:
    """Clips in turn of person, then of action; the last `test` test. protocol `apart`: the last person tests."""
    clips = [
        Clip(
            id=f"clip{number:03d}",
            source=Drawn(
                render, json.dumps({"clip": number, "person": number % 3 % people, "action": number // 3 % 3})
            ),
            target=number // 3 % 3,
            group=PEOPLE[number % 3 % people],
        )
        for people in (options.get("people", 3),)
        for number in range(options["train"] + options["test"])
    ]
    tests = {clip.id for clip in clips[options["train"] :]}
    if protocol == "apart":
        tests = {clip.id for clip in clips if clip.group == PEOPLE[-1]}
    train, test = (tuple(clip.id for clip in clips if (clip.id in tests) is part) for part in (False, True))
    return Index(clips=tuple(clips), folds={"1": Fold(train=train, test=test)})


def identities(root: object, protocol: str, options: Mapping[str, Any]) -> Index:
    """The same clips by person; `shuffled`: by a person drawn for each clip."""
    index = actions(root, protocol, options)
    drawn = np.random.default_rng(5).integers(0, 3, len(index.clips))
    people = [int(n) if options["shuffled"] else PEOPLE.index(c.group) for n, c in zip(drawn, index.clips, strict=True)]
    pairs = zip(index.clips, people, strict=True)
    return replace(index, clips=tuple(replace(clip, target=who, action=ACTIONS[clip.labels[0]]) for clip, who in pairs))


SIZES = {"train": Option(default=48, help="clips"), "test": Option(default=36, help="clips")}
PROTOCOLS = {"clips": Protocol(summary="the same people", folds=("1",))}
APART = {"apart": Protocol(summary="one person tests", folds=("1",))}


@hookimpl
def elr_datasets() -> list[DatasetSpec]:
    """Actions, people, and datasets whose people cannot be asked for."""
    people = {
        "people": Option(default=3, low=1, high=3, help="number of people"),
        "shuffled": Option(default=0, low=0, high=1, help="1: people at random"),
    }
    identity = DatasetSpec(
        name="stripes:identity",
        summary="stripes, by person",
        classes=PEOPLE,
        protocols={**PROTOCOLS, **APART},
        index=identities,
        options={**SIZES, **people},
    )
    acted = DatasetSpec(
        name="stripes", summary="stripes", classes=ACTIONS, protocols=PROTOCOLS, index=actions, options=SIZES
    )
    return [
        acted,
        identity,
        replace(acted, name="alone"),
        replace(identity, name="alone:identity", classes=PEOPLE[:1]),
        replace(acted, name="strangers", protocols=APART),
    ]
