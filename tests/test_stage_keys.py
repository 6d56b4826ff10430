"""What the keys of stages contain, and what a stage may therefore read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TOY
from test_kd import training_of

from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.errors import ElrError
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.specs import Value
from benchmark_core.training.named_options import NamedOptions
from benchmark_core.training.recipe import Recipe
from benchmark_core.training.recipe_options import RECIPE, value_of
from benchmark_core.training.stage_runner import Stage
from benchmark_core.training.training import Training
from elrbench_plugins.elr_distil.teachers import trained_teachers


def training(catalog: Catalog, tmp_path: Path, keys: dict[str, str], **fields: Any) -> Training:
    """A Training on the toy dataset that trains nothing; `keys` get the digest of each stage that it is asked for."""
    usual = {"method": "supervised", "dataset": "toy", "backbone": "toynet", "budget": "smoke", "size": "24x32"}
    made = training_of(catalog, resolve_plan(catalog, PlanRequest(**{**usual, **fields})), tmp_path)

    def run_stage(stage: Stage) -> None:
        keys[stage.key.name] = stage.key.digest

    made._runner.run_stage = run_stage  # type: ignore[method-assign]
    return made


# -- the sampling of an enhancer's stage


def test_an_encoder_trained_on_views_of_the_plan_depends_on_their_sampling(
    toy_catalog: Catalog, tmp_path: Path
) -> None:
    found = []
    for sampling in ("2x1", "4x1", "2x1s2"):
        keys: dict[str, str] = {}
        training(toy_catalog, tmp_path, keys, enhancer="bdq", degradation="average-6x8", sampling=sampling).recognizer()
        found.append(keys["bdq"])
    assert len(set(found)) == 3


@pytest.mark.parametrize("needs", [("low",), ("low", "sampling"), None])
def test_an_enhancer_asks_for_views_of_the_plan_inside_a_stage_that_needs_them(
    toy_catalog: Catalog, tmp_path: Path, needs: tuple[str, ...] | None
) -> None:
    made = training(toy_catalog, tmp_path, {})
    seen = []

    def run_stage(stage: Stage) -> None:
        made.views("train", sampling="1x4")
        seen.append(made.views("train").sampling)

    made._runner.run_stage = run_stage  # type: ignore[method-assign]
    with made._enhancer_scope({}):
        if needs and "sampling" in needs:
            made.stage("filter", lambda net: None, torch.nn.Linear(1, 1), needs=needs)
            assert [str(sampling) for sampling in seen] == [made.plan.sampling]
            return
        with pytest.raises(ElrError, match=r'"sampling" to its `needs`, or pass views\(sampling=…\)'):
            if needs is None:
                made.views("train")
            else:
                made.stage("filter", lambda net: None, torch.nn.Linear(1, 1), needs=needs)
    assert not seen


def test_a_methods_stage_has_no_need_of_sampling(toy_catalog: Catalog, tmp_path: Path) -> None:
    made = training(toy_catalog, tmp_path, {})
    with pytest.raises(ElrError, match="unknown need of stage 'student': 'sampling'"):
        made.stage("student", lambda net: None, made.recognizer(), needs=("low", "sampling"))


# -- the low size of the motion teacher


def test_the_motion_teacher_depends_on_the_low_size_at_which_it_sees_flow(toy_catalog: Catalog, tmp_path: Path) -> None:
    catalog = load_catalog([*toy_catalog.extra, str(TOY.with_name("toy3d.py"))], entry_points=False)
    found = []
    for degradation in ("average-12x16", "average-6x8"):
        keys: dict[str, str] = {}
        trained_teachers(training(catalog, tmp_path, keys, method="elr-distil:two-teachers", sampling="clip-6",
                                  degradation=degradation, enhancer="bilinear", backbone="toy3d",
                                  teacher_backbone="toynet", teacher_size="24x32"))  # fmt: skip
        found.append(keys)
    assert found[0]["teacher"] == found[1]["teacher"] and found[0]["teacher-motion"] != found[1]["teacher-motion"]


# -- options in a stage


def options_in_a_stage(**changes: Value) -> tuple[dict[str, Value], NamedOptions]:
    """All options of a recipe and one of a method, of which the stage names the recipe's."""
    plain = {**{key: option.default for key, option in RECIPE.items()}, "temperature": 5.0, **changes}
    return plain, NamedOptions(plain, "student", [*RECIPE, "not_an_option"])


def test_unpacked_options_are_those_that_the_key_contains() -> None:
    plain, options = options_in_a_stage()
    named = {key: value for key, value in plain.items() if key != "temperature"}
    assert {**options} == dict(options) == dict(options.items()) == named and list(options) == list(named)
    assert list(options.values()) == list(named.values()) and len(options) == len(named)
    assert "temperature" in options and "not_an_option" not in options and isinstance(options, Mapping)
    for read in (lambda: options["temperature"], lambda: options.get("temperature")):
        with pytest.raises(ElrError, match="stage 'student' reads the option 'temperature'"):
            read()


def test_options_that_were_added_later_need_no_name_at_their_defaults() -> None:
    plain, _ = options_in_a_stage()
    options = NamedOptions(plain, "student", ["lr"])
    assert value_of(options, "layer_decay") == 1.0
    with pytest.raises(ElrError, match="'layer_decay'"):
        value_of(NamedOptions({**plain, "layer_decay": 0.5}, "student", ["lr"]), "layer_decay")


def test_a_recipe_of_unpacked_options_is_that_of_all_options() -> None:
    plain, options = options_in_a_stage(lr=0.25, optimiser="adamw", model_ema_decay=0.5)
    net = torch.nn.Linear(2, 2)
    recipes = [Recipe([net], {**each, "weight_decay": 0.5}, epochs=1, steps=1) for each in (plain, options)]
    assert [type(recipe.optimiser) for recipe in recipes] == [torch.optim.AdamW] * 2
    assert recipes[0].peak == recipes[1].peak == 0.25
    assert [recipe.averages[0][1].decay for recipe in recipes] == [0.5, 0.5]
