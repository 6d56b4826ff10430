"""Every pair of components trains a few steps, or is refused in one line before data are read."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch

from benchmark_core.catalog import Catalog
from benchmark_core.plans.combinations import RULES
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.runs.time_estimate import estimate_times
from benchmark_core.training.keys import StageInputs
from elrbench import ElrError

PAGE = Path(__file__).parents[1] / "docs" / "running.md"
OWNERS = dict.fromkeys(("dataset", "degradation", "enhancer", "backbone", "method"), "elrbench")
INPUTS = StageInputs(clips="c", low="l", high="h", crop="after", owners=OWNERS)
METHODS = ("supervised", "supervised:matched", "teacher", "cstat", "stat")
DEGRADATIONS = ("average-12x16", "average-12x16:clean", "bicubic-14x14", "native")
REFUSED = {  # (method, dataset, degradation) -> the rule
    **{(method, "puppets", "native"): "native-needs-native" for method in METHODS},
    ("teacher", "tiny-puppets", "native"): "no-oracle-on-native",
}


def tried(catalog: Catalog, cache: Path, **asked: str) -> dict[str, float]:
    settings = ("method.batch=4",)
    plan = resolve_plan(catalog, PlanRequest(**{"budget": "smoke", "size": "32x48", **asked}, settings=settings))  # type: ignore[arg-type]
    return estimate_times(
        plan, components_of(catalog, plan), clips=4, inputs=INPUTS, device=torch.device("cpu"), cache=cache
    )


@pytest.mark.parametrize(
    ("method", "dataset", "degradation"), list(itertools.product(METHODS, ("puppets", "tiny-puppets"), DEGRADATIONS))
)
def test_methods_datasets_and_degradations(
    toy_catalog: Catalog, method: str, dataset: str, degradation: str, tmp_path: Path
) -> None:
    asked = {"method": method, "dataset": dataset, "degradation": degradation, "backbone": "toynet"}
    if (method, dataset, degradation) not in REFUSED:
        assert all(seconds > 0 for seconds in tried(toy_catalog, tmp_path, **asked).values())
        return
    (rule,) = (rule for rule in RULES if rule.name == REFUSED[method, dataset, degradation])
    with pytest.raises(ElrError) as caught:
        tried(toy_catalog, tmp_path, **asked)
    assert str(caught.value).split("'")[0] == rule.why.split("'")[0] and "\n" not in str(caught.value)


@pytest.mark.parametrize("backbone", ["resnet18", "resnet34", "efficientnet-lite0"])
@pytest.mark.parametrize("enhancer", ["nearest", "bilinear", "bicubic"])
def test_backbones_and_enhancers(catalog: Catalog, backbone: str, enhancer: str, tmp_path: Path) -> None:
    method, stages = (
        ("cstat", ["teacher-tam", "student", "joint"]) if enhancer == "bilinear" else ("supervised", ["student"])
    )
    asked = {"backbone": backbone, "enhancer": enhancer, "weights": "scratch"}
    assert list(tried(catalog, tmp_path, method=method, dataset="puppets", **asked)) == stages


@pytest.mark.parametrize(
    ("backbone", "method"),
    [
        ("i3d", "cstat"),
        ("resnet3d-18", "stat"),
        ("resnet3d-50", "cstat"),
        pytest.param("c3d", "cstat", marks=pytest.mark.slow),
    ],
)
def test_backbones_on_clips(catalog: Catalog, backbone: str, method: str, tmp_path: Path) -> None:
    """Their default sampling is windows, whose number depends on the clip: refused without --sampling."""
    asked = {"method": method, "dataset": "puppets", "backbone": backbone}
    with pytest.raises(ElrError, match="a fixed number of intervals, but windows-16 .* --sampling 4x16"):
        tried(catalog, tmp_path, **asked)
    assert list(tried(catalog, tmp_path, **asked, sampling="2x4")) == ["teacher-tam", "student", "joint"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_docs_list_every_rule(rule: object) -> None:
    assert f"| `{rule.name}` |" in PAGE.read_text(encoding="utf-8")  # type: ignore[attr-defined]
