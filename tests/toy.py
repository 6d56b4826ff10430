"""A dataset and a backbone small enough to train in a second: squares left, right or moving. For `--plugin`."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

from benchmark_core.clips.frames import Frames
from benchmark_core.specs.index import Clip, Drawn, Fold, Index
from elrbench import BackboneSpec, DatasetSpec, Option, Protocol, hookimpl

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
    fold = Fold(train=tuple(ids[: options["train"]]), test=tuple(ids[options["train"] :]))
    return Index(clips=tuple(clips), folds={"1": fold})


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
            options={"train": Option(default=24, help="clips"), "test": Option(default=12, help="clips")},
        )
    ]


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Four small stages."""
    stages = ("one", "two", "three", "four")
    return [BackboneSpec(name="toynet", summary="four convolutions", factory=build, stages=stages, sampling="2x1")]


def build(classes: int, options: object) -> object:
    """Four convolutions of 8 channels and a classifier."""
    import torch
    from torch import nn

    class ToyNet(nn.Module):
        num_features = 8

        def __init__(self) -> None:
            super().__init__()
            sides = (3, 8, 8, 8, 8)
            self.stages = nn.ModuleList(
                nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.ReLU())
                for a, b in zip(sides[:-1], sides[1:], strict=True)
            )
            self.fc = nn.Linear(8, classes)

        def forward_features(self, x: torch.Tensor) -> list[torch.Tensor]:
            maps = []
            for stage in self.stages:
                x = stage(x)
                maps.append(x)
            return maps

        def pool(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((2, 3))

        def get_classifier(self) -> nn.Module:
            return self.fc

    return ToyNet()
