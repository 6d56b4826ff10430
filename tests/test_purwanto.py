"""Plans of Purwanto's system: its numbers, the rows of Table 2, and what is refused."""

from __future__ import annotations

import dataclasses
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from purwanto_plans import ROWS, TOY, go, plan_of

from benchmark_core.catalog import Catalog, Section
from benchmark_core.clips import flow_format
from benchmark_core.clips.view_plan import ViewPlan
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of
from benchmark_core.plans.stored_views import view_plan_of
from elrbench import ElrError

# -- numbers


@pytest.mark.parametrize(("row", "parts"), ROWS.items())
def test_the_paper_budget_is_table_1_and_table_2(catalog: Catalog, row: str, parts: tuple[bool, bool, bool]) -> None:
    plan = plan_of(catalog, f"purwanto:{row}")
    options = plan.options("method")
    assert (plan.enhancer == "d-dbpn", options["kd"], options["sa"]) == parts
    assert (plan.backbone, plan.size, plan.sampling, plan.modality) == ("i3d", (224, 224), "windows-64", "rgb+flow")
    table_1 = {
        "optimiser": "adam", "lr": 1e-4, "epochs": 20, "joint_epochs": 20, "temperature": 5.0,
        "head_lr": 2e-4, "head_epochs": 100, "heads": 8, "activation": "relu",
    }  # fmt: skip
    assert {key: options[key] for key in table_1} == table_1 and options["schedule"] == "constant"
    assert options["start"] == "fresh"  # rows with a teacher have no more updates than those without


def test_the_bare_name_is_the_last_row(catalog: Catalog) -> None:
    assert plan_of(catalog, "purwanto") == plan_of(catalog, "purwanto:sr+kd+sa")
    assert plan_of(catalog, "purwanto:sa+kd+sr").method == "purwanto:sr+kd+sa"


def test_super_resolution_leads_to_the_networks_size(catalog: Catalog) -> None:
    def enhanced(plan: Plan) -> torch.nn.Module:
        components = components_of(catalog, plan)
        with torch.device("meta"):
            return components.enhancer.build(
                components.degradation.low, plan.size, components.options(plan, "enhancer")
            )

    paper = plan_of(catalog, "purwanto:sr")
    module = enhanced(paper)  # 12x16 by 8 to 96x128, then to 224x224
    assert (module.network.scale, module.to_made.size, module.to_size.size) == (8, (96, 128), (224, 224))
    small = plan_of(catalog, "purwanto:sr", budget="small", dataset="puppets")
    assert (small.enhancer, small.size, small.sampling, small.modality) == ("dbpn-s", (64, 84), "windows-16", "rgb")
    module = enhanced(small)  # by 4 to 48x64, then to 64x84
    assert (module.network.scale, module.to_made.size, module.to_size.size) == (4, (48, 64), (64, 84))
    exact = plan_of(catalog, "purwanto:sr", "enhancer.resize=false", budget="small", dataset="puppets", size="48x64")
    assert exact.size == (48, 64)  # --set stands over what a variant says of its enhancer


@pytest.mark.parametrize("budget", ["paper", "small", "smoke"])
def test_a_row_stands_for_its_enhancer(catalog: Catalog, budget: str) -> None:
    stands = "d-dbpn" if budget == "paper" else "dbpn-s"
    assert plan_of(catalog, "purwanto", budget=budget, enhancer=stands).enhancer == stands
    with pytest.raises(ElrError, match=f"'purwanto:sr.kd.sa' fixes enhancer {stands}; remove --enhancer bicub"):
        plan_of(catalog, "purwanto", budget=budget, enhancer="bicubic")
    assert plan_of(catalog, "purwanto:kd+sa", budget=budget, enhancer="bicubic").enhancer == "bicubic"


def test_variants_of_the_head(catalog: Catalog) -> None:
    for method in ("st-mhsa", "purwanto"):
        plain, softmax, literal = (
            plan_of(catalog, name) for name in (method, f"{method}:softmax", f"{method}:literal")
        )
        assert (plain.settings["method.attention"], plain.settings["method.dropout"]) == ("printed", 0.1)
        assert (softmax.settings["method.attention"], softmax.settings["method.dropout"]) == ("softmax", 0.1)
        assert (literal.settings["method.attention"], literal.settings["method.dropout"]) == ("printed", 0.9)
        assert plan_of(catalog, f"{method}:no-attention").settings["method.attention"] == "none"
    whole = plan_of(catalog, "purwanto:sr+kd+sa+softmax")
    assert (whole.enhancer, whole.settings["method.kd"], whole.settings["method.sa"]) == ("d-dbpn", True, True)
    assert softmax.settings["method.sa"] and softmax.enhancer == "bicubic"


@pytest.mark.parametrize("budget", ["paper", "small"])
def test_flow_is_of_the_same_frames_in_all_rows(catalog: Catalog, budget: str) -> None:
    """What super-resolution is to show is not a change of interpolation in the stream that does without it."""
    pytest.importorskip("cv2")

    def flow_of(method: str) -> ViewPlan:
        plan = plan_of(catalog, method, budget=budget, dataset="puppets", modality="flow")
        return view_plan_of(plan, components_of(catalog, plan))

    assert flow_of("purwanto:two-stream") == flow_of("purwanto:sr") == flow_of("purwanto")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"rs:enhancer": "dbpn"},
            "unknown variant in a budget of method 'purwanto': 'rs'. Known: kd, .*, sr, two-stream",
        ),
        ({"sr:enhancre": "dbpn"}, "unknown plan field in a budget .* 'enhancre'. Did you mean 'enhancer'?"),
        ({"sr:enhancer.scael": 4}, "a budget of .* sets 'enhancer.scael', an option that none of them has"),
    ],
)
def test_what_a_budget_says_of_variants_is_checked(catalog: Catalog, changes: dict[str, Any], message: str) -> None:
    spec = dataclasses.replace(catalog.methods["purwanto"], budgets={"paper": changes})
    changed = dataclasses.replace(catalog, methods=Section("method", {**catalog.methods, "purwanto": spec}))
    with pytest.raises(ElrError, match=message):
        plan_of(changed, "purwanto")


def test_the_spec_imports_no_torch() -> None:
    check = "import sys, elrbench_plugins.purwanto, elrbench_plugins.purwanto.check; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


# -- what is refused


@pytest.mark.parametrize("method", ["st-mhsa", "purwanto", "purwanto:softmax"])
def test_heads_that_do_not_divide_the_channels(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr("benchmark_core.runs.lists.read_index", lambda *given: pytest.fail("data was touched"))
    with pytest.raises(ElrError) as caught:
        plan_of(catalog, method, "method.heads=6")
    assert str(caught.value).endswith(
        "6 heads do not divide the 1024 channels of backbone 'i3d'; set method.heads to one of 1, 2, 4, 8, 16, 32, 64"
    )
    with pytest.raises(ElrError, match="512 channels of backbone 'c3d'"):  # of the map, not of its pooled 4096
        plan_of(catalog, method, "method.heads=7", backbone="c3d")
    assert plan_of(catalog, "purwanto:kd", "method.heads=6").settings["method.heads"] == 6  # a row without attention


@pytest.mark.parametrize("modality", ["flow", "rgb+flow"])
def test_a_flow_stream_without_the_extra(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modality: str
) -> None:
    real = importlib.import_module

    def absent(name: str) -> object:
        if name == "cv2":
            raise ImportError("No module named 'cv2'")
        return real(name)

    monkeypatch.setattr(flow_format.importlib, "import_module", absent)
    monkeypatch.setattr("benchmark_core.runs.lists.read_index", lambda *given: pytest.fail("data was touched"))
    plan = plan_of(toy_catalog, "purwanto:kd+sa", **TOY, modality=modality)
    with pytest.raises(ElrError, match=r"the extra 'flow': pip install -e '\.\[flow\]'"):
        go(toy_catalog, plan, tmp_path)


@pytest.mark.parametrize(
    ("method", "changes", "message"),
    [
        (
            "purwanto:sa",
            {"modality": "rgb", "teacher": "teacher@0123456789abcdef"},
            "'purwanto:sa' has no distillation .*; remove --teacher",
        ),
        (
            "purwanto:sa",
            {"modality": "rgb", "dataset": "tinyvirat", "high_source": "virat-crops"},
            "'purwanto:sa'.*enhancer 'bicubic'.*'virat-crops'; remove --high-source",
        ),
        ("purwanto:kd+sr", {"budget": "small", "size": "60x80"}, None),  # brought to any size
        ("purwanto:kd", {"teacher": "teacher@0123456789abcdef"}, "--teacher gives one network, but rgb.flow needs two"),
        ("st-mhsa", {"teacher": "teacher@0123456789abcdef"}, "does not use a trained teacher; remove --teacher"),
    ],
)
def test_what_a_row_does_not_read_is_refused(
    catalog: Catalog, method: str, changes: dict[str, str], message: str | None
) -> None:
    if message is None:
        plan_of(catalog, method, **changes)
        return
    with pytest.raises(ElrError, match=message) as caught:
        plan_of(catalog, method, **changes)
    assert "\n" not in str(caught.value)
