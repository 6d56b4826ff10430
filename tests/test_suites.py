"""Suites: those of the papers resolve, a small one runs and resumes, printed figures stand apart from measured ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tiny_virat import write_crops, write_first

from benchmark_core import Catalog, ElrError
from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import load_catalog
from benchmark_core.cli import main
from benchmark_core.papers import collection as papers
from benchmark_core.papers.collection import Library, load_library
from benchmark_core.plans.beside import Beside
from benchmark_core.progress import Silent
from benchmark_core.records.record import read_record
from benchmark_core.strict_yaml import parse_yaml
from benchmark_core.suites.campaign import failed_runs, finished, jobs_of, run_jobs
from benchmark_core.suites.estimate import Estimator, training_clips
from benchmark_core.suites.rows import Asked, PlannedSuite, plan_suite
from benchmark_core.suites.suite import Suite, read_suite

TOY = str(Path(__file__).with_name("toy.py"))
NINE = [*(f"stat-table{number}" for number in range(1, 5)), *(f"cstat-table{number}" for number in range(1, 6))]
FOUR = [f"tinyvirat-table{number}" for number in range(2, 6)]
TWO = ["purwanto-table2", "purwanto-table3"]
SIZES = {**dict.fromkeys(NINE, (256, 340)), **dict.fromkeys(FOUR, (112, 112)), **dict.fromkeys(TWO, (224, 224))}
COMMON = (
    "common: {dataset: toy, backbone: toynet, budget: smoke, size: 24x32, set: {method.batch: 12, method.epochs: 1}}"
)
ROWS = """
rows:
  - {row: student, method: supervised, figure: cstat-2021/table4/student/resnet34}
  - {row: ours, method: "cstat:stat", figure: cstat-2021/table4/stat/resnet34, set: {method.joint_epochs: 1}}
  - {row: again, method: "cstat:stat", set: {method.joint_epochs: 1}}
  - {row: ceiling, method: teacher}
  - {row: pot, figure: cstat-2021/table5/pot/hmdb51, run: none}
"""


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library(["elrbench_plugins.reported"], entry_points=False)


def of(text: str, name: str = "mine") -> Suite:
    return read_suite(parse_yaml(text, f"{name}.yaml"), f"{name}.yaml", name)


def shipped(library: Library, name: str) -> Suite:
    file = library.suite(name)
    return of(file.text, name)


# -- the papers' tables


@pytest.mark.parametrize("name", [*NINE, *FOUR, *TWO])
def test_every_row_of_the_papers_tables_is_a_plan_or_another_system(name: str, library: Library, catalog: Catalog):
    planned = plan_suite(shipped(library, name), catalog, library, Asked())
    assert not [row.failed for row in planned.rows if row.failed]
    for row in planned.rows:
        assert row.printed and (row.plans or row.printed[0].origin)
        for figure in row.printed if row.plans else ():  # a row is of what its figure is of
            plan = row.plans[0]
            assert figure.dataset.split("-")[0] == plan.dataset.split("-")[0]
            assert figure.backbone in ("", plan.backbone) and figure.modality in ("", plan.modality)
            assert figure.degradation == plan.degradation or (figure.ceiling and not figure.degradation)
            assert figure.protocol in ("", plan.protocol)
            assert figure.ceiling == (row.chosen is not None and row.chosen.method.privileged)
            assert plan.budget == "paper" and plan.size == SIZES[name]
            assert len(row.plans) == len(catalog.datasets[plan.dataset].protocols[plan.protocol].folds)
    named = [figure.id for row in planned.rows for figure in row.printed]
    table = named[0].rpartition("/")[0].rpartition("/")[0]
    printed = [key for key in library.papers[named[0].split("/")[0]].figures if key.startswith(f"{table}/")]
    assert sorted(named) == sorted(printed)  # every cell once


def test_rows_vary_what_the_table_varies(library: Library, catalog: Catalog):
    def plans(name: str) -> dict[str, object]:
        return {
            row.row.name: row.plans[0]
            for row in plan_suite(shipped(library, name), catalog, library, Asked()).rows
            if row.plans
        }

    weights = plans("cstat-table1")
    few, doubling, rolling = (weights[name].settings for name in ("few-equal", "much-doubling", "rolling"))
    assert [few[f"method.w_{loss}"] for loss in ("ce", "sat", "tat")] == [1 / 7, 4 / 7, 2 / 7]
    assert (few["method.inner"], doubling["method.inner"]) == ("equal", "doubling")
    assert (few["method.rolling"], rolling["method.rolling"]) == ("none", "cstat-per-stage")
    assert len({plan.digest for plan in weights.values()}) == 6

    assert [plan.degradation for plan in plans("stat-table2").values()][::2] == [
        f"average-{size}" for size in ("6x8", "12x16", "18x24", "24x32")
    ]
    assert {plan.settings["method.confidence"] for plan in plans("cstat-table3").values()} == {
        "none", "difference", "gradient", "mlp"
    }  # fmt: skip
    parts = plans("cstat-table4")
    assert {(plan.backbone, plan.sampling) for plan in parts.values()} == {("resnet34", "8x1"), ("r2plus1d-18", "4x5")}
    assert [plan.method for plan in parts.values()][:8] == [
        "teacher", "supervised", "cstat:sat", "cstat:tat", "cstat:stat", "cstat:mlp", "cstat:mlp+rc", "cstat:mlp+rc+ut"
    ]  # fmt: skip
    assert parts["cstat-rc-ut-resnet34"].unlabelled == "videos:kinetics"
    rows = plans("purwanto-table2")
    assert [plan.method.partition(":")[2] for plan in rows.values()] == [
        "two-stream", "sr", "kd", "sa", "kd+sa", "sr+kd", "sr+kd+sa"
    ] * 2  # fmt: skip
    assert [plan.enhancer == "d-dbpn" for plan in rows.values()] == ["sr" in plan.method for plan in rows.values()]
    runs = {plan.digest for plan in rows.values()}
    assert len(runs) == 14 and {plan.digest for plan in plans("purwanto-table3").values()} < runs
    streams = plans("stat-table4")["ours"]
    assert (streams.backbone, streams.sampling, streams.modality) == ("r2plus1d-34", "4x16", "rgb+flow")


def test_a_row_that_needs_a_pool_is_left_out_until_one_is_given(library: Library, catalog: Catalog, tmp_path: Path):
    suite = shipped(library, "cstat-table4")
    without = plan_suite(suite, catalog, library, Asked())
    assert {row.row.name for row in without.rows if row.left_out} == {"cstat-rc-ut-resnet34", "cstat-rc-ut-r2plus1d-18"}
    assert all("--unlabelled" in row.left_out for row in without.rows if row.left_out)
    assert len(jobs_of(without.rows)) == 14 * 3
    pool = tmp_path / "kinetics"
    pool.mkdir()
    (pool / "a.mp4").write_bytes(b"")
    given = plan_suite(suite, catalog, library, Asked(fields={"unlabelled": f"videos:{pool}"}))
    assert len(jobs_of(given.rows)) == 16 * 3 and not any(row.differs for row in given.rows)
    assert {plan.unlabelled for row in given.rows for plan in row.plans} == {"", "videos:kinetics"}


# -- other data, another budget


def test_an_override_takes_along_what_belongs_to_it(library: Library, catalog: Catalog):
    asked = Asked(fields={"dataset": "jhmdb", "budget": "small", "backbone": "resnet18"})
    planned = plan_suite(shipped(library, "cstat-table4"), catalog, library, asked)
    plans = {row.row.name: row.plans for row in planned.rows}
    for plan in (plan for each in plans.values() for plan in each):
        assert (plan.dataset, plan.protocol, plan.budget) == ("jhmdb", "hmdb51-split1", "small")  # not ucf101's 3splits
        assert (plan.backbone, plan.sampling, plan.size) == ("resnet18", "4x1", (96, 128))  # not R(2+1)D's 4x5
    assert plans["sat-resnet34"] == plans["sat-r2plus1d-18"]
    jobs = jobs_of(planned.rows)
    assert len(jobs) == 7 and jobs[0].rows == (
        "teacher-resnet34",
        "teacher-r2plus1d-18",
    )  # each once, the ceiling first
    differs = planned.rows[0].differs
    assert differs["dataset"] == ("ucf101", "jhmdb") and differs["size"] == ("256x340", "96x128")


def test_settings_are_for_the_rows_that_have_them(library: Library, catalog: Catalog):
    asked = Asked(settings=("method.tam_width=32", "method.epochs=3"), only=("student-resnet34", "stat-resnet34"))
    planned = plan_suite(shipped(library, "cstat-table4"), catalog, library, asked)
    student, stat = (row.plans[0].settings for row in planned.rows)
    assert student["method.epochs"] == stat["method.epochs"] == 3
    assert stat["method.tam_width"] == 32 and "method.tam_width" not in student
    assert planned.remarks == ("--set method.tam_width=32 is not for student-resnet34: no such option there",)
    with pytest.raises(ElrError, match="unknown setting 'method.tam_widht'. Did you mean 'method.tam_width'"):
        plan_suite(shipped(library, "cstat-table4"), catalog, library, Asked(settings=("method.tam_widht=32",)))


def test_a_rows_settings_stand_until_a_flag_takes_their_place(library: Library, toy_catalog: Catalog):
    suite = of(f"{COMMON}\nrows: [{{row: student, method: supervised, set: {{dataset.train: 12, method.lr: 0.1}}}}]")
    (row,) = plan_suite(suite, toy_catalog, library, Asked(settings=("method.epochs=3",))).rows
    assert row.settings == ("method.batch=12", "dataset.train=12", "method.lr=0.1")
    assert row.plans[0].settings["method.epochs"] == 3 and row.plans[0].settings["dataset.train"] == 12
    assert row.differs == {"method.epochs": ("1", "3")}
    (row,) = plan_suite(suite, toy_catalog, library, Asked(fields={"dataset": "tiny-puppets"})).rows
    assert row.settings == ("method.batch=12", "method.epochs=1", "method.lr=0.1")  # train is the toy's option
    assert not row.failed and row.plans[0].dataset == "tiny-puppets"


def test_a_row_says_where_it_is_not_what_its_figure_is_of(library: Library, toy_catalog: Catalog):
    rows = plan_suite(of(f"{COMMON}\n{ROWS}"), toy_catalog, library, Asked()).rows
    assert rows[0].differs == {
        "dataset": ("ucf101", "toy"),
        "protocol": ("3splits", "one"),
        "backbone": ("resnet34", "toynet"),
        "budget": ("paper", "smoke"),
    }
    assert not rows[2].differs  # no figure, and as the suite asks
    (moved,) = plan_suite(
        of(f"{COMMON}\n{ROWS}"), toy_catalog, library, Asked(fields={"dataset": "tiny-puppets"}, only=("student",))
    ).rows
    assert moved.differs["dataset"] == ("ucf101", "tiny-puppets")


def test_runs_come_seed_by_seed_with_ceilings_first(library: Library, toy_catalog: Catalog):
    planned = plan_suite(of(f"seeds: [3, 1]\n{COMMON}\n{ROWS}"), toy_catalog, library, Asked())
    jobs = jobs_of(planned.rows)
    assert [(job.plan.seed, job.rows) for job in jobs] == [
        (seed, rows) for seed in (3, 1) for rows in (("ceiling",), ("student",), ("ours", "again"))
    ]
    assert str(jobs[2]) == "ours, again: cstat:stat seed 3 fold 1"


def test_a_matrix_is_every_combination(library: Library, toy_catalog: Catalog):
    axes = '{method: [supervised, "cstat:stat"], dataset: [toy, tiny-puppets], seed: [0, 2]}'
    suite = of(f"matrix: {axes}\ncommon: {{budget: smoke}}")
    assert [row.name for row in suite.rows] == [
        "supervised/toy", "supervised/tiny-puppets", "cstat:stat/toy", "cstat:stat/tiny-puppets"
    ]  # fmt: skip
    planned = plan_suite(suite, toy_catalog, library, Asked())
    assert len({plan.digest for row in planned.rows for plan in row.plans}) == 8
    assert {plan.seed for row in planned.rows for plan in row.plans} == {0, 2}
    only = plan_suite(suite, toy_catalog, library, Asked(seeds=(5,), only=("cstat:stat/toy",)))
    assert [(plan.method, plan.dataset, plan.seed) for row in only.rows for plan in row.plans] == [
        ("cstat:stat", "toy", 5)
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "not a mapping with 'rows' or 'matrix'"),
        ("rows: []", "'rows' is not a list of rows"),
        ("title: x", "no 'rows'"),
        ("rows: [1]\nmatrix: {}", "both 'rows' and 'matrix'"),
        ("rwos: []", "unknown key 'rwos'. Did you mean 'rows'?"),
        ("suite: other\nrows: [{method: a, dataset: b}]", "says 'suite: other', but the file is called mine"),
        ("rows: [{method: a}]", "row a#1: it names no dataset"),
        ("rows: [{row: x y, method: a}]", "row 1: 'x y' is not a name"),
        ("rows: [{row: 'x,y', method: a}]", "row 1: 'x,y' is not a name"),
        ("rows: [{row: x, methd: a}]", "row x: unknown key 'methd'. Did you mean 'method'?"),
        ("rows: [{row: x, method: [a]}]", "row x: 'method' is ['a'], not one name"),
        ("rows: [{row: x, run: none}]", "row x: 'run: none' is for a row with a printed figure"),
        ("rows: [{row: x, run: never}]", "row x: 'run' is 'never'; it may be none"),
        ("rows: [{row: x, method: a, dataset: b}, {row: x, method: c, dataset: b}]", "two rows are called 'x'"),
        ("seeds: [-1]\nrows: [{row: x, method: a, dataset: b}]", "'seeds' is [-1], not whole numbers from 0"),
        ("common: {teacher: x}\nrows: [{row: x}]", "common: unknown key 'teacher'"),
        ("matrix: {method: []}", "the matrix's 'method' is empty"),
        ("matrix: {classes: [a]}", "unknown axis 'classes'"),
        ("matrix: {method: [a]}\ncommon: {method: b}", "'method' is both in 'common' and an axis"),
        ("rows: [{row: x, row: y}]", "'row' stands twice"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_refused_in_one_line(text: str, message: str):
    with pytest.raises(ElrError) as caught:
        of(text)
    assert str(caught.value).startswith("mine.yaml") and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_are_checked_before_anything_runs(library: Library, toy_catalog: Catalog):
    def plan(text: str, **asked: object) -> PlannedSuite:
        return plan_suite(of(text), toy_catalog, library, Asked(**asked))  # type: ignore[arg-type]

    with pytest.raises(ElrError, match="unknown row of suite 'mine' 'stdent'. Did you mean 'student'"):
        plan(f"{COMMON}\n{ROWS}", only=("stdent",))
    with pytest.raises(ElrError, match="unknown row of suite 'mine' '\\*-hmdb51'"):
        plan(f"{COMMON}\n{ROWS}", only=("*-hmdb51",))
    assert [row.row.name for row in plan(f"{COMMON}\n{ROWS}", only=("s*t",)).rows] == ["student"]
    with pytest.raises(ElrError, match="suite 'mine', row supervised#1: unknown printed figure"):
        plan(f"{COMMON}\nrows: [{{method: supervised, figure: cstat-2021/table4/x/y}}]")
    with pytest.raises(ElrError, match="unknown dataset 'toyy'. Did you mean 'toy'"):
        plan(f"{COMMON}\n{ROWS}", fields={"dataset": "toyy"})
    with pytest.raises(ElrError, match="'mine': videos:x is given as a pool, and no row that is asked for names one"):
        plan(f"{COMMON}\n{ROWS}", fields={"unlabelled": "videos:x"})
    with pytest.raises(ElrError, match="'mine': --high-source-data .* is the folder of a set that no row names"):
        plan(f"{COMMON}\n{ROWS}", beside=Beside(high_source=Path("crops")))
    with pytest.raises(ElrError, match="is one dataset's folder, and the rows name tiny-puppets, toy"):
        plan("matrix: {method: [supervised], dataset: [toy, tiny-puppets]}", data=Path())


# -- what rows would cost


def test_cost_is_counted_from_the_structure_alone(library: Library, catalog: Catalog):
    suite = shipped(library, "cstat-table4")
    only = tuple(f"{name}-resnet34" for name in ("teacher", "student", "stat", "cstat-rc-ut"))
    planned = plan_suite(suite, catalog, library, Asked(only=only, fields={"budget": "smoke", "backbone": "resnet18"}))
    estimator = Estimator(catalog)
    costs = {row.row.name: estimator.of(row.plans[0], row.chosen) for row in planned.rows if row.chosen}
    teacher, student, stat = (costs[f"{name}-resnet34"] for name in ("teacher", "student", "stat"))
    assert student.params == 11_228_325 and stat.params > student.params  # a temporal attention module on top
    plan = planned.rows[1].plans[0]
    clips = training_clips(plan, planned.rows[1].chosen)
    assert clips == 9537  # UCF101's first list
    seen = int(plan.settings["method.epochs"]) * (clips // 16) * 16  # whole batches
    # Forward, and backward twice as much but for the gradient that the first convolution has no use for.
    first = 7 * 7 * 3 * 64 * 24 * 32 * 2
    assert student.training_macs == pytest.approx(seen * (3 * student.clip_macs - first), rel=1e-6)
    assert teacher.training_macs == pytest.approx(student.training_macs, rel=1e-6)
    assert set(student.stages) < set(stat.stages) and len(stat.stages) == 3  # the student alone is shared
    together = {key for cost in costs.values() for key in cost.stages}
    assert len(together) == 6  # teacher; student; teacher with its module; joint; the pool's phase and its joint one
    assert costs["cstat-rc-ut-resnet34"].pool and not stat.pool


def test_cost_of_training_is_not_made_up(library: Library, catalog: Catalog, toy_catalog: Catalog):
    asked = Asked(fields={"classes": "Archery,Bowling", "budget": "smoke"}, only=("student-resnet34",))
    (row,) = plan_suite(shipped(library, "cstat-table4"), catalog, library, asked).rows
    cost = Estimator(catalog).of(row.plans[0], row.chosen)
    assert cost.training_macs is None and "ucf101" in cost.unknown and cost.clip_macs > 0
    (drawn,) = plan_suite(of(f"{COMMON}\nrows: [{{method: supervised}}]"), toy_catalog, library, Asked()).rows
    assert training_clips(drawn.plans[0], drawn.chosen) == 24


# -- the command


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    """`call("run", …)` in an empty folder, with the built-ins and the toy -> (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ELRBENCH_DATA", raising=False)
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
    Path("leaderboards").mkdir()
    assert call("run", file, "--plugin", TOY, "--publish")[0] == 0
    (record,) = Path("leaderboards", "records").rglob("supervised-*.json")
    for folder in Path("elrbench-runs").iterdir():
        folder.rename(Path("elsewhere"))
    told = json.loads(call("run", file, "--plugin", TOY, "--dry-run", "--json")[1])
    assert [(run["digest"], run["done"]) for run in told["runs"]] == [(record.stem.rpartition("-")[2], True)]


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
    assert one[1] == "top1" and one[3] == "-" and one[6] == "top1 is no score of tiny-puppets"
    assert other[1] == "f1_macro" and other[2] == "-" and other[3] != "-"


def test_a_bug_of_one_row_stops_no_other_and_is_shown(library: Library, toy_catalog: Catalog, tmp_path: Path):
    planned = plan_suite(of(f"{COMMON}\n{ROWS}"), toy_catalog, library, Asked())
    jobs = jobs_of(planned.rows)

    class Listening(Silent):
        heard: list[str] = []

        def warn(self, line: str) -> None:
            self.heard.append(line)

    def run(plan, out):
        if plan.method == "supervised":
            raise ZeroDivisionError("of the plugin")
        return {"digest": plan.digest}

    outcome = run_jobs(jobs, {}, tmp_path, run, Listening())
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
    assert failed.startswith("elrbench: failed: 3 runs: dataset 'hmdb51' lies in a folder: give --data ROOT")
    assert {row[0]: row[3] != "-" for row in cells(out)[1:]} == {"here": True, "gone": False}


def test_failures_keep_the_order_of_the_runs(library: Library, toy_catalog: Catalog):
    jobs = jobs_of(plan_suite(of(f"{COMMON}\n{ROWS}"), toy_catalog, library, Asked()).rows)
    first, second, third = (job.plan.digest for job in jobs)
    assert failed_runs(jobs, {second: "x", third: "y", first: "y"}) == ["2 runs: y", f"{jobs[1]}: x"]
    assert failed_runs(jobs, {}) == []


def test_a_stop_between_rows_leaves_what_is_done(library: Library, toy_catalog: Catalog, tmp_path: Path):
    from benchmark_core.runs.runner import run as run_plan

    planned = plan_suite(of(f"{COMMON}\n{ROWS}"), toy_catalog, library, Asked())
    jobs, ran = jobs_of(planned.rows), []

    def run(plan, out):
        if len(ran) == 1:
            raise KeyboardInterrupt
        ran.append(plan.digest)
        return run_plan(plan, planned.catalog, data=None, out=out, cache=tmp_path / "cache", reporter=Silent()).record

    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs, {}, tmp_path / "runs", run, Silent())
    done = finished(jobs, tmp_path / "runs", None)
    assert list(done) == ran == [jobs[0].plan.digest]
    assert finished(jobs, tmp_path / "nowhere", tmp_path) == {}


def test_a_high_source_lies_where_its_flag_says(call, tmp_path: Path):
    tiny, crops = str(write_first(tmp_path / "tiny")), str(write_crops(tmp_path / "crops"))
    file = write(
        "common: {dataset: tinyvirat, high_source: virat-crops, backbone: toynet, budget: smoke, size: 32x32,\n"
        "         sampling: 2x1, set: {method.batch: 2, method.epochs: 1, method.joint_epochs: 1}}\n"
        "rows: [{row: ours, method: cstat}]\n"
    )
    code, _, err = call("run", file, "--plugin", TOY, "--data", tiny)
    assert code == 2 and "dataset 'virat-crops' lies in a folder: give --high-source-data ROOT" in err
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
    assert "These runs are not the paper's own" in out
    assert re.search(r"^  budget +smoke +the paper's: paper$", out, flags=re.M)
    assert re.search(r"^  dataset +toy +the paper's: ucf101$", out, flags=re.M)


def test_show_and_list(call):
    code, out, _ = call("list", "--json")
    assert code == 0 and [row["suite"] for row in json.loads(out)] == sorted([*NINE, *FOUR, *TWO])
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
        (("run", "mine"), "unknown suite 'mine'; for the file of that name, say mine.yaml"),
        (("run", "no.yaml"), "no.yaml cannot be read: No such file or directory"),
        (("run", "cstat-table4", "--seeds", "0,x"), "--seeds 0,x is not a list of whole numbers"),
        (("run", "cstat-table4"), "dataset 'ucf101' lies in a folder: give --data ROOT"),
        (("run", "cstat-table5", "--only", "pot"), "suite 'cstat-table5' has nothing to run: pot: printed only"),
        (("run", "cstat-table4", "--dataset", "puppets", "--only", "cstat-rc-ut-resnet34"), "needs --unlabelled"),
        (("run", "cstat-table4", "--dataset", "puppets", "--device", "cudda"), "device 'cudda' cannot be used"),
        (("run", "cstat-table4", "--publish"), "there is no folder leaderboards to publish into"),
        (("rnu", "cstat-table4"), "unknown command 'suite rnu'. Did you mean 'suite run'?"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(call, argv: tuple[str, ...], message: str):
    write("rows: []")
    if argv[0] != "run":
        argv = (*argv, "--json")
    code, out, err = call(*argv)
    assert (code, out) == (2, "") and message in err and len(err.splitlines()) == 1
