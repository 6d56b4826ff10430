"""Learning rates by layer, freezing and averaged weights by hand, and a training that resumes with all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plans.named_recipes import NAMED_RECIPES
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.prepare import prepare
from benchmark_core.runs.time_estimate import estimate_times
from benchmark_core.specs import KINDS, Value
from benchmark_core.training.levels import levels_of
from benchmark_core.training.recipe import Recipe
from benchmark_core.training.recipe_options import AUGMENTATION, RECIPE, value_of
from benchmark_core.training.training import Training, build_training
from benchmark_core.training.training_loop import finish_state, prepare_state

OWNERS = dict.fromkeys(KINDS, "elrbench")
FULL: dict[str, Value] = {
    **NAMED_RECIPES["modern"],
    "random_crop": "corners",
    "erase_probability": 0.3,
    "layer_decay": 0.7,
    "freeze_epochs": 1,
}


def options_of(**changes: Value) -> dict[str, Value]:
    plain = {key: option.default for key, option in RECIPE.items()}
    return {**plain, "schedule": "constant", "warmup_epochs": 0, "lr": 0.1, "momentum": 0.0, **changes}


@pytest.fixture
def network(toy_catalog: Catalog, toy_plan: Plan) -> Recognizer:
    torch.manual_seed(0)
    return recognizer_of(toy_plan, components_of(toy_catalog, toy_plan))


def loss_of(network: Recognizer) -> Tensor:
    """Sum over the parameters: each gradient is 1."""
    total = sum(parameter.sum() for parameter in network.parameters())
    assert isinstance(total, Tensor)
    return total


# -- levels


def test_a_norm_belongs_to_its_convolution_and_the_classifier_to_no_level(network: Recognizer) -> None:
    levels = levels_of(network.backbone)
    assert [[parameter.ndim for parameter in level] for level in levels] == [[4, 1, 1, 1]] * 4
    outside = {id(p) for p in network.parameters()} - {id(p) for level in levels for p in level}
    assert outside == {id(parameter) for parameter in network.backbone.fc.parameters()}


@pytest.mark.parametrize(
    ("name", "count"), [("resnet18", 9), ("resnet34", 17), ("i3d", 12), ("efficientnet-lite0", 18)]
)
def test_levels_of_published_backbones(catalog: Catalog, name: str, count: int) -> None:
    """Stem and residual blocks; I3D's three stem convolutions and nine modules; EfficientNet's ends and 16 blocks."""
    with torch.device("meta"):
        backbone = catalog.backbones[name].build(
            5, {key: o.default for key, o in catalog.backbones[name].options.items()}
        )
    levels = levels_of(backbone)
    assert len(levels) == count
    named = {id(parameter): key for key, parameter in backbone.named_parameters()}
    classifier = {id(parameter) for parameter in backbone.get_classifier().parameters()}
    assert sorted(named[id(p)] for level in levels for p in level) == sorted(
        key for number, key in named.items() if number not in classifier
    )


def test_learning_rates_by_layer_by_hand(network: Recognizer) -> None:
    before = [parameter.detach().clone() for parameter in network.parameters()]
    recipe = Recipe([network], options_of(layer_decay=0.5), epochs=1, steps=1)
    recipe.step(loss_of(network))
    moved = {id(p): (old - p).detach() for old, p in zip(before, network.parameters(), strict=True)}
    for number, level in enumerate(levels_of(network.backbone)):
        for parameter in level:
            assert torch.allclose(moved[id(parameter)], torch.tensor(0.1 * 0.5 ** (4 - number)), atol=1e-7)
    for parameter in network.backbone.fc.parameters():
        assert torch.allclose(moved[id(parameter)], torch.tensor(0.1), atol=1e-7)


def test_with_defaults_the_optimizer_has_its_two_groups(network: Recognizer) -> None:
    recipe = Recipe([network], options_of(weight_decay=0.3), epochs=1, steps=1)
    groups = recipe.optimiser.param_groups
    assert [group["weight_decay"] for group in groups] == [0.3, 0.0]
    assert [len(group["params"]) for group in groups] == [5, 13] and not any("lr_scale" in group for group in groups)
    assert recipe.state_dict().keys() == {"optimiser", "updates"}


# -- freezing


@pytest.mark.parametrize(("epochs", "frozen"), [(2, [True, True, False]), (-1, [True, True, True]), (0, [False] * 3)])
def test_the_first_levels_are_frozen(network: Recognizer, epochs: int, frozen: list[bool]) -> None:
    first, second = network.backbone.stages[0], network.backbone.stages[2]
    recipe = Recipe([network], options_of(freeze_epochs=epochs, freeze_depth=0.5), epochs=3, steps=1)
    for epoch, still in enumerate(frozen):
        prepare_state([network, recipe], epoch)
        before, other = first[0].weight.detach().clone(), second[0].weight.detach().clone()
        recipe.step(loss_of(network))
        assert torch.equal(first[0].weight, before) is still and not torch.equal(second[0].weight, other)
        assert first[1].training is not still and second[1].training  # running statistics
    finish_state([network, recipe])
    assert all(parameter.requires_grad for parameter in network.parameters())


# -- the average


def test_the_average_is_loaded_at_the_end_by_hand() -> None:
    """Gradient 1 and rate 0.1: weights 1, 0.9, 0.8. d is 1/10, then min(0.15, 2/11)."""
    point = nn.Linear(1, 1, bias=False)
    nn.init.ones_(point.weight)
    recipe = Recipe([point], options_of(model_ema_decay=0.15), epochs=1, steps=2)
    prepare_state([point, recipe], 0)
    for _ in range(2):
        recipe.step(point.weight.sum())
    assert point.weight.item() == pytest.approx(0.8)
    finish_state([point, recipe])
    first = 0.1 * 1 + 0.9 * 0.9
    assert point.weight.item() == pytest.approx(0.15 * first + 0.85 * 0.8) and point.weight.requires_grad


@pytest.mark.parametrize("options", [{"model_ema_decay": 0.9}, {"freeze_epochs": 1}])
def test_a_recipe_outside_the_state_is_refused(network: Recognizer, options: dict[str, Value]) -> None:
    recipe = Recipe([network], options_of(**options), epochs=1, steps=1)
    with pytest.raises(ElrError, match="state="):
        recipe.step(loss_of(network))


def test_options_of_an_older_list_are_at_their_defaults() -> None:
    assert value_of({}, "layer_decay") == 1.0 and value_of({"layer_decay": 0.5}, "layer_decay") == 0.5
    later = {*AUGMENTATION, "layer_decay", "freeze_epochs", "freeze_depth", "model_ema_decay"}
    assert all(RECIPE[key].added for key in later)  # published plans do not hold them


# -- runs


class Killed(Exception):
    """Raised in place of a kill."""


def training_of(catalog: Catalog, plan: Plan, folder: Path, cache: str) -> Training:
    components = components_of(catalog, plan)
    data = prepare(plan, components, RunContext(out=folder / "clips", cache=folder / "clips"))
    return build_training(
        plan=plan,
        components=components,
        inputs=data.stage_inputs(OWNERS),
        make_views=data.training_views,
        device=torch.device("cpu"),
        cache=folder / cache,
        reporter=Silent(),
    )


def trained(
    training: Training, die_at: int | None = None, seen: list[Any] | None = None, needs: Any = RECIPE
) -> Tensor:
    def run(net: nn.Module) -> None:
        views = training.views("train")
        recipe = training.recipe(net, views, 3)
        for batch in training.epochs(views, 3, state=[net, recipe]):
            if batch.epoch == die_at:
                raise Killed
            if seen is not None:
                seen.append(batch)
            loss = training.task_loss(net(batch.low, batch.mask, batch.box), batch.target)
            recipe.step(loss)
            training.log(loss=loss)

    net = training.stage("student", run, training.recognizer(), needs=("low", *needs))
    return torch.cat([value.flatten().float() for value in net.state_dict().values()])


@pytest.fixture
def with_recipe(toy_plan: Plan) -> Callable[..., Plan]:
    def plan(**changes: Value) -> Plan:
        return dataclasses.replace(
            toy_plan, settings={**toy_plan.settings, **{f"method.{key}": value for key, value in changes.items()}}
        )

    return plan


@pytest.mark.parametrize("die_at", [1, 2])
def test_a_kill_changes_nothing_with_every_option(
    toy_catalog: Catalog, with_recipe: Callable[..., Plan], tmp_path: Path, die_at: int
) -> None:
    plan = with_recipe(**FULL)
    seen: list[Any] = []
    straight = trained(training_of(toy_catalog, plan, tmp_path, "whole"), seen=seen)
    with pytest.raises(Killed):
        trained(training_of(toy_catalog, plan, tmp_path, "broken"), die_at=die_at)
    assert torch.equal(straight, trained(training_of(toy_catalog, plan, tmp_path, "broken")))
    assert all(batch.target.shape == (12, 3) and batch.target.is_floating_point() for batch in seen)
    for key in FULL.keys() - {"warmup_epochs", "optimiser", "random_crop"}:  # each option changes the weights
        if key in AUGMENTATION or key in ("layer_decay", "freeze_epochs", "model_ema_decay"):
            other = with_recipe(**{**FULL, key: RECIPE[key].default})
            assert not torch.equal(straight, trained(training_of(toy_catalog, other, tmp_path, key))), key


def test_a_stage_must_need_an_option_that_is_set(
    toy_catalog: Catalog, with_recipe: Callable[..., Plan], tmp_path: Path
) -> None:
    older = [key for key in RECIPE if key not in AUGMENTATION]  # as a plugin lists them that knows no augmentation
    trained(training_of(toy_catalog, with_recipe(), tmp_path, "plain"), needs=older)
    with pytest.raises(ElrError, match="'mixup_alpha', which is not in the stage's `needs`"):
        trained(training_of(toy_catalog, with_recipe(mixup_alpha=0.3), tmp_path, "mixed"), needs=older)


def test_the_time_estimate_runs_the_whole_recipe(
    toy_catalog: Catalog, with_recipe: Callable[..., Plan], tmp_path: Path
) -> None:
    plan = with_recipe(**FULL)
    seconds = estimate_times(
        plan, components_of(toy_catalog, plan), clips=24, device=torch.device("cpu"), cache=tmp_path
    )
    assert seconds["student"] > 0
