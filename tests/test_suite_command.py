"""`elrbench suite`: rows run, resume and fail one by one; printed figures stand apart from measured ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from run_records import make_record
from suite_rows import COMMON, FOUR, NINE, ROWS, TWO, of
from tiny_virat import write_crops, write_first

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import load_catalog
from benchmark_core.cli import main
from benchmark_core.papers import collection as papers
from benchmark_core.papers.collection import Library, load_library
from benchmark_core.progress import Silent
from benchmark_core.records.record import read_record, write_record
from elrbench import Catalog
from elrbench_plugins.commands.suite import counts
from elrbench_plugins.commands.suite.estimate import Estimator
from elrbench_plugins.commands.suite.results import ScoreLine, lines_of
from elrbench_plugins.commands.suite.rows import SuiteRequest, plan_suite
from elrbench_plugins.commands.suite.suite_runs import RunOutcome, failed_runs, finished_runs, run_all, runs_of

TOY = str(Path(__file__).with_name("toy.py"))


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library(["elrbench_plugins.reported"], entry_points=False)


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    """`call("run", …)` in an empty folder, with the built-ins and the toy -> (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ELRBENCH_DATA", raising=False)
    monkeypatch.setenv("ELRBENCH_CACHE", str(tmp_path / "cache"))
    folders = (Path(TOY).parents[1] / "plugins").glob("*/__init__.py")
    names = [f"elrbench_plugins.{path.parent.name}" for path in folders]
    monkeypatch.setattr(
        catalog_module, "load_catalog", lambda extra=(), **_: load_catalog([*names, *extra], entry_points=False)
    )
    monkeypatch.setattr(papers, "load_library", lambda: load_library(["elrbench_plugins.reported"], entry_points=False))

    def run(*argv: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["suite", *argv, *(("--cache", "cache") if argv[0] == "run" else ())])
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return run


def write(text: str) -> str:
    Path("mine.yaml").write_text(text)
    return "mine.yaml"


def cells(out: str) -> list[list[str]]:
    """The cells of the first table of `out`, its heading first, cut where the heading's words begin."""
    lines = out.split("\n\n")[1].splitlines()
    starts = [found.start() for found in re.finditer(r"(?:(?<=  )|^)\S", lines[0])]
    return [[line[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)] for line in lines]


def test_a_suite_runs_resumes_and_keeps_printed_figures_apart(call):
    file = write(f"{COMMON}\n{ROWS}")
    flags = (file, "--plugin", TOY, "--seeds", "0,1")
    code, out, err = call("run", *flags)
    assert code == 0, err
    assert [line for line in err.splitlines() if line.startswith("[")] == [
        f"[{number}/6] {rows} seed {seed} fold 1"
        for number, (seed, rows) in enumerate(
            [
                (seed, rows)
                for seed in (0, 1)
                for rows in ("ceiling: teacher", "student: supervised", "ours, again: cstat:stat")
            ],
            1,
        )
    ]
    assert "student: reused" in err
    heading, *rows = cells(out)
    assert heading == ["row", "score", "paper: ucf101, hmdb51", "ours: toy", "n", "seeds", "plan"]
    by_name = {row[0]: row for row in rows}
    assert by_name["student"][2].startswith("42.79 ucf101") and re.fullmatch(
        r"\d+\.\d\d ± \d+\.\d\d", by_name["student"][3]
    )
    assert by_name["ceiling"][2] == "-" and by_name["pot"][3:6] == ["-", "-", "-"]
    assert by_name["ours"][3] == by_name["again"][3] and by_name["ours"][4:6] == ["12", "2"]

    code, again, err = call("run", *flags)
    assert code == 0 and again == out and err.splitlines() == []  # nothing is left to do
    told = json.loads(call("run", *flags, "--json")[1])
    student = told["rows"][0]
    assert student["paper"]["value"] == 42.79 and student["paper"]["dataset"] == "ucf101"
    assert student["ours"]["dataset"] == "toy" and student["ours"]["n"] == 12 and len(student["digests"]) == 2
    assert f"{100 * student['ours']['value']:.2f}" == by_name["student"][3].split()[0]
    _, listed, _ = call("run", *flags, "--dry-run")
    assert "6 of 6 runs are done" in listed


def test_published_records_are_not_run_again(call):
    file = write(f"{COMMON}\nrows: [{{row: student, method: supervised}}]")
    assert call("run", file, "--plugin", TOY, "--publish")[0] == 0
    (record,) = Path("leaderboards", "records").rglob("supervised-*.json")
    for folder in Path("elrbench-runs").iterdir():
        folder.rename(Path("elsewhere"))
    told = json.loads(call("run", file, "--plugin", TOY, "--dry-run", "--json")[1])
    assert [(run["digest"], run["done"]) for run in told["runs"]] == [(record.stem.rpartition("-")[2], True)]


def test_what_cannot_be_published_is_said_below_the_table(call):
    """Another result of the same plan stands there: the table is shown all the same."""
    file = write(f"{COMMON}\nrows: [{{row: student, method: supervised}}]")
    assert call("run", file, "--plugin", TOY, "--publish")[0] == 0
    (path,) = Path("leaderboards", "records").rglob("supervised-*.json")
    record = dict(read_record(path))
    write_record(path.parent, {**record, "updates": {"student": 1}})
    code, out, err = call("run", file, "--plugin", TOY, "--publish")
    assert code == 1 and "student" in cells(out)[1]
    line = err.splitlines()[-1]
    assert (
        line.startswith("elrbench: failed: student: ") and "has a different result of the same plan (updates)" in line
    )


def test_one_row_that_fails_stops_no_other(call):
    text = (
        f"{COMMON}\nrows:\n  - {{row: bad, method: supervised, set: {{method.lr: 1.0e+30, method.optimiser: sgd}}}}\n"
    )
    text += "  - {row: wrong, method: supervised, sampling: 2x3}\n  - {row: good, method: supervised}\n"
    code, out, err = call("run", write(text), "--plugin", TOY)
    assert code == 1
    failed = [line for line in err.splitlines() if line.startswith("elrbench: failed: ")]
    assert (
        len(failed) == 2
        and "bad: supervised seed 0 fold 1" in failed[0]
        and "wrong: backbone 'toynet' is 2D" in failed[1]
    )
    by_name = {row[0]: row for row in cells(out)}
    assert by_name["bad"][3] == by_name["wrong"][3] == "-" and by_name["good"][3] != "-"


def test_a_printed_score_that_the_data_has_not_is_said(call):
    flags = (
        "--dataset",
        "tiny-puppets",
        "--backbone",
        "toynet",
        "--budget",
        "smoke",
        "--size",
        "24x32",
        "--plugin",
        TOY,
    )
    fewer = ("--set", "dataset.train=12", "--set", "dataset.test=12", "--set", "method.epochs=1")
    code, out, err = call("run", "cstat-table4", *flags, *fewer, "--only", "student-resnet34")
    assert code == 0, err
    (one, other) = cells(out)[1:]
    assert one[1] == "top1" and one[3] == "-" and one[6] == "top1 is not a score of tiny-puppets"
    assert other[1] == "f1_macro" and other[2] == "-" and other[3] != "-"


def test_a_bug_of_one_row_stops_no_other_and_is_shown(library: Library, toy_catalog: Catalog, tmp_path: Path):
    planned = plan_suite(of(f"{COMMON}\n{ROWS}"), toy_catalog, library, SuiteRequest())
    jobs = runs_of(planned.rows)

    class Listening(Silent):
        heard: list[str] = []

        def warn(self, line: str) -> None:
            self.heard.append(line)

    def run(plan, out):
        if plan.method == "supervised":
            raise ZeroDivisionError("of the plugin")
        return {"digest": plan.digest}

    outcome = run_all(jobs, {}, tmp_path, run, Listening())
    assert list(outcome.failures.values()) == ["ZeroDivisionError: of the plugin"]
    assert len(outcome.records) == 2 and any("Traceback" in line for line in Listening.heard)


def test_what_failed_alike_is_said_once(call):
    rows = (
        "rows: [{row: here, method: supervised}, {row: gone, method: supervised, dataset: hmdb51, protocol: 3splits}]"
    )
    Path("data").mkdir()
    code, out, err = call("run", write(f"{COMMON}\n{rows}"), "--plugin", TOY)
    assert code == 1
    (failed,) = [line for line in err.splitlines() if line.startswith("elrbench: failed: ")]
    assert failed.startswith("elrbench: failed: 3 runs: dataset 'hmdb51' needs its files: pass --data DIR")
    assert {row[0]: row[3] != "-" for row in cells(out)[1:]} == {"here": True, "gone": False}


def test_failures_keep_the_order_of_the_runs(library: Library, toy_catalog: Catalog):
    jobs = runs_of(plan_suite(of(f"{COMMON}\n{ROWS}"), toy_catalog, library, SuiteRequest()).rows)
    first, second, third = (job.plan.digest for job in jobs)
    assert failed_runs(jobs, {second: "x", third: "y", first: "y"}) == ["2 runs: y", f"{jobs[1]}: x"]
    assert failed_runs(jobs, {}) == []


def test_runs_of_other_data_have_no_mean_and_say_so(library: Library, toy_catalog: Catalog):
    rows = "rows: [{row: student, method: supervised}]"
    (row,) = plan_suite(of(f"{COMMON}\n{rows}"), toy_catalog, library, SuiteRequest(seeds=(0, 1))).rows

    def line(*manifests: str) -> ScoreLine:
        made = [
            make_record(more={"dataset": {"manifest": manifest, "classes": 2}}, **plan.to_json())
            for plan, manifest in zip(row.plans, manifests, strict=True)
        ]
        outcome = RunOutcome(records={record["digest"]: record for record in made}, failures={})
        return lines_of([row], outcome)[0]

    same, apart = line("feed", "feed"), line("feed", "beef")
    assert same.ours is not None and same.ours.seeds == 2 and same.state == ""
    assert apart.ours is None and apart.state == "its runs used different data"


def test_one_fold_of_several_has_no_score_and_says_so(library: Library, toy_catalog: Catalog):
    rows = "rows: [{row: student, method: supervised}]"
    (row,) = plan_suite(of(f"{COMMON}\n{rows}"), toy_catalog, library, SuiteRequest()).rows
    made = make_record(folds=("1", "2", "3"), **row.plans[0].to_json())
    (line,) = lines_of([row], RunOutcome(records={made["digest"]: made}, failures={}))
    assert line.ours is None and line.state == "1 of 3 folds of the protocol are done"


def test_a_stop_between_rows_leaves_what_is_done(library: Library, toy_catalog: Catalog, tmp_path: Path):
    from benchmark_core.runs.context import RunContext
    from benchmark_core.runs.runner import run as run_plan

    planned = plan_suite(of(f"{COMMON}\n{ROWS}"), toy_catalog, library, SuiteRequest())
    jobs, ran = runs_of(planned.rows), []

    def run(plan, out):
        if len(ran) == 1:
            raise KeyboardInterrupt
        ran.append(plan.digest)
        return run_plan(
            plan, planned.catalog, RunContext(data=None, out=out, cache=tmp_path / "cache", reporter=Silent())
        ).record

    with pytest.raises(KeyboardInterrupt):
        run_all(jobs, {}, tmp_path / "runs", run, Silent())
    done = finished_runs(jobs, tmp_path / "runs", None)
    assert list(done) == ran == [jobs[0].plan.digest]
    assert finished_runs(jobs, tmp_path / "nowhere", tmp_path) == {}


def test_a_high_source_lies_where_its_flag_says(call, tmp_path: Path):
    tiny, crops = str(write_first(tmp_path / "tiny")), str(write_crops(tmp_path / "crops"))
    file = write(
        "common: {dataset: tinyvirat, high_source: virat-crops, backbone: toynet, budget: smoke, size: 32x32,\n"
        "         sampling: 2x1, set: {method.batch: 2, method.epochs: 1, method.joint_epochs: 1}}\n"
        "rows: [{row: ours, method: cstat}]\n"
    )
    code, _, err = call("run", file, "--plugin", TOY, "--data", tiny)
    assert code == 2 and "dataset 'virat-crops' needs its files: pass --high-source-data DIR" in err
    assert call("run", file, "--plugin", TOY, "--data", tiny, "--high-source-data", crops)[0] == 0
    (record,) = Path("elrbench-runs").glob("*/cstat-*.json")
    assert read_record(record)["plan"]["high_source"] == "virat-crops"


def test_overrides_are_said_with_the_table(call):
    flags = ("--dataset", "toy", "--backbone", "toynet", "--budget", "smoke", "--size", "24x32", "--plugin", TOY)
    only = ("--only", "student-resnet34,student-r2plus1d-18", "--set", "method.epochs=1", "--set", "method.batch=12")
    code, out, _ = call("run", "cstat-table4", *flags, *only)
    assert code == 0
    heading, one, other = cells(out)
    assert heading[2:4] == ["paper: ucf101", "ours: toy"]
    assert (one[2], other[2]) == ("42.79 [1]", "48.95") and one[3] == other[3]  # one run for both rows
    assert "[1] Table II prints 43.13 for the same student" in out
    assert "These runs differ from the paper" in out
    assert re.search(r"^  budget +smoke +paper: paper$", out, flags=re.M)
    assert re.search(r"^  dataset +toy +paper: ucf101$", out, flags=re.M)


def test_show_and_list(call):
    code, out, _ = call("list", "--json")
    assert code == 0 and [row["suite"] for row in json.loads(out)] == sorted([*NINE, *FOUR, *TWO, "resolutions"])
    noted = write(f"{COMMON}\nrows: [{{row: a, method: supervised, note: of today}}]")
    assert re.search(r"training +plan\n.* \[1\]\n(.*\n)*\[1\] of today", call("show", noted, "--plugin", TOY)[1])
    code, out, _ = call("show", "cstat-table5", "--no-cost")
    assert code == 0 and "Chen et al., Semi-Coupled" in out and "as printed in cstat-2021" in out
    assert "59.41 hmdb51" in out and "needs --unlabelled" in out
    flags = ("--only", "student-resnet34,stat-resnet34", "--budget", "smoke", "--json")
    told = json.loads(call("show", "cstat-table4", *flags)[1])
    student, stat = told["rows"]
    assert student["printed"][0]["value"] == 42.79 and student["plan"]["budget"] == "smoke"
    assert student["cost"]["params"] == 11_228_325 and len(stat["runs"]) == 3
    total = told["training_macs"]
    assert total["apart"] == pytest.approx(student["cost"]["training_macs"] + stat["cost"]["training_macs"])
    assert total["together"] == pytest.approx(total["apart"] - student["cost"]["training_macs"])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("run", "cstat-tabel4"), "unknown suite 'cstat-tabel4'. Did you mean 'cstat-table4'?"),
        (("run", "mine"), "unknown suite 'mine'; to use the file mine.yaml, pass mine.yaml"),
        (("run", "no.yaml"), "no.yaml cannot be read: No such file or directory"),
        (("run", "cstat-table4", "--seeds", "0,x"), "--seeds 0,x is not a list of whole numbers"),
        (("run", "cstat-table4"), "dataset 'ucf101' needs its files: pass --data DIR"),
        (("run", "purwanto-table3", "--only", "rahman"), "has nothing to run: rahman: printed only"),
        (("run", "cstat-table4", "--dataset", "puppets", "--only", "cstat-rc-ut-resnet34"), "needs --unlabelled"),
        (("run", "cstat-table4", "--dataset", "puppets", "--device", "cudda"), "device 'cudda' is not one of cpu"),
        (("run", "cstat-table4", "--publish", "--folder", "mine.yaml"), "mine.yaml is a file; pass a folder"),
        (("rnu", "cstat-table4"), "unknown command 'suite rnu'. Did you mean 'suite run'?"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(call, argv: tuple[str, ...], message: str):
    write("rows: []")
    code, out, err = call(*argv)
    assert (code, out) == (2, "") and message in err and len(err.splitlines()) == 1


# -- counts are kept


@pytest.fixture
def counted(call, monkeypatch):
    """`counted()` -> (plans counted by one `suite show`, its JSON, stderr)."""
    plans: list[str] = []
    real = Estimator.of

    def of_plan(self, plan, components):
        plans.append(plan.method)
        return real(self, plan, components)

    monkeypatch.setattr(Estimator, "of", of_plan)

    def show(*argv: str) -> tuple[list[str], dict, str]:
        plans.clear()
        flags = ("--only", "student-resnet34,stat-resnet34", "--budget", "smoke", "--json")
        code, out, err = call("show", "cstat-table4", *flags, *argv)
        assert code == 0
        return list(plans), json.loads(out), err

    return show


def test_counts_are_kept(counted, monkeypatch):
    plans, first, _ = counted()
    assert plans == ["supervised", "cstat:stat"] and len(list(Path("cache/counts").iterdir())) == 2
    assert counted()[:2] == ([], first)
    assert counted("--cache", "other")[:2] == (plans, first)
    monkeypatch.setattr(counts, "_source", lambda package: "changed")
    assert counted()[:2] == (plans, first)
    assert counted()[:2] == ([], first)


@pytest.mark.parametrize("damage", ["", "[1]", "{}", '{"key": 1}', "half"])
def test_a_damaged_count_is_counted_again(counted, damage: str):
    _, first, _ = counted()
    path = sorted(Path("cache/counts").iterdir())[0]
    path.write_text(damage if damage != "half" else path.read_text()[:50])
    plans, again, _ = counted()
    assert len(plans) == 1 and again == first
    assert counted()[0] == []


def test_counts_that_cannot_be_kept_are_a_warning(counted):
    Path("cache").write_text("")
    plans, _, err = counted()
    assert len(plans) == 2 and "not kept" in err and "cache" in err
