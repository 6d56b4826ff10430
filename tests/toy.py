"""A dataset small enough to train on in a second: a bright square that stands left, right, or moves. Loaded with `--plugin`."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

from benchmark_core import DatasetSpec, Option, Protocol, hookimpl
from benchmark_core.clips.frames import Frames
from benchmark_core.clips.index import Clip, Drawn, Fold, Index

CLASSES = ("left", "right", "moves")


def render(key: str) -> Iterator[Frames]:
    """Eight frames of 48x64."""
    asked = json.loads(key)
    rng = np.random.default_rng(asked["clip"])
    frames = rng.integers(0, 60, (3, 8, 48, 64), dtype=np.uint8)
    top = int(rng.integers(4, 28))
    for t in range(8):
        left = {0: 4, 1: 44, 2: 4 + 5 * t}[asked["label"]]
        frames[:, t, top : top + 16, left : left + 16] += 150
    yield Frames(planes=tuple(frames), colour="rgb")


def index(root: object, protocol: str, options: dict[str, int]) -> Index:
    """Clips in turn of class; the last `test` test."""
    count = options["train"] + options["test"]
    clips = [
        Clip(
            id=f"clip{number:03d}",
            source=Drawn(render, json.dumps({"clip": number, "label": number % 3})),
            target=number % 3,
            group=str(number),
        )
        for number in range(count)
    ]
    ids = [clip.id for clip in clips]
    return Index(clips=tuple(clips), folds={"1": Fold(train=tuple(ids[: options["train"]]), test=tuple(ids[options["train"] :]))})


@hookimpl
def elr_datasets() -> list[DatasetSpec]:
    """The toy."""
    return [
        DatasetSpec(
            name="toy",
            summary="squares",
            classes=CLASSES,
            protocols={"one": Protocol(summary="one fold", folds=("1",))},
            index=index,
            embedded=True,
            options={"train": Option(default=24, help="clips"), "test": Option(default=12, help="clips")},
        )
    ]
