"""Training of a part of a backbone: what is trained, low-rank updates by hand, and runs that end as any other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from test_recipe_weights import Killed, loss_of, options_of, trained, training_of
from torch import Tensor, nn

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.runs.time_estimate import estimate_times
from benchmark_core.specs import Value
from benchmark_core.training.average import Average
from benchmark_core.training.lora import adapt, adaptable, adapted, merge
from benchmark_core.training.recipe import Recipe
from benchmark_core.training.recipe_options import RECIPE, TUNING
from benchmark_core.training.training_loop import finish_state, prepare_state
from elrbench_plugins.fully_coupled.check import check


@pytest.fixture
def network(toy_catalog: Catalog, toy_plan: Plan) -> Recognizer:
    """Four levels of a convolution and a norm, and a classifier."""
    torch.manual_seed(0)
    return recognizer_of(toy_plan, components_of(toy_catalog, toy_plan))


def count(recipe: Recipe) -> int:
    return sum(parameter.numel() for parameter in recipe.parameters)


def numbers(modules: Any) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


# -- low-rank updates by hand


def test_the_update_of_a_linear_layer_by_hand() -> None:
    """W0 = [[1, 2]], A = [[3, 4]], B = [[5]], alpha 6, rank 1: W0 + 6 B A = [[91, 122]]."""
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0]]))
        layer.bias.fill_(0.5)
    adapt(layer, 1, 6.0, torch.Generator())
    part: Any = layer.parametrizations.weight[0]  # type: ignore[index,union-attr]
    x = torch.tensor([[1.0, -1.0]])
    assert layer(x).item() == -0.5  # B is 0: the layer has not changed
    with torch.no_grad():
        part.down.copy_(torch.tensor([[3.0, 4.0]]))
        part.up.fill_(5.0)
    assert layer(x).item() == 91 - 122 + 0.5
    layer(x).sum().backward()  # dW = [1, -1]: dB = alpha/r dW·A = 6 (3 - 4), dA = alpha/r B dW
    assert part.up.grad.tolist() == [[-6.0]] and part.down.grad.tolist() == [[30.0, -30.0]]
    assert layer.bias.grad is None and part.scale == 6
    merge(layer)
    assert layer.weight.tolist() == [[91.0, 122.0]] and layer(x).item() == -30.5
    assert list(layer.state_dict()) == ["weight", "bias"] and type(layer) is nn.Linear and not adapted(layer)


def test_the_rank_is_at_most_that_of_the_weight_and_a_convolution_has_k_inputs() -> None:
    conv = nn.Conv2d(2, 3, (2, 3))
    adapt(conv, 8, 3.0, torch.Generator())
    part: Any = conv.parametrizations.weight[0]  # type: ignore[index,union-attr]
    assert part.down.shape == (3, 2 * 2 * 3) and part.up.shape == (3, 3) and part.scale == 1
    nn.init.normal_(part.up)
    before, x = conv.parametrizations.weight.original.clone(), torch.rand(1, 2, 4, 4)  # type: ignore[union-attr]
    whole = before + (part.up @ part.down).reshape(before.shape)
    assert torch.allclose(conv(x), nn.functional.conv2d(x, whole, conv.bias))
    merge(conv)
    assert torch.allclose(conv.weight, whole)


def test_code_that_reads_the_weight_itself_sees_the_update() -> None:
    layer = nn.Linear(3, 3, bias=False)
    adapt(layer, 2, 2.0, torch.Generator())
    nn.init.ones_(layer.parametrizations.weight[0].up)  # type: ignore[index,union-attr]
    x = torch.rand(2, 3)
    assert torch.equal(layer(x), nn.functional.linear(x, layer.weight))


def test_grouped_convolutions_and_the_classifier_are_not_adapted() -> None:
    net = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 8, 1), nn.BatchNorm2d(8), nn.Linear(8, 2))
    skip = {id(parameter) for parameter in net[3].parameters()}
    assert list(adaptable(net, skip)) == [net[1]]


def test_the_average_of_adapted_layers_is_merged() -> None:
    net = nn.Sequential(nn.Linear(2, 2))
    adapt(net[0], 1, 1.0, torch.Generator())
    average = Average(net, 0.5)
    nn.init.ones_(net[0].parametrizations.weight[0].up)  # type: ignore[index,union-attr]
    average.update(net)  # decay 1/10: B is 0.9
    part: Any = net[0].parametrizations.weight[0]  # type: ignore[index,union-attr]
    due = net[0].parametrizations.weight.original + 0.9 * torch.ones(2, 1) @ part.down  # type: ignore[union-attr]
    merge(net)
    average.into(net)
    assert torch.allclose(net[0].weight, due)


# -- what is trained


def test_numbers_of_trained_parameters(network: Recognizer) -> None:
    backbone: Any = network.backbone
    everything, head, stages = numbers([backbone]), numbers([backbone.fc]), list(backbone.stages)
    assert count(Recipe([network], options_of(), epochs=1, steps=1)) == everything
    for kind, expected in (
        ("head", head),
        ("last-1", head + numbers(stages[3:])),
        ("last-3", head + numbers(stages[1:])),
        ("last-4", everything),
        ("lora", head + sum(4 * (stage[0].weight.shape[0] + stage[0].weight[0].numel()) for stage in stages)),
    ):
        recipe = Recipe([network], options_of(train=kind, lora_rank=4), epochs=1, steps=1)
        assert count(recipe) == expected, kind
        recipe.finish()
        assert all(parameter.requires_grad for parameter in network.parameters())
        assert not any(adapted(layer) for layer in network.modules())


@pytest.mark.parametrize("kind", ["head", "last-2", "lora"])
def test_the_rest_stands_still(network: Recognizer, kind: str) -> None:
    """Running statistics of what is frozen, too; the names and their order are as before."""
    names = list(network.state_dict())
    recipe = Recipe([network], options_of(train=kind), epochs=1, steps=1)
    prepare_state([network, recipe], 0)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    network.train()
    prepare_state([network, recipe], 0)
    out = network(torch.rand(4, 1, 3, 1, 12, 16))
    recipe.step(out.square().sum())
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, state[name])}
    assert any(name.startswith("backbone.fc") for name in moved)
    rest = {name for name in moved if not name.startswith("backbone.fc")}
    if kind == "head":
        assert not rest
    elif kind == "lora":  # A has no gradient yet, because B was 0
        assert rest and all(name.endswith("parametrizations.weight.0.up") for name in rest)
    else:
        assert rest and all(name.startswith(("backbone.stages.2", "backbone.stages.3")) for name in rest)
    finish_state([network, recipe])
    assert list(network.state_dict()) == names


def test_errors(network: Recognizer) -> None:
    with pytest.raises(ElrError, match="has 4 levels besides its classifier; use last-4 or less, or all"):
        Recipe([network], options_of(train="last-5"), epochs=1, steps=1)
    recipe = Recipe([network], options_of(train="head"), epochs=1, steps=1)
    with pytest.raises(ElrError, match="state="):
        recipe.step(loss_of(network))
    recipe.begin_epoch(0)
    maps = network.backbone.forward_features(torch.rand(2, 3, 24, 32))
    with pytest.raises(ElrError, match="does not depend on what is trained"):
        recipe.step(maps[-1].sum())
    recipe.finish()
    with pytest.raises(ElrError, match="one recipe for two loops"):
        recipe.begin_epoch(0)


@pytest.mark.parametrize("value", ["last-0", "last-N", "last-", "last-1.5", "last-99999", "body"])
def test_values_that_are_refused(value: str) -> None:
    with pytest.raises(ElrError, match="is not one of all, head, last-N, lora"):
        RECIPE["train"].check("--set method.train", value)
    assert RECIPE["train"].check("--set method.train", "last-12") == "last-12"


def test_published_plans_do_not_change(toy_plan: Plan) -> None:
    assert all(RECIPE[key].added for key in TUNING)
    assert not any(key.removeprefix("method.") in TUNING for key in toy_plan.settings)


# -- plans and runs


def test_random_weights_are_refused(toy_catalog: Catalog) -> None:
    fields: dict[str, Any] = {"dataset": "toy", "backbone": "toynet", "budget": "smoke", "size": "24x32"}
    for method in ("supervised", "teacher"):
        with pytest.raises(ElrError, match="method.train=lora trains a part of a backbone, .* 'toynet' are random"):
            resolve_plan(toy_catalog, PlanRequest(method=method, settings=("method.train=lora",), **fields))
    assert resolve_plan(toy_catalog, PlanRequest(method="supervised", settings=("method.train=all",), **fields))


def test_methods_that_share_filters_refuse_it(toy_catalog: Catalog) -> None:
    fields: dict[str, Any] = {"dataset": "toy", "budget": "smoke"}
    plan = resolve_plan(toy_catalog, PlanRequest(method="fully-coupled", **fields))
    tuned = dataclasses.replace(plan, settings={**plan.settings, "method.train": "head"})
    with pytest.raises(ElrError, match="trains filters that two networks share"):
        check(tuned, components_of(toy_catalog, tuned))
    with pytest.raises(ElrError, match="unknown setting: 'method.train'|unknown setting 'method.train'"):
        resolve_plan(toy_catalog, PlanRequest(method="semi-coupled", settings=("method.train=head",), **fields))


@pytest.fixture
def with_recipe(toy_plan: Plan) -> Callable[..., Plan]:
    def plan(**changes: Value) -> Plan:
        settings = {**toy_plan.settings, **{f"method.{key}": value for key, value in changes.items()}}
        return dataclasses.replace(toy_plan, settings=settings)

    return plan


@pytest.mark.parametrize("kind", ["head", "last-1", "lora"])
@pytest.mark.parametrize("die_at", [None, 1, 2])
def test_a_kill_changes_nothing(
    toy_catalog: Catalog, with_recipe: Callable[..., Plan], tmp_path: Path, kind: str, die_at: int | None
) -> None:
    plan = with_recipe(train=kind, model_ema_decay=0.9, layer_decay=0.7)
    straight = trained(training_of(toy_catalog, plan, tmp_path, "whole"))
    if die_at is not None:
        with pytest.raises(Killed):
            trained(training_of(toy_catalog, plan, tmp_path, "broken"), die_at=die_at)
    assert torch.equal(straight, trained(training_of(toy_catalog, plan, tmp_path, "broken")))
    assert torch.equal(straight, trained(training_of(toy_catalog, plan, tmp_path, "broken")))  # from the cache
    other = with_recipe(train="all", model_ema_decay=0.9, layer_decay=0.7)
    assert not torch.equal(straight, trained(training_of(toy_catalog, other, tmp_path, "other")))


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_kill_after_the_last_epoch(
    toy_catalog: Catalog, with_recipe: Callable[..., Plan], tmp_path: Path, ema: float
) -> None:
    """The checkpoint of a loop that has ended holds merged weights and averages."""
    plan = with_recipe(train="lora", model_ema_decay=ema)

    def run(training: Any, die: bool) -> Tensor:
        def learn(net: nn.Module) -> None:
            for loop in range(2):
                views = training.views("train")
                recipe = training.recipe(net, views, 1)
                average = Average(net, 0.5)
                for batch in training.epochs(views, 1, state=[net, recipe, average]):
                    if die and loop == 1:
                        raise Killed
                    recipe.step(training.task_loss(net(batch.low, batch.mask, batch.box), batch.target))
                    average.update(net)
                average.into(net)

        net = training.stage("student", learn, training.recognizer(), needs=("low", *RECIPE))
        return torch.cat([value.flatten().float() for value in net.state_dict().values()])

    straight = run(training_of(toy_catalog, plan, tmp_path, "whole"), die=False)
    with pytest.raises(Killed):
        run(training_of(toy_catalog, plan, tmp_path, "broken"), die=True)
    assert torch.equal(straight, run(training_of(toy_catalog, plan, tmp_path, "broken"), die=False))


@pytest.mark.parametrize("method", ["supervised:matched", "kd", "stat", "cstat", "strong-kd", "reskd", "ensemble"])
def test_methods_of_several_loops(toy_catalog: Catalog, tmp_path: Path, method: str) -> None:
    """The estimate runs their code. Stages after the first see networks with their own names of tensors."""
    request = PlanRequest(method=method, dataset="toy", backbone="toynet", budget="smoke", size="24x32")
    plan = resolve_plan(toy_catalog, request)
    tuned = dataclasses.replace(plan, settings={**plan.settings, "method.train": "lora", "method.batch": 12})
    components = components_of(toy_catalog, tuned)
    assert estimate_times(tuned, components, clips=24, device=torch.device("cpu"), cache=tmp_path)
