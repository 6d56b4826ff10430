"""`--recipe modern`: the settings that it stands for, and every method that trains with it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark_core.catalog import Catalog
from benchmark_core.clips.views import Batch
from benchmark_core.errors import ElrError
from benchmark_core.names import ComponentName
from benchmark_core.plans.named_recipes import NAMED_RECIPES, recipe_settings
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.prepare import prepare
from benchmark_core.runs.time_estimate import estimate_times
from benchmark_core.specs import KINDS
from benchmark_core.training.batch_augmentation import BatchAugmentation
from benchmark_core.training.recipe_options import AUGMENTATION, RECIPE
from benchmark_core.training.training import build_training
from elrbench_plugins.commands.suite.estimate import Estimator

DOCS = Path(__file__).parents[1] / "docs" / "running.md"


def test_modern_sets_options_that_set_overrides(catalog: Catalog) -> None:
    request = PlanRequest(method="kd", dataset="puppets", budget="small")
    plain = resolve_plan(catalog, request)
    plan = resolve_plan(catalog, dataclasses.replace(request, recipe="modern", settings=("method.lr=0.004",)))
    expected = {f"method.{key}": value for key, value in NAMED_RECIPES["modern"].items()} | {"method.lr": 0.004}
    assert plan.settings == {**plain.settings, **expected}
    spelt = dataclasses.replace(request, settings=tuple(f"{key}={value}" for key, value in expected.items()))
    assert resolve_plan(catalog, spelt).digest == plan.digest


@pytest.mark.parametrize("name", sorted(NAMED_RECIPES))
def test_recipes_hold_options_of_any_method(name: str) -> None:
    assert NAMED_RECIPES[name].keys() <= RECIPE.keys()
    for key, value in NAMED_RECIPES[name].items():
        assert RECIPE[key].check(key, value) == value


def test_modern_suits_every_built_in_method_that_learns(catalog: Catalog) -> None:
    fixed = {"semi-coupled", "tennet", "plrn-tennet"}  # loops and augmentation of their papers
    learned = [name for name in catalog.methods if not catalog.methods[name].yardstick and name not in fixed]
    assert len(learned) >= 9
    for name in learned:
        spec = catalog.methods[name]
        assert recipe_settings(spec, ComponentName(name), "modern").keys() <= {f"method.{key}" for key in spec.options}
        assert all(spec.options[key].added for key in AUGMENTATION)


def test_the_documented_numbers_are_those_of_modern() -> None:
    """The table's rows hold options and values in the same order; options that modern does not set are at default."""
    rows = [line.split("|")[1:3] for line in DOCS.read_text().splitlines() if line.startswith("| `")]
    table: dict[str, str] = {}
    for options, values in rows:
        keys = [key.strip(" `") for key in options.split(",")]
        if keys[0] in RECIPE:
            table |= dict(zip(keys, (value.strip() for value in values.split(",")), strict=True))
    assert table.keys() >= NAMED_RECIPES["modern"].keys() | AUGMENTATION.keys()
    for key, text in table.items():
        value = NAMED_RECIPES["modern"].get(key, RECIPE[key].default)
        assert text == value if isinstance(value, str) else float(text) == value, key


def test_an_unknown_recipe_and_a_method_without_the_options_are_refused(catalog: Catalog) -> None:
    request = PlanRequest(method="supervised", dataset="puppets", budget="smoke", recipe="modrn")
    with pytest.raises(ElrError, match="modern"):
        resolve_plan(catalog, request)
    bare = dataclasses.replace(catalog.methods["supervised"], name="bare", options={})
    with pytest.raises(ElrError, match="method 'bare' lacks options of the recipe 'modern'.*lr.*elrbench.RECIPE"):
        recipe_settings(bare, ComponentName("bare"), "modern")


# -- training


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[BatchAugmentation, Batch]]:
    """Every batch that is augmented from now on, and how."""
    seen: list[tuple[BatchAugmentation, Batch]] = []
    call = BatchAugmentation.__call__

    def watched(self: BatchAugmentation, *asked: Any, **how: Any) -> Batch:
        seen.append((self, call(self, *asked, **how)))
        return seen[-1][1]

    monkeypatch.setattr(BatchAugmentation, "__call__", watched)
    return seen


@pytest.mark.parametrize("method", ["supervised:matched", "kd", "strong-kd", "stat", "cstat"])
def test_each_method_trains_on_mixed_clips(
    toy_catalog: Catalog, tmp_path: Path, batches: list[tuple[BatchAugmentation, Batch]], method: str
) -> None:
    """Every loop of every stage, with no code of the method's own; losses stay finite and averages are scored."""
    settings = ("method.epochs=1", "method.joint_epochs=1", "method.batch=8", "dataset.train=16", "dataset.test=6")
    plan = resolve_plan(
        toy_catalog,
        PlanRequest(
            method=method,
            dataset="toy",
            backbone="toynet",
            budget="smoke",
            size="24x32",
            recipe="modern",
            settings=settings,
        ),
    )
    components = components_of(toy_catalog, plan)
    data = prepare(plan, components, RunContext(out=tmp_path, cache=tmp_path))
    training = build_training(
        plan=plan,
        components=components,
        inputs=data.stage_inputs(dict.fromkeys(KINDS, "elrbench")),
        make_views=data.training_views,
        device=torch.device("cpu"),
        cache=tmp_path,
        reporter=Silent(),
    )
    components.method.load(components.method.fit)(training)
    assert len(batches) == sum(stage["updates"] for stage in training.stages) >= 4
    mixed = [seen.target for how, seen in batches if how.mixes]
    assert mixed and all(target.shape == (8, 3) and torch.allclose(target.sum(1), torch.ones(8)) for target in mixed)
    own = [how.mixup_alpha for how, seen in batches if seen.low is not None]
    assert set(own) == ({0.0} if method == "strong-kd" else {0.2})  # strong-kd mixes by itself
    assert {how.cutmix_time for how, _ in batches} == {0.0}


def test_an_enhancers_own_training_is_not_mixed(
    catalog: Catalog, tmp_path: Path, batches: list[tuple[BatchAugmentation, Batch]]
) -> None:
    plan = resolve_plan(
        catalog,
        PlanRequest(
            method="supervised",
            dataset="puppets",
            budget="smoke",
            enhancer="dbpn-s",
            recipe="modern",
            settings=("enhancer.epochs=1", "method.epochs=1"),
        ),
    )
    estimate_times(plan, components_of(catalog, plan), clips=8, device=torch.device("cpu"), cache=tmp_path)
    assert len(batches) == 3  # the student's steps alone


@pytest.mark.parametrize("method", ["kd", "supervised"])
def test_natively_low_multi_label_clips_of_unequal_sizes(
    catalog: Catalog, tmp_path: Path, batches: list[tuple[BatchAugmentation, Batch]], method: str
) -> None:
    request = PlanRequest(method=method, dataset="tinyvirat", budget="smoke", recipe="modern")
    plan = resolve_plan(catalog, request)
    components = components_of(catalog, plan)
    estimate_times(plan, components, clips=8, device=torch.device("cpu"), cache=tmp_path)
    assert batches and any(isinstance(seen.low, list) for _, seen in batches)
    assert all(
        seen.target.is_floating_point() and 0 <= seen.target.min() <= seen.target.max() <= 1 for _, seen in batches
    )


def test_costs_are_estimated_without_content(catalog: Catalog) -> None:
    request = PlanRequest(method="cstat", dataset="puppets", budget="smoke")
    found = []
    for recipe in (None, "modern"):
        plan = resolve_plan(catalog, dataclasses.replace(request, recipe=recipe))
        found.append(Estimator(catalog).of(plan, components_of(catalog, plan)))
    assert found[0].unknown == found[1].unknown == "" and found[0].training_macs == found[1].training_macs
