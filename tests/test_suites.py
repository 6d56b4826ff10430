"""Suites: those of the papers resolve, what a user asks for changes them, and what they would cost."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from suite_rows import COMMON, FOUR, NINE, ROWS, TWO, of

from benchmark_core.papers.collection import Library, load_library
from benchmark_core.runs.context import ExtraPaths
from benchmark_core.weights_file import digest_of_bytes
from elrbench import Catalog, ElrError
from elrbench_plugins.commands.suite.counts import training_clips
from elrbench_plugins.commands.suite.estimate import Estimator
from elrbench_plugins.commands.suite.rows import PlannedSuite, SuiteRequest, plan_suite
from elrbench_plugins.commands.suite.suite import Suite
from elrbench_plugins.commands.suite.suite_runs import runs_of

SIZES = {**dict.fromkeys(NINE, (256, 340)), **dict.fromkeys(FOUR, (112, 112)), **dict.fromkeys(TWO, (224, 224))}
OTHERS = {
    "semi-coupled": (32, 32),
    "fully-coupled": (112, 112),
    "dai": (12, 16),
    "multi-siamese": (12, 16),
    "isr": (48, 64),
    "plrn-tennet": (32, 32),
    "hof-svm": (48, 64),
    "sosr": (240, 320),
}  # systems that the papers compare with -> network size of their own papers


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library(["elrbench_plugins.reported"], entry_points=False)


def shipped(library: Library, name: str) -> Suite:
    file = library.suite(name)
    return of(file.text, name)


# -- the papers' tables


@pytest.mark.parametrize("name", [*NINE, *FOUR, *TWO])
def test_every_row_of_the_papers_tables_is_a_plan_or_another_system(name: str, library: Library, catalog: Catalog):
    planned = plan_suite(shipped(library, name), catalog, library, SuiteRequest())
    assert not [row.failed for row in planned.rows if row.failed]
    for row in planned.rows:
        assert row.printed and (row.plans or row.printed[0].origin)
        for figure in row.printed if row.plans else ():  # a row is of what its figure is of
            plan = row.plans[0]
            base = plan.method.partition(":")[0]
            assert figure.dataset.split("-")[0] == plan.dataset.split("-")[0]
            assert figure.backbone in ("", plan.backbone)
            if base in OTHERS:  # of its own preprocessing, which the figure's paper lacks
                size = plan.degradation.partition(":")[0]
                assert figure.origin and size.endswith(f"-{figure.degradation}" if figure.degradation else "-12x16")
            else:
                assert figure.modality in ("", plan.modality)
                assert figure.degradation == plan.degradation or (figure.ceiling and not figure.degradation)
            assert figure.protocol in ("", plan.protocol)
            assert figure.ceiling == (row.components is not None and row.components.method.oracle)
            assert plan.budget == "paper" and plan.size == {**OTHERS, "purwanto": (224, 224)}.get(base, SIZES[name])
            assert len(row.plans) == len(catalog.datasets[plan.dataset.split(":")[0]].protocols[plan.protocol].folds)
    named = [figure.id for row in planned.rows for figure in row.printed]
    table = named[0].rpartition("/")[0].rpartition("/")[0]
    printed = [key for key in library.papers[named[0].split("/")[0]].figures if key.startswith(f"{table}/")]
    assert sorted(named) == sorted(printed)  # every cell once


def test_rows_vary_what_the_table_varies(library: Library, catalog: Catalog):
    def plans(name: str) -> dict[str, object]:
        return {
            row.row.name: row.plans[0]
            for row in plan_suite(shipped(library, name), catalog, library, SuiteRequest()).rows
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
        "cstat:teacher", "supervised", "cstat:sat", "cstat:tat", "cstat:stat", "cstat:mlp", "cstat:mlp+rc",
        "cstat:mlp+rc+ut",
    ]  # fmt: skip
    assert parts["cstat-rc-ut-resnet34"].unlabelled == "videos:kinetics"
    rows = plans("purwanto-table2")
    assert [plan.method.partition(":")[2] for plan in rows.values()] == [
        "two-stream", "sr", "kd", "sa", "kd+sa", "sr+kd", "sr+kd+sa"
    ] * 2  # fmt: skip
    assert [plan.enhancer == "d-dbpn" for plan in rows.values()] == ["sr" in plan.method for plan in rows.values()]
    runs = {plan.digest for plan in rows.values()}
    compared = {
        name: plan.digest
        for name, plan in plans("purwanto-table3").items()
        if plan.method.partition(":")[0] not in OTHERS
    }
    assert len(runs) == 14 and set(compared.values()) < runs and len(compared) == 4
    streams = plans("stat-table4")["ours"]
    assert (streams.backbone, streams.sampling, streams.modality) == ("r2plus1d-34", "4x16", "rgb+flow")


def test_a_row_that_needs_a_pool_is_left_out_until_one_is_given(library: Library, catalog: Catalog, tmp_path: Path):
    suite = shipped(library, "cstat-table4")
    without = plan_suite(suite, catalog, library, SuiteRequest())
    assert {row.row.name for row in without.rows if row.left_out} == {"cstat-rc-ut-resnet34", "cstat-rc-ut-r2plus1d-18"}
    assert all("--unlabelled" in row.left_out for row in without.rows if row.left_out)
    assert len(runs_of(without.rows)) == 14 * 3
    pool = tmp_path / "kinetics"
    pool.mkdir()
    (pool / "a.mp4").write_bytes(b"")
    given = plan_suite(suite, catalog, library, SuiteRequest(fields={"unlabelled": f"videos:{pool}"}))
    assert len(runs_of(given.rows)) == 16 * 3 and not any(row.differs for row in given.rows)
    assert {plan.unlabelled for row in given.rows for plan in row.plans} == {"", "videos:kinetics"}


# -- other data, another budget


def test_an_override_takes_along_what_belongs_to_it(library: Library, catalog: Catalog):
    asked = SuiteRequest(fields={"dataset": "jhmdb", "budget": "small", "backbone": "resnet18"})
    planned = plan_suite(shipped(library, "cstat-table4"), catalog, library, asked)
    plans = {row.row.name: row.plans for row in planned.rows}
    for plan in (plan for each in plans.values() for plan in each):
        assert (plan.dataset, plan.protocol, plan.budget) == ("jhmdb", "hmdb51-split1", "small")  # not ucf101's 3splits
        assert (plan.backbone, plan.sampling, plan.size) == ("resnet18", "4x1", (96, 128))  # not R(2+1)D's 4x5
    assert plans["sat-resnet34"] == plans["sat-r2plus1d-18"]
    jobs = runs_of(planned.rows)
    assert len(jobs) == 7 and jobs[0].rows == (
        "teacher-resnet34",
        "teacher-r2plus1d-18",
    )  # each once, the ceiling first
    differs = planned.rows[0].differs
    assert differs["dataset"] == ("ucf101", "jhmdb") and differs["size"] == ("256x340", "96x128")


def test_settings_are_for_the_rows_that_have_them(library: Library, catalog: Catalog):
    asked = SuiteRequest(
        settings=("method.tam_width=32", "method.epochs=3"), only=("student-resnet34", "stat-resnet34")
    )
    planned = plan_suite(shipped(library, "cstat-table4"), catalog, library, asked)
    student, stat = (row.plans[0].settings for row in planned.rows)
    assert student["method.epochs"] == stat["method.epochs"] == 3
    assert stat["method.tam_width"] == 32 and "method.tam_width" not in student
    assert planned.remarks == ("--set method.tam_width=32 is not applied to student-resnet34: no such option",)
    with pytest.raises(ElrError, match="unknown setting 'method.tam_widht'. Did you mean 'method.tam_width'"):
        plan_suite(shipped(library, "cstat-table4"), catalog, library, SuiteRequest(settings=("method.tam_widht=32",)))


def test_a_file_of_an_enhancers_weights_is_for_the_rows_that_enhance(
    library: Library, catalog: Catalog, tmp_path: Path
):
    path = tmp_path / "dbpn_x8.pth"
    path.write_bytes(b"weights")
    name = f"file:dbpn_x8@{digest_of_bytes(b'weights')}"
    asked = SuiteRequest(fields={"enhancer_weights": str(path)}, only=("kd-hmdb51", "sr-hmdb51"))
    planned = plan_suite(shipped(library, "purwanto-table2"), catalog, library, asked)
    sr, kd = sorted(planned.rows, key=lambda row: row.row.name, reverse=True)
    assert sr.plans[0].settings["enhancer.weights"] == name and sr.differs["enhancer.weights"] == ("fit", name)
    assert "enhancer.weights" not in kd.plans[0].settings and not kd.failed
    assert planned.remarks[0] == "--enhancer-weights is not applied to kd-hmdb51: no such option"
    with pytest.raises(ElrError, match="no row has an enhancer with a public checkpoint; remove --enhancer-weights"):
        plan_suite(shipped(library, "purwanto-table2"), catalog, library, replace(asked, only=("kd-hmdb51",)))

    rows = f"{{row: sr, method: supervised, enhancer: dbpn-s, enhancer_weights: {path}}}"
    suite = of(f"{COMMON}\nrows: [{rows}]")  # 12x16 to 24x32 at the toy's
    own = plan_suite(suite, catalog, library, SuiteRequest(fields={"dataset": "puppets", "backbone": "resnet18"})).rows[
        0
    ]
    assert own.plans[0].settings["enhancer.weights"] == name
    assert own.components is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Estimator(catalog).of(own.plans[0], own.components).training_macs  # needs no content of the file
    lost = of(f"{COMMON}\nrows: [{{row: sr, method: supervised, enhancer: dbpn-s, enhancer_weights: absent.pth}}]")
    there = {"dataset": "puppets", "backbone": "resnet18", "enhancer_weights": str(path)}
    assert (
        plan_suite(lost, catalog, library, SuiteRequest(fields=there)).rows[0].plans[0].settings["enhancer.weights"]
        == name
    )
    for other in (
        SuiteRequest(fields={"dataset": "puppets", "backbone": "resnet18"}, settings=("enhancer.weights=fit",)),
        SuiteRequest(fields={"dataset": "puppets", "backbone": "resnet18", "enhancer": "d-dbpn"}),
    ):
        assert plan_suite(suite, catalog, library, other).rows[0].plans[0].settings["enhancer.weights"] == "fit"


def test_a_row_on_clips_held_out_is_not_the_papers(library: Library, toy_catalog: Catalog):
    common = COMMON.replace("budget: smoke", "budget: smoke, holdout: 0.25")
    (row, *_) = plan_suite(of(f"{common}\n{ROWS}"), toy_catalog, library, SuiteRequest()).rows
    assert row.differs["holdout"] == ("-", "0.25")


def test_a_rows_settings_stand_until_a_flag_takes_their_place(library: Library, toy_catalog: Catalog):
    suite = of(f"{COMMON}\nrows: [{{row: student, method: supervised, set: {{dataset.train: 12, method.lr: 0.1}}}}]")
    (row,) = plan_suite(suite, toy_catalog, library, SuiteRequest(settings=("method.epochs=3",))).rows
    assert row.settings == ("method.batch=12", "dataset.train=12", "method.lr=0.1")
    assert row.plans[0].settings["method.epochs"] == 3 and row.plans[0].settings["dataset.train"] == 12
    assert row.differs == {"method.epochs": ("1", "3")}
    (row,) = plan_suite(suite, toy_catalog, library, SuiteRequest(fields={"dataset": "tiny-puppets"})).rows
    assert row.settings == ("method.batch=12", "method.epochs=1", "method.lr=0.1")  # train is the toy's option
    assert not row.failed and row.plans[0].dataset == "tiny-puppets"


def test_a_row_says_where_it_is_not_what_its_figure_is_of(library: Library, toy_catalog: Catalog):
    rows = plan_suite(of(f"{COMMON}\n{ROWS}"), toy_catalog, library, SuiteRequest()).rows
    assert rows[0].differs == {
        "dataset": ("ucf101", "toy"),
        "protocol": ("3splits", "one"),
        "backbone": ("resnet34", "toynet"),
        "budget": ("paper", "smoke"),
    }
    assert not rows[2].differs  # no figure, and as the suite asks
    (moved,) = plan_suite(
        of(f"{COMMON}\n{ROWS}"),
        toy_catalog,
        library,
        SuiteRequest(fields={"dataset": "tiny-puppets"}, only=("student",)),
    ).rows
    assert moved.differs["dataset"] == ("ucf101", "tiny-puppets")


def test_runs_come_seed_by_seed_with_ceilings_first(library: Library, toy_catalog: Catalog):
    planned = plan_suite(of(f"seeds: [3, 1]\n{COMMON}\n{ROWS}"), toy_catalog, library, SuiteRequest())
    jobs = runs_of(planned.rows)
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
    planned = plan_suite(suite, toy_catalog, library, SuiteRequest())
    assert len({plan.digest for row in planned.rows for plan in row.plans}) == 8
    assert {plan.seed for row in planned.rows for plan in row.plans} == {0, 2}
    only = plan_suite(suite, toy_catalog, library, SuiteRequest(seeds=(5,), only=("cstat:stat/toy",)))
    assert [(plan.method, plan.dataset, plan.seed) for row in only.rows for plan in row.plans] == [
        ("cstat:stat", "toy", 5)
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "not a mapping with 'rows' or 'matrix'"),
        ("rows: []", "'rows' is not a list of rows"),
        ("title: x", "expected either 'rows' or 'matrix', but it has neither"),
        ("rows: [1]\nmatrix: {}", "but it has both"),
        ("rwos: []", "unknown key 'rwos'. Did you mean 'rows'?"),
        ("suite: other\nrows: [{method: a, dataset: b}]", "'suite: other' differs from the file name mine"),
        ("rows: [{method: a}]", "row a#1: it has no dataset"),
        ("rows: [{row: x y, method: a}]", "row 1: 'x y' is not a valid name"),
        ("rows: [{row: 'x,y', method: a}]", "row 1: 'x,y' is not a valid name"),
        ("rows: [{row: x, methd: a}]", "row x: unknown key 'methd'. Did you mean 'method'?"),
        ("rows: [{row: x, method: [a]}]", "row x: 'method' is ['a'], not one name"),
        ("rows: [{row: x, run: none}]", "row x: 'run: none' needs a printed figure"),
        ("rows: [{row: x, run: never}]", "row x: 'run' is 'never'; expected 'none'"),
        ("rows: [{row: x, method: a, dataset: b}, {row: x, method: c, dataset: b}]", "two rows have the name 'x'"),
        ("seeds: [-1]\nrows: [{row: x, method: a, dataset: b}]", "'seeds' is [-1]; expected whole numbers from 0"),
        ("seeds: 3\nrows: [{row: x, method: a, dataset: b}]", "'seeds' is 3, not a list; write e.g. seeds: [0, 1, 2]"),
        ("common: {teacher: x}\nrows: [{row: x}]", "common: unknown key 'teacher'"),
        ("matrix: {method: []}", "'method' of the matrix is empty"),
        ("matrix: {classes: [a]}", "unknown axis 'classes'"),
        ("matrix: {method: [a]}\ncommon: {method: b}", "'method' is in both 'common' and the matrix"),
        ("rows: [{row: x, row: y}]", "'row' is given twice"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_refused_in_one_line(text: str, message: str):
    with pytest.raises(ElrError) as caught:
        of(text)
    assert str(caught.value).startswith("mine.yaml") and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_are_checked_before_anything_runs(library: Library, toy_catalog: Catalog):
    def plan(text: str, **asked: object) -> PlannedSuite:
        return plan_suite(of(text), toy_catalog, library, SuiteRequest(**asked))  # type: ignore[arg-type]

    with pytest.raises(ElrError, match="unknown row of suite 'mine': 'stdent'. Did you mean 'student'"):
        plan(f"{COMMON}\n{ROWS}", only=("stdent",))
    with pytest.raises(ElrError, match="unknown row of suite 'mine': '\\*-hmdb51'"):
        plan(f"{COMMON}\n{ROWS}", only=("*-hmdb51",))
    assert [row.row.name for row in plan(f"{COMMON}\n{ROWS}", only=("s*t",)).rows] == ["student"]
    with pytest.raises(ElrError, match="mine.yaml, row supervised#1: unknown printed figure"):
        plan(f"{COMMON}\nrows: [{{method: supervised, figure: cstat-2021/table4/x/y}}]")
    with pytest.raises(ElrError, match="unknown dataset 'toyy'. Did you mean 'toy'"):
        plan(f"{COMMON}\n{ROWS}", fields={"dataset": "toyy"})
    with pytest.raises(ElrError, match="'mine': no selected row uses unlabelled clips such as videos:x"):
        plan(f"{COMMON}\n{ROWS}", fields={"unlabelled": "videos:x"})
    with pytest.raises(ElrError, match="'mine': .*--high-source-data .* pass --high-source NAME"):
        plan(f"{COMMON}\n{ROWS}", extra=ExtraPaths(high_source=Path("crops")))
    with pytest.raises(ElrError, match="is the folder of one dataset, but the rows use tiny-puppets, toy"):
        plan("matrix: {method: [supervised], dataset: [toy, tiny-puppets]}", data=Path())


# -- what rows would cost


def test_cost_is_counted_from_the_structure_alone(library: Library, catalog: Catalog):
    suite = shipped(library, "cstat-table4")
    only = tuple(f"{name}-resnet34" for name in ("teacher", "student", "stat", "cstat-rc-ut"))
    planned = plan_suite(
        suite, catalog, library, SuiteRequest(only=only, fields={"budget": "smoke", "backbone": "resnet18"})
    )
    estimator = Estimator(catalog)
    costs = {row.row.name: estimator.of(row.plans[0], row.components) for row in planned.rows if row.components}
    teacher, student, stat = (costs[f"{name}-resnet34"] for name in ("teacher", "student", "stat"))
    assert student.params == 11_228_325 and stat.params > student.params  # a temporal attention module on top
    plan = planned.rows[1].plans[0]
    clips = training_clips(plan, planned.rows[1].components)
    assert clips == 9537  # UCF101's first list
    seen = int(plan.settings["method.epochs"]) * (clips // 16) * 16  # whole batches
    # Forward, and backward twice as much but for the gradient that the first convolution has no use for.
    first = 7 * 7 * 3 * 64 * 24 * 32 * 2
    assert student.training_macs == pytest.approx(seen * (3 * student.clip_macs - first), rel=1e-6)
    assert teacher.training_macs == pytest.approx(student.training_macs, rel=1e-3)  # with its attention module
    assert set(teacher.stages) < set(stat.stages)  # the teacher that teaches
    assert set(student.stages) < set(stat.stages) and len(stat.stages) == 3  # the student alone is shared
    together = {key for cost in costs.values() for key in cost.stages}
    assert len(together) == 5  # teacher; student; joint; the pool's phase and its joint one
    assert costs["cstat-rc-ut-resnet34"].pool and not stat.pool


def test_cost_of_training_is_not_made_up(library: Library, catalog: Catalog, toy_catalog: Catalog):
    asked = SuiteRequest(fields={"classes": "Archery,Bowling", "budget": "smoke"}, only=("student-resnet34",))
    (row,) = plan_suite(shipped(library, "cstat-table4"), catalog, library, asked).rows
    cost = Estimator(catalog).of(row.plans[0], row.components)
    assert cost.training_macs is None and "ucf101" in cost.unknown and cost.clip_macs > 0
    (drawn,) = plan_suite(of(f"{COMMON}\nrows: [{{method: supervised}}]"), toy_catalog, library, SuiteRequest()).rows
    assert training_clips(drawn.plans[0], drawn.components) == 24
