"""`suite show --device`: GPU-hours from counted MACs and an assumed rate, labelled as such."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from calling import caller
from suite_rows import COMMON, ROWS, of

from benchmark_core.papers import collection as papers
from benchmark_core.papers.collection import Library, load_library
from elrbench import Catalog, ElrError
from elrbench_plugins.commands.suite.cluster.accelerators import ACCELERATORS, accelerator
from elrbench_plugins.commands.suite.cluster.planning import plan_costs
from elrbench_plugins.commands.suite.estimate import Estimator
from elrbench_plugins.commands.suite.rows import SuiteRequest, plan_suite
from elrbench_plugins.commands.suite.show_text import training_totals


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library(["elrbench_plugins.reported"], entry_points=False)


def test_hours_are_macs_over_the_assumed_rate(library: Library, toy_catalog: Catalog):
    planned = plan_suite(of(f"{COMMON}\n{ROWS}"), toy_catalog, library, SuiteRequest(seeds=(0, 1)))
    estimator = Estimator(toy_catalog)
    together, apart = training_totals(
        {row.row.name: estimator.of(row.plans[0], row.components) for row in planned.rows if row.components}
    )
    assert together and apart and together < apart
    costs = plan_costs([planned], accelerator("h100"), 0.1, [1, 2, 64])
    rate = 0.1 * 494.5e12 / 2  # MACs per second in fp32
    assert costs.hours == pytest.approx(2 * together / rate / 3600)  # two seeds, each stage once
    assert costs.runs == 6 and costs.suites[0].left_out == () and costs.suites[0].uncounted == {}
    again = estimator.of(planned.rows[2].plans[0], planned.rows[2].components).training_macs  # a row with equal plans
    assert costs.apart == pytest.approx(2 * (apart - again) / rate / 3600)
    one, two, many = costs.makespans
    assert one.hours == pytest.approx(costs.hours) and one.busy == pytest.approx(1)
    assert costs.hours / 2 <= two.hours < one.hours and two.busy == pytest.approx(costs.hours / two.hours / 2)
    assert many.hours == pytest.approx(costs.limit.hours) and 1 < costs.limit.gpus <= 6
    faster = plan_costs([planned], accelerator("h100"), 0.2, [1])
    assert faster.hours == pytest.approx(costs.hours / 2)
    twice = plan_costs([planned, planned], accelerator("h100"), 0.1, [1])  # a run of two suites counts once
    assert twice.hours == pytest.approx(costs.hours) and twice.runs == 6 and len(twice.suites) == 2


def test_high_views_that_a_stage_reads_are_counted(library: Library, toy_catalog: Catalog):
    """The teacher sees 2 frames of each of 24 clips in its epoch; a student on low views reads none."""
    ceiling = of(f"{COMMON}\nrows: [{{row: ceiling, method: teacher}}, {{row: student, method: supervised}}]")
    planned = plan_suite(ceiling, toy_catalog, library, SuiteRequest())
    costs = plan_costs([planned], accelerator("a100"), 0.15, [1])
    reading = costs.reading
    assert reading is not None and reading.run.startswith("mine, ceiling") and reading.stage == "teacher"
    only = plan_suite(ceiling, toy_catalog, library, SuiteRequest(only=("ceiling",)))
    alone = plan_costs([only], accelerator("a100"), 0.15, [1])
    assert reading.size == (24, 32) and reading.frames == pytest.approx(24 * 2 / (alone.hours * 3600))


def test_clips_that_are_guessed_or_unknown_are_said(library: Library, catalog: Catalog):
    common = 'common: {dataset: "ixmas-12:epfl", budget: smoke, backbone: resnet18, size: 24x32}'
    planned = plan_suite(
        of(f"{common}\nrows: [{{row: student, method: supervised}}]"), catalog, library, SuiteRequest()
    )
    costs = plan_costs([planned], accelerator("h100"), 0.15, [1])
    assert costs.guessed == ("ixmas-12:epfl",) and costs.runs == 10 and costs.hours > 0
    some = plan_suite(planned.suite, catalog, library, SuiteRequest(fields={"classes": "kick,punch"}))
    costs = plan_costs([some], accelerator("h100"), 0.15, [1])  # the number of clips of two classes is not stated
    ((reason, count),) = costs.suites[0].uncounted.items()
    assert "training clips of 'ixmas-12:epfl' is not known" in reason and count == costs.runs == 10
    assert costs.guessed == () and costs.hours == 0 and costs.makespans[0].hours == 0


def test_the_command_labels_what_is_assumed(
    toy_catalog: Catalog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(papers, "load_library", lambda: load_library(["elrbench_plugins.reported"], entry_points=False))
    call = caller(toy_catalog, capsys, monkeypatch)
    flags = ("--budget", "smoke", "--size", "24x32", "--only", "teacher-resnet34,student-resnet34")
    code, told, _ = call("suite", "show", "cstat-table4", "--device", "h100", *flags, "--json", "--gpus", "1,3")
    costs = json.loads(told)
    assert code == 0 and costs["assumed"]["efficiency"] == 0.15 and costs["assumed"]["peak"]["bf16"] == 989e12
    assert [one["gpus"] for one in costs["gpus"]] == [1, 3] and costs["runs"] == 6 and costs["gpu_hours"] > 0
    code, text, _ = call("suite", "show", "cstat-table4", "--device", "h100", "--efficiency", "0.3", *flags)
    assert text.startswith("ASSUMED, not measured: H100 SXM") and "training reaches 0.3" in text and "Limit: " in text
    for wrong, error in (
        (("--all",), "--all needs --device NAME"),
        (("cstat-table4", "--all"), "pass the name of one suite, or --all"),
        ((), "pass the name of one suite, or --all"),
        (("cstat-table4", "--efficiency", "0.2"), "--efficiency needs --device NAME"),
        (("cstat-table4", "--device", "h10"), "unknown device to plan for 'h10'. Did you mean 'h100'?"),
        (("cstat-table4", "--device", "h100", "--efficiency", "2"), "--efficiency 2.0 is not a share"),
        (("cstat-table4", "--device", "h100", "--gpus", "0"), "--gpus 0 is not a list of whole numbers"),
    ):
        code, out, err = call("suite", "show", *wrong)
        assert (code, out) == (2, "") and error in err
    assert all(one.peak["bf16"] == pytest.approx(2 * one.peak["fp32"], rel=0.01) for one in ACCELERATORS.values())


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("method: statt", "unknown method 'statt'. Did you mean 'stat'.*pass --plugin FILE"),
        ("method: supervised, set: {method.lr: -1.0}", "method.lr=-1"),
        ("method: supervised, fold: '9'", "unknown fold of protocol"),
    ],
)
def test_an_error_of_the_file_is_no_row_that_fails(
    library: Library, toy_catalog: Catalog, row: str, message: str
) -> None:
    suite = of(f"{COMMON}\nrows: [{{row: good, method: supervised}}, {{row: bad, {row}}}]")
    for asked in (SuiteRequest(), SuiteRequest(fields={"dataset": "tiny-puppets"})):
        if asked.fields and "fold" in row:
            continue  # the fold is of the row's dataset
        with pytest.raises(ElrError, match=f"^mine.yaml, row bad: .*{message}"):
            plan_suite(suite, toy_catalog, library, asked)
    assert plan_suite(suite, toy_catalog, library, SuiteRequest(only=("good",))).rows[0].plans


def test_a_row_that_options_or_its_combination_rule_out_only_fails(library: Library, toy_catalog: Catalog) -> None:
    rows = "rows: [{row: good, method: supervised}, {row: frames, method: supervised, sampling: 2x3}"
    planned = plan_suite(of(f"{COMMON}\n{rows}]"), toy_catalog, library, SuiteRequest())
    assert planned.rows[0].plans and "is 2D" in planned.rows[1].failed
    rows += ", {row: oracle, method: teacher}, {row: printed, method: of-no-plugin, run: none, figure: FIGURE}]"
    figure = "cstat-2021/table4/student/resnet34"
    suite = of(f"{COMMON}\n{rows.replace('FIGURE', figure)}")
    asked = SuiteRequest(
        fields={"dataset": "tiny-puppets", "degradation": "native"}, only=("good", "oracle", "printed")
    )
    good, oracle, printed = plan_suite(suite, toy_catalog, library, asked).rows
    assert good.plans and "scored on high views" in oracle.failed and printed.left_out and not printed.failed
