"""Optimizers by name: Adam's decays against a computation by hand, and torch's defaults."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from benchmark_core.errors import ElrError
from benchmark_core.specs import Value
from benchmark_core.training.recipe import Recipe
from benchmark_core.training.recipe_options import RECIPE


def recipe_of(module: nn.Module, **options: Value) -> Recipe:
    numbers = {key: option.default for key, option in RECIPE.items()} | {"schedule": "constant", "warmup_epochs": 0}
    return Recipe([module], numbers | options, epochs=1, steps=10)


class Point(nn.Module):
    """One weight, initially 1; the gradient of its loss is its input."""

    def __init__(self) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.ones(1, 1))

    def forward(self, gradient: float) -> torch.Tensor:
        return (self.at * gradient).sum()


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adam_by_hand(decay: float) -> None:
    """Kingma and Ba, algorithm 1, with TinyVIRAT's decays; weight decay is added to the gradient."""
    point = Point()
    recipe = recipe_of(point, optimiser="adam", lr=0.1, beta1=0.5, beta2=0.9, weight_decay=decay)
    recipe.step(point(1.0))
    first = 1 - 0.1  # m/(1 - 0.5) is the gradient, v/(1 - 0.9) its square: one step of lr, whatever the gradient
    assert point.at.item() == pytest.approx(first, abs=1e-6)
    recipe.step(point(-3.0))
    one, two = 1 + decay * 1, -3 + decay * first
    mean = (0.5 * 0.5 * one + 0.5 * two) / (1 - 0.5**2)
    square = (0.9 * 0.1 * one**2 + 0.1 * two**2) / (1 - 0.9**2)
    assert point.at.item() == pytest.approx(first - 0.1 * mean / math.sqrt(square), abs=1e-6)


@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_decays_are_torchs_unless_set(kind: str) -> None:
    for options, betas in (({}, (0.9, 0.999)), ({"beta1": 0.5, "beta2": 0.9}, (0.5, 0.9))):
        optimiser = recipe_of(Point(), optimiser=kind, **options).optimiser
        assert [group["betas"] for group in optimiser.param_groups] == [betas] * 2
    plain = {key: option.default for key, option in RECIPE.items() if key not in ("beta1", "beta2")}
    optimiser = Recipe([Point()], {**plain, "optimiser": kind}, epochs=1, steps=1).optimiser  # options of an older list
    assert optimiser.param_groups[0]["betas"] == (0.9, 0.999)


def test_the_names_are_three_optimisers() -> None:
    kinds = [type(recipe_of(Point(), optimiser=name).optimiser) for name in RECIPE["optimiser"].choices]
    assert kinds == [torch.optim.SGD, torch.optim.AdamW, torch.optim.Adam]
    assert recipe_of(Point(), optimiser="sgd", momentum=0.7).optimiser.param_groups[0]["momentum"] == 0.7


@pytest.mark.parametrize(("key", "value"), [("beta1", 1.0), ("beta2", 1.0), ("beta1", -0.1)])
def test_a_decay_lies_below_one(key: str, value: float) -> None:
    with pytest.raises(ElrError, match=f"method.{key}={value:g} is (above|below)"):
        RECIPE[key].check(f"method.{key}", value)


def test_decays_leave_published_plans_alone() -> None:
    assert all(RECIPE[key].added for key in ("beta1", "beta2"))
