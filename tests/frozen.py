"""For tests of several processes: a method with frozen norms and several loops, and a network without norms."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from elrbench import RECIPE, BackboneSpec, MethodSpec, Option, Recognizer, Training, hookimpl

OWN = {"loop": Option(default="recipe", choices=("recipe", "own", "alone", "nothing", "fails"), help="how it updates")}


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """One method, whose option says how its loop updates."""
    return [
        MethodSpec(
            name="frozen",
            summary="labels, frozen norms",
            fit="frozen:fit",
            options={**RECIPE, **OWN},
            defaults={"backbone": "toynet", "enhancer": "bilinear"},
        )
    ]


@hookimpl
def elr_backbones() -> list[BackboneSpec]:
    """Return networks whose results for a clip do not depend on the other clips of a batch, in 2D and 3D."""
    spec = {"summary": "no norms", "stages": ("one", "two", "three", "four")}
    return [
        BackboneSpec(name="plainnet", factory="frozen:build", sampling="2x1", **spec),
        BackboneSpec(name="plain3d", factory="frozen:build_3d", sampling="1x8", dims=3, **spec),
    ]


class PlainNet(nn.Module):
    """Four convolutions of 8 channels and a classifier. stride: of each, in space; in time it is 1."""

    num_features = 8

    def __init__(self, classes: int, kind: type[nn.Module], stride: Any) -> None:
        super().__init__()
        self.stages = nn.ModuleList(kind(inputs, 8, 3, stride, 1) for inputs in (3, 8, 8, 8))  # type: ignore[call-arg]
        self.fc = nn.Linear(8, classes)

    def forward_features(self, x: torch.Tensor) -> list[torch.Tensor]:
        maps = []
        for stage in self.stages:
            x = stage(x).relu()
            maps.append(x)
        return maps

    def pool(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(2).mean(2)

    def get_classifier(self) -> nn.Module:
        return self.fc


def build(classes: int, options: object) -> PlainNet:
    """Return the network on frames."""
    return PlainNet(classes, nn.Conv2d, 2)


def build_3d(classes: int, options: object) -> PlainNet:
    """Return the network on clips."""
    return PlainNet(classes, nn.Conv3d, (1, 2, 2))


def fit(training: Training) -> Recognizer:
    """Train the student in one stage."""
    student = training.recognizer(head="mean-logits")
    needs = ("low", *RECIPE, *OWN)
    trained: Recognizer = training.stage("student", functools.partial(learn, training), student, needs=needs)
    return trained


@contextmanager
def still(network: nn.Module) -> Iterator[None]:
    """Freeze BatchNorm layers, whose statistics would depend on how a batch is shared."""
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
    for norm in norms:
        norm.requires_grad_(False)
    yield
    for norm in norms:
        norm.requires_grad_(True)


def learn(training: Training, student: Any) -> None:
    """Train on labels."""
    with still(student):
        views = training.views("train")
        epochs, loop = int(training.options["epochs"]), str(training.options["loop"])
        recipe = training.recipe(student, views, epochs)
        update = {"recipe": recipe.step, "fails": failing(recipe.step)}.get(loop, own_updates(training, student))
        for batch in training.epochs(views, epochs, state=[student, recipe]):
            with training.autocast():
                logits = student(batch.low, batch.mask, batch.box)
            loss = training.task_loss(logits, batch.target)
            if loop != "nothing":
                update(loss)
            training.log(loss=loss)


def own_updates(training: Training, student: nn.Module) -> Callable[[torch.Tensor], None]:
    """Return updates by an optimizer of the loop's own; `loop=alone` steps it without `training.step`."""
    optimiser = torch.optim.SGD([each for each in student.parameters() if each.requires_grad], lr=0.01)

    def update(loss: torch.Tensor) -> None:
        optimiser.zero_grad()
        loss.backward()
        if training.options["loop"] == "own":
            training.step(optimiser, clip_norm=1.0)
        else:
            optimiser.step()

    return update


def failing(step: Callable[[torch.Tensor], None]) -> Callable[[torch.Tensor], None]:
    """Return `step`, which raises in the process that RANK says is number 1."""

    def update(loss: torch.Tensor) -> None:
        if os.environ.get("RANK") == "1":
            raise TypeError("a bug of the method")
        step(loss)

    return update
