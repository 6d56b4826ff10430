"""Initial weights of the papers' networks: what `show` and the suites say, and the warning of a run from scratch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from suite_rows import NINE, of

from benchmark_core.cli.show import as_text, describe
from benchmark_core.papers.collection import Library, load_library
from benchmark_core.tables.match_figures import requested_rows
from elrbench import Catalog
from elrbench_plugins.commands.suite.rows import SuiteRequest, plan_suite
from elrbench_plugins.commands.suite.show_text import show_json, show_text

DATA = "{row: ours, method: 'cstat:stat', dataset: %s, degradation: average-12x16}"


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library(["elrbench_plugins.reported"], entry_points=False)


def remarks(library: Library, catalog: Catalog, name: str, asked: SuiteRequest | None = None) -> tuple[str, ...]:
    suite = of(library.suite(name).text, name)
    return plan_suite(suite, catalog, library, asked or SuiteRequest()).remarks


# -- what is said of the papers' weights


@pytest.mark.parametrize("name", ["stat", "cstat"])
def test_show_says_where_the_papers_teachers_start(catalog: Catalog, name: str) -> None:
    spec = catalog.methods[name]
    shown = as_text(describe(spec, catalog.owner(spec)))
    (line,) = [line for line in shown.splitlines() if line.strip().startswith("- initial weights")]
    for part in ("ImageNet", "Kinetics", "78.82", "90.56", "--weights FILE", "r2plus1d-18-tv", "--teacher"):
        assert part in line
    assert "1,900" in line and "700" in line


@pytest.mark.parametrize("name", NINE)
def test_every_suite_of_stat_and_cstat_names_the_weights_and_the_flag(library: Library, name: str) -> None:
    about = " ".join(of(library.suite(name).text, name).about)
    assert "--weights FILE" in about and ("ImageNet" in about or "Kinetics" in about)
    assert "78.82" in about or "90.56" in about or "R(2+1)D-34" in about


def test_the_teacher_of_a_table_is_the_one_that_teaches(library: Library, catalog: Catalog) -> None:
    for name, method in (("cstat-table4", "cstat"), ("stat-table3", "stat")):
        suite = of(library.suite(name).text, name)
        rows = {row.row.name: row for row in plan_suite(suite, catalog, library, SuiteRequest()).rows}
        for network in ("resnet34", "r2plus1d-18"):
            row = rows[f"teacher-{network}"]
            assert row.plans[0].method == f"{method}:teacher"
            assert row.components is not None and row.components.method.oracle
            (figure,) = row.printed
            assert [each.method for each in requested_rows(library)[figure.id]] == [f"{method}:teacher"]


# -- the warning


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("cstat-table4", ("14 rows", "ucf101", "9,537 clips x 50 epochs / batch 256", "1,900 updates", "1,850")),
        ("stat-table4", ("hmdb51", "3,570 clips x 50 epochs / batch 256", "700 updates", "650")),
        ("purwanto-table2", ("14 rows", "hmdb51", "3,570 clips x 20 epochs / batch 16", "4,480 updates", "ixmas-12")),
    ],
)
def test_the_papers_budget_from_scratch_is_a_warning_with_its_updates(
    library: Library, catalog: Catalog, name: str, parts: tuple[str, ...]
) -> None:
    (remark,) = remarks(library, catalog, name)
    assert "--weights FILE" in remark and "\n" not in remark
    for part in parts:
        assert part in remark


def test_the_warning_is_part_of_text_and_json(library: Library, catalog: Catalog) -> None:
    planned = plan_suite(of(library.suite("cstat-table1").text, "cstat-table1"), catalog, library, SuiteRequest())
    assert "1,900 updates" in show_text(planned, library, {})
    assert "1,900 updates" in json.dumps(show_json(planned, library, {}))


def test_numbers_come_from_the_plan(library: Library, catalog: Catalog) -> None:
    row = DATA % "'puppets', set: {dataset.train: 100}"
    planned = plan_suite(of(f"rows: [{row}]"), catalog, library, SuiteRequest())
    (remark,) = planned.remarks
    assert "100 clips x 50 epochs / batch 256" in remark and " 50 updates" in remark and "dropped" not in remark


def test_there_is_no_warning_with_weights_or_with_other_lengths(
    library: Library, catalog: Catalog, tmp_path: Path
) -> None:
    path = tmp_path / "resnet34.pth"
    path.write_bytes(b"weights")
    loaded = SuiteRequest(fields={"weights": str(path)}, only=("*-resnet34",))
    assert remarks(library, catalog, "cstat-table4", loaded) == ()
    assert remarks(library, catalog, "cstat-table4", SuiteRequest(settings=("method.epochs=500",))) == ()
    assert remarks(library, catalog, "cstat-table4", SuiteRequest(fields={"budget": "small"})) == ()


def test_a_number_of_clips_that_is_not_known_is_not_made_up(library: Library, catalog: Catalog) -> None:
    asked = SuiteRequest(fields={"classes": "Archery,Bowling"}, only=("student-resnet34",))
    (remark,) = remarks(library, catalog, "cstat-table4", asked)
    assert "ucf101" in remark and "--weights FILE" in remark and "1,900" not in remark and "clips x" not in remark


def test_a_row_without_a_run_is_not_counted(library: Library, catalog: Catalog) -> None:
    (remark,) = remarks(library, catalog, "cstat-table4", SuiteRequest(only=("student-resnet34", "cstat-rc-ut-*")))
    assert remark.startswith("1 row ")
