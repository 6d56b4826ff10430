"""A minimal component of each kind, which `elrbench check` combines with the component under test."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark_core.catalog import Catalog, Owner, Section
from benchmark_core.clips.frames import Frames
from benchmark_core.clips.resample import reduce, to_grey_levels
from benchmark_core.specs import (
    BackboneSpec,
    DatasetSpec,
    DegradationSpec,
    EnhancerSpec,
    MethodSpec,
    Protocol,
    Spec,
    Value,
)
from benchmark_core.specs.index import Clip, Drawn, Fold, Index
from benchmark_core.training.recipe_options import RECIPE

CLASSES = ("leftwards", "rightwards")
TRAIN, TEST, FRAMES, HEIGHT, WIDTH = 8, 4, 8, 48, 64  # clips, clips, frames, pixels


def index(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Clips of a bright square that moves left or right, each of another subject."""
    clips = tuple(
        Clip(
            id=f"square-{number:02d}",
            source=Drawn(render=render, key=json.dumps({"kit": 1, "number": number})),
            target=number % 2,
            group=f"subject-{number:02d}",
        )
        for number in range(TRAIN + TEST)
    )
    ids = tuple(clip.id for clip in clips)
    return Index(clips=clips, folds={"only": Fold(train=ids[:TRAIN], test=ids[TRAIN:])})


def render(key: str) -> Iterator[Frames]:
    """Yield the RGB frames of one clip in two chunks."""
    number = json.loads(key)["number"]
    planes = np.full((3, FRAMES, HEIGHT, WIDTH), 40, np.uint8)
    for frame in range(FRAMES):
        step = frame if number % 2 else FRAMES - 1 - frame
        left, top = 4 + 6 * step, 8 + number
        planes[number % 3, frame, top : top + 12, left : left + 12] = 220
    for first in (0, FRAMES // 2):
        chunk = planes[:, first : first + FRAMES // 2]
        yield Frames(planes=tuple(chunk), colour="rgb", first=first)


def degrade(frames: Frames, low: tuple[int, int], options: Mapping[str, Value], seed: int) -> npt.NDArray[np.uint8]:
    """Return the area average, uint8 (T, 3, h, w)."""
    return to_grey_levels(reduce(frames, low))


class Enlarge(nn.Module):
    """Nearest-neighbour interpolation to size (H, W)."""

    def __init__(self, low: tuple[int, int] | None, size: tuple[int, int], options: Mapping[str, Value]) -> None:
        super().__init__()
        self.size = size

    def forward(self, low: Tensor) -> Tensor:
        """Enlarge (N, 3, h, w) to (N, 3, H, W)."""
        return F.interpolate(low, self.size)


class TwoStages(nn.Module):
    """Two strided convolutions and a classifier."""

    num_features = 16

    def __init__(self, classes: int, options: Mapping[str, Value]) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 5, stride=4, padding=2)
        self.second = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.fc = nn.Linear(16, classes)

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Map (N, 3, H, W) to stage maps at strides 4 and 8."""
        first = self.first(x).relu()
        return [first, self.second(first).relu()]

    def pool(self, stage: Tensor) -> Tensor:
        """Average (N, 16, h, w) to (N, 16)."""
        return stage.mean((2, 3))

    def get_classifier(self) -> nn.Module:
        """Return the linear layer from 16 features to the classes."""
        return self.fc


def fit(training: Any) -> Any:
    """Train one plain supervised stage."""

    def supervise(student: Any) -> None:
        views = training.views("train")
        epochs = int(training.options["epochs"])
        recipe = training.recipe(student, views, epochs)
        for batch in training.epochs(views, epochs, state=[student, recipe]):
            with training.autocast():
                loss = training.task_loss(student(batch.low, batch.mask, batch.box), batch.target)
            recipe.step(loss)
            training.log(loss=loss)

    return training.stage("student", supervise, training.recognizer(), needs=("low", *RECIPE))


DATASET = DatasetSpec(
    name="check-squares",
    summary="a square that moves left or right",
    classes=CLASSES,
    protocols={"only": Protocol(summary="fixed", folds=("only",))},
    index=index,
    degradation="check-average-12x16",
)
DEGRADATION = DegradationSpec(name="check-average-HxW", summary="area average", on_clip=degrade)
ENHANCER = EnhancerSpec(name="check-enlarge", summary="nearest neighbour", factory=Enlarge)
BACKBONE = BackboneSpec(
    name="check-two-stages", summary="two convolutions", factory=TwoStages, stages=("first", "second"), sampling="2x1"
)
METHOD = MethodSpec(
    name="check-supervised",
    summary="one plain stage",
    fit=fit,
    options={
        **RECIPE,
        "epochs": dataclasses.replace(RECIPE["epochs"], default=1),
        "batch": dataclasses.replace(RECIPE["batch"], default=4),
    },
    defaults={"backbone": BACKBONE.name, "enhancer": ENHANCER.name, "size": f"{HEIGHT}x{WIDTH}"},
)
MINIMAL: tuple[Spec, ...] = (DATASET, DEGRADATION, ENHANCER, BACKBONE, METHOD)


def with_minimal_components(catalog: Catalog) -> Catalog:
    """Return `catalog` with the five minimal components added."""
    owner = Owner("check", "elrbench", "")
    return dataclasses.replace(
        catalog,
        datasets=_with(catalog.datasets, DATASET),
        degradations=_with(catalog.degradations, DEGRADATION),
        enhancers=_with(catalog.enhancers, ENHANCER),
        backbones=_with(catalog.backbones, BACKBONE),
        methods=_with(catalog.methods, METHOD),
        owners={**catalog.owners, **{(spec.kind, spec.name): owner for spec in MINIMAL}},
    )


def with_dataset(catalog: Catalog, spec: DatasetSpec) -> Catalog:
    """Return `catalog` with `spec` instead of its dataset of that name."""
    return dataclasses.replace(catalog, datasets=_with(catalog.datasets, spec))


def _with(held: Section[Any], spec: Spec) -> Section[Any]:
    return Section(held.kind, {**{name: held[name] for name in held}, spec.name: spec})


def noise(*shape: int) -> Tensor:
    """Return the same random tensor of a shape each time, float in [0, 1]."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))
