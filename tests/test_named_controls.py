"""Controls that a method names: the same training without its idea, at the same scale, and the rows they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from broken_plugins import METHOD, failure
from made_tables import CONTROL, grid, rows
from run_records import PLAN, bits, make_record, put
from test_kd import go, same, scored, toy
from torch import Tensor

from benchmark_core.catalog import Catalog
from benchmark_core.cli.show import as_text, describe
from benchmark_core.papers.collection import Library
from benchmark_core.plans.lookup import find
from benchmark_core.tables import gather

NAMED: Mapping[str, Any] = {"own_controls": {"half": "mine:plain-half", "": "mine:plain"}}
ADDED: Mapping[str, Any] = {"own_controls": {"soft": "none", "on": "on+none"}}
SETTINGS: Mapping[str, Any] = PLAN["settings"]


@pytest.fixture
def _no_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "load_library", lambda problems: Library({}, {}))


def over(board: Path) -> dict[str, str]:
    """Method -> the control that it is compared with, or an empty string."""
    return {row["method"]: row["gain_over"] for row in rows(board)}


# -- what the methods name


def test_the_exact_control_has_the_weight_of_the_label_loss(catalog: Catalog) -> None:
    for method in ("stat", "cstat"):
        spec = catalog.methods[method]
        for variant, weight in (("ce-third", 1 / 3), ("ce-half", 1 / 2)):
            assert spec.variants[variant] == {"w_ce": weight, "w_sat": 0.0, "w_tat": 0.0}
        assert spec.own_controls[""] == f"{method}:ce-third"
        for part in ("sat", "tat"):  # both have one half
            assert spec.own_controls[part] == f"{method}:ce-half"
            assert spec.variants[part]["w_ce"] == spec.variants["ce-half"]["w_ce"]
        assert spec.variants["ce"]["w_ce"] == 1.0  # published rows keep theirs
        assert spec.own_controls["ce"] == "supervised:matched"  # with weight 1, too
    for method in ("st-mhsa", "purwanto", "strong-kd"):
        assert catalog.methods[method].own_controls


@pytest.mark.parametrize("method", ["stat", "cstat"])
def test_the_exact_control_trains_on_a_third_of_the_label_loss(
    toy_catalog: Catalog, method: str, tmp_path: Path
) -> None:
    """With SGD, weight 1 is three times the learning rate of the label loss in the method's joint phase."""

    def joint(name: str, *more: str) -> tuple[dict[str, Tensor], Mapping[str, Any]]:
        plan = toy(toy_catalog, name, "method.optimiser=sgd", "method.epochs=1", "method.joint_epochs=1", *more)
        run = go(toy_catalog, plan, tmp_path)
        return scored(run), run.record

    third, record = joint(f"{method}:ce-third")
    assert record["own_controls"][""] == f"{method}:ce-third" and record["control"] is False
    assert "method.w_sat" in record["idea_options"] and "method.w_ce" not in record["idea_options"]
    assert same(third, joint(f"{method}:ce", "method.w_ce=1/3")[0])
    assert not same(third, joint(f"{method}:ce")[0])


@pytest.mark.parametrize("row", ["stat:squared+rc", "cstat:mlp+rc", "cstat:gradient+rc"])
@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_the_exact_control_is_the_joint_phase_without_attention(
    toy_catalog: Catalog, row: str, optimiser: str, tmp_path: Path
) -> None:
    """Bit by bit: neither confidence maps nor rolling weights change anything else, such as random numbers."""

    def joint(name: str, *more: str) -> dict[str, Tensor]:
        lengths = ("method.epochs=1", "method.joint_epochs=2")
        plan = toy(toy_catalog, name, f"method.optimiser={optimiser}", *lengths, *more)
        return scored(go(toy_catalog, plan, tmp_path))

    without = ("method.w_sat=0", "method.w_tat=0")
    assert same(joint(f"{row.partition(':')[0]}:ce-third"), joint(row, *without))
    assert not same(joint(row), joint(row, *without))


@pytest.mark.parametrize(
    ("method", "controls"),
    [
        ("cstat", ("cstat:ce-third", "cstat:ce-half", "supervised:matched")),
        ("strong-kd", ("strong-kd:no-teacher",)),
        ("kd", ("kd:no-teacher",)),
        ("supervised", ("supervised:matched",)),
    ],
)
def test_show_lists_their_whole_names(catalog: Catalog, method: str, controls: tuple[str, ...]) -> None:
    spec = catalog.methods[method]
    shown = as_text(describe(spec, catalog.owner(spec)))
    assert not [control for control in controls if control not in shown]


def test_every_method_names_controls_and_options_that_exist(catalog: Catalog) -> None:
    for method in catalog.methods:
        spec = catalog.methods[method]
        assert set(spec.idea_options) <= spec.options.keys() and set(spec.own_controls) - {""} <= spec.variants.keys()
        for control in spec.own_controls.values():
            find(catalog.methods, control if ":" in control else f"{method}:{control}")
        assert not {"w_ce", "lr", "epochs", "freeze_bn", "tam_start"} & {*spec.idea_options}  # these have an effect


@pytest.mark.parametrize(
    ("declared", "detail"),
    [
        ('own_controls={"": "other:plain"}', "unknown method 'other'"),
        ('own_controls={"": "plain"}', "unknown variant of method 'method': 'plain'"),
        ('own_controls={"plain": "method:plain"}', "unknown variant of method 'method': 'plain'"),
    ],
)
def test_check_looks_up_the_controls(tmp_path: Path, declared: str, detail: str) -> None:
    source = METHOD.format(fitted="net").replace("fit=fit", f"fit=fit, {declared}")
    check, found = failure(tmp_path, source)
    assert check == "names controls that exist" and detail in found


# -- which row they are the control of


@pytest.mark.usefixtures("_no_papers")
def test_a_row_is_compared_with_the_control_that_its_method_names(tmp_path: Path) -> None:
    put(tmp_path, make_record(bits(*range(15)), method="mine:a", more=NAMED))
    put(tmp_path, make_record(bits(*range(14)), method="mine:half", more=NAMED))
    put(tmp_path, make_record(bits(*range(10)), method="mine:plain", more=NAMED))
    put(tmp_path, make_record(bits(*range(9)), method="mine:plain-half", more=NAMED))
    put(tmp_path, make_record(bits(*range(8)), method="other"))
    put(tmp_path, make_record(bits(*range(5)), method="c:matched", more=CONTROL))
    assert over(tmp_path) == {
        "mine:a": "mine:plain",
        "mine:half": "mine:plain-half",
        "mine:plain (control)": "c:matched",
        "mine:plain-half (control)": "c:matched",
        "other": "c:matched",
        "c:matched (control)": "",
    }
    first = grid(tmp_path)[0]
    assert first["control"] == "mine:plain 50.00" and first["Δ control"].startswith("+25.00 (")


@pytest.mark.usefixtures("_no_papers")
def test_a_record_of_before_takes_the_control_from_the_controls_record(tmp_path: Path) -> None:
    put(tmp_path, make_record(bits(*range(15)), method="mine:a"))
    put(tmp_path, make_record(bits(*range(14)), method="mine:half"))
    put(tmp_path, make_record(bits(*range(10)), method="mine:plain", more=NAMED))
    put(tmp_path, make_record(bits(*range(8)), method="others:a"))
    put(tmp_path, make_record(bits(*range(5)), method="c:matched", more=CONTROL))
    found = over(tmp_path)
    assert found["mine:a"] == "mine:plain"
    assert found["mine:half"] == found["others:a"] == "c:matched"  # the control of half was not run


@pytest.mark.usefixtures("_no_papers")
def test_a_control_of_variants_keeps_the_rows_other_variants(tmp_path: Path) -> None:
    for method, right in (("m:kd+on", 15), ("m:on", 14), ("m:kd+soft+on", 13), ("m:kd", 12), ("m:kd+on+none", 10)):
        put(tmp_path, make_record(bits(*range(right)), method=method, more=ADDED))
    assert over(tmp_path) == {
        "m:kd+on": "m:kd+on+none",
        "m:on": "",
        "m:kd+soft+on": "m:kd+on+none",
        "m:kd": "",
        "m:kd+on+none (control)": "",
    }


@pytest.mark.usefixtures("_no_papers")
@pytest.mark.parametrize("exact", [False, True])
def test_a_changed_setting_needs_a_control_with_the_same_change(tmp_path: Path, exact: bool) -> None:
    own = {**SETTINGS, "method.w": 0.5}
    changed = {**NAMED, "changed": ["method.w"]}
    put(tmp_path, make_record(bits(*range(15)), method="mine:a", settings=own, more=changed))
    theirs = (own, changed) if exact else ({**SETTINGS, "method.w": 0.3}, NAMED)
    put(tmp_path, make_record(bits(*range(10)), method="mine:plain", settings=theirs[0], more=theirs[1]))
    put(tmp_path, make_record(bits(*range(5)), method="c:matched", more=CONTROL))
    assert over(tmp_path)["mine:a"] == ("mine:plain" if exact else "c:matched")


@pytest.mark.usefixtures("_no_papers")
def test_a_changed_setting_without_effect_in_the_control_may_differ(tmp_path: Path) -> None:
    idle = {**NAMED, "idea_options": ["method.w"]}
    for method, weight, right in (("mine:a", 0.5, 15), ("mine:plain", 0.0, 10)):
        settings = {**SETTINGS, "method.w": weight}
        put(
            tmp_path,
            make_record(bits(*range(right)), method=method, settings=settings, more={**idle, "changed": ["method.w"]}),
        )
    put(tmp_path, make_record(bits(*range(5)), method="c:matched", more=CONTROL))
    assert over(tmp_path)["mine:a"] == "mine:plain"


@pytest.mark.usefixtures("_no_papers")
@pytest.mark.parametrize(
    ("updates", "compared"),
    [
        ({"teacher": 7, "student": 4, "joint": 4}, True),
        ({"teacher": 7, "student": 8}, True),  # in one phase
        ({"teacher": 7, "student": 4}, False),
        ({"student": 4, "joint": 8}, False),
    ],
)
def test_a_control_of_all_methods_has_as_many_updates(
    tmp_path: Path, updates: Mapping[str, int], compared: bool
) -> None:
    put(tmp_path, make_record(bits(*range(15)), method="mine:a", more={"updates": updates}))
    matched = {**CONTROL, "updates": {"student": 4, "joint": 4}}
    put(tmp_path, make_record(bits(*range(5)), method="c:matched", more=matched))
    assert over(tmp_path)["mine:a"] == ("c:matched" if compared else "")


@pytest.mark.usefixtures("_no_papers")
@pytest.mark.parametrize("other", [{"unlabelled": "videos:clips"}, {"high_source": "acts"}, {"high_source": "self"}])
def test_a_control_learns_from_the_same_clips(tmp_path: Path, other: Mapping[str, str]) -> None:
    put(tmp_path, make_record(bits(*range(15)), method="mine:a", more=NAMED, **other))
    put(tmp_path, make_record(bits(*range(10)), method="mine:plain", more=NAMED))
    put(tmp_path, make_record(bits(*range(5)), method="c:matched", more=CONTROL))

    def compared_with() -> str:
        (row,) = [row for row in rows(tmp_path) if row["method"].startswith("mine:a")]
        return row["gain_over"]

    assert compared_with() == ""
    put(tmp_path, make_record(bits(*range(9)), method="mine:plain", more=NAMED, **other))
    assert compared_with().startswith("mine:plain")


@pytest.mark.usefixtures("_no_papers")
def test_a_declared_control_that_is_no_name_is_ignored(tmp_path: Path) -> None:
    for declared in ({"": ":"}, {"": "mine:+"}, {"": ""}):
        put(tmp_path, make_record(bits(*range(9)), method="mine:a", seed=0, more={"own_controls": declared}))
        assert over(tmp_path) == {"mine:a": ""}


# -- records


def test_a_record_of_a_method_without_own_controls_has_no_such_field(toy_catalog: Catalog, tmp_path: Path) -> None:
    assert "own_controls" not in go(toy_catalog, toy(toy_catalog, "supervised"), tmp_path).record
