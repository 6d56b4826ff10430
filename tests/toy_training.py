"""A `Training` on the toy for tests of loops and stages: how to make one, a loop to run, and what may end the loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchmark_core.catalog import Catalog
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of
from benchmark_core.progress import Reporter, Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.prepare import prepare
from benchmark_core.training.keys import StageInputs
from benchmark_core.training.training import Training, build_training

Make = Callable[..., Training]
OWNERS = dict.fromkeys(("dataset", "degradation", "enhancer", "backbone", "method"), "elrbench")
INPUTS = StageInputs(clips="c", low="l", high="h", crop="after", owners=OWNERS)


@pytest.fixture
def make(toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path) -> Make:
    """`make(cache="a", seed=…)`: a Training on the toy dataset; other keywords change the plan."""

    def training(cache: str = "a", reporter: Reporter | None = None, **changes: Any) -> Training:
        plan = dataclasses.replace(toy_plan, **changes)
        components = components_of(toy_catalog, plan)
        components = dataclasses.replace(components, method=dataclasses.replace(components.method, needs_high=True))
        data = prepare(plan, components, RunContext(out=tmp_path / "clips", cache=tmp_path / "clips"))
        return build_training(
            plan=plan,
            components=components,
            inputs=data.stage_inputs(OWNERS),
            make_views=data.training_views,
            device=torch.device("cpu"),
            cache=tmp_path / cache,
            reporter=reporter or Silent(),
        )

    return training


class Killed(Exception):
    """Raised in place of a kill."""


def fit(training: Training, net: nn.Module, epochs: int = 3, die_at: int | None = None) -> None:
    views = training.views("train")
    recipe = training.recipe(net, views, epochs)
    for batch in training.epochs(views, epochs, state=[net, recipe]):
        if batch.epoch == die_at:
            raise Killed
        loss = training.task_loss(net(batch.low, batch.mask, batch.box), batch.target)
        recipe.step(loss)
        training.log(loss=loss)


def weights(net: nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten().float() for value in net.state_dict().values()])


def one_loop(training: Training, die_at: int | None = None) -> Callable[[Any], None]:
    def run(net: nn.Module) -> None:
        fit(training, net, die_at=die_at)

    return run
