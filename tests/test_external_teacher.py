"""A finished run as the teacher of other runs: what is refused, what is frozen, and which stages depend on it."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from run_records import PLAN, bits, make_record
from safetensors.torch import load_file, save_file
from torch import nn

from benchmark_core.canonical import digest_of
from benchmark_core.catalog import Catalog
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.checksum import add_checksum
from benchmark_core.records.record import find_record, read_record, write_record
from benchmark_core.runs.context import ExtraPaths, RunContext
from benchmark_core.runs.loaded_run import WEIGHTS
from benchmark_core.runs.runner import RunResult, run
from benchmark_core.runs.teachers import (
    Teacher,
    check_start,
    check_teacher,
    load_teacher,
    teacher_name,
    unchecked_overlap,
)
from benchmark_core.tables.cells import names
from benchmark_core.tables.ranking import RankedRow
from benchmark_core.tables.rows import group_rows
from benchmark_core.training.external_teacher import ExternalTeacher, train_except_frozen
from benchmark_core.weights_file import add_weights
from elrbench import ElrError

NUMBERS = ("method.batch=12", "method.epochs=1")


def planned(catalog: Catalog, method: str, *settings: str, **changes: Any) -> Plan:
    fields = {"dataset": "toy", "backbone": "toynet", "budget": "smoke", "size": "24x32", **changes}
    return resolve_plan(catalog, PlanRequest(method=method, settings=(*NUMBERS, *settings), **fields))


def go(catalog: Catalog, plan: Plan, out: Path, cache: Path, teacher: Path | None = None) -> RunResult:
    return run(
        plan, catalog, RunContext(data=None, out=out, cache=cache, reporter=Silent(), extra=ExtraPaths(teacher=teacher))
    )


@pytest.fixture(scope="module")
def taught(toy_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of an oracle with the head 'mean-logits'."""
    work = tmp_path_factory.mktemp("teacher")
    return go(toy_catalog, planned(toy_catalog, "teacher"), work / "run", work / "cache").folder


@pytest.fixture
def cstat(toy_catalog: Catalog, taught: Path) -> Callable[..., Plan]:
    """`cstat("method.w_tat=0.0", size=…)`: a plan with that run as its teacher."""

    def plan(*settings: str, **changes: Any) -> Plan:
        own = ("method.joint_epochs=1", *settings)
        return planned(toy_catalog, "cstat", *own, **{"teacher": teacher_name(taught), **changes})

    return plan


# -- in a run


def fitted(cache: Path, name: str) -> dict[str, torch.Tensor]:
    (path,) = (cache / "stages").glob(f"{name}-*/module.safetensors")
    return load_file(path)


def test_the_external_teacher_is_frozen_and_its_head_is_trained(
    toy_catalog: Catalog, taught: Path, cstat: Callable[..., Plan], tmp_path: Path
) -> None:
    plan = cstat()
    record = go(toy_catalog, plan, tmp_path / "run", tmp_path / "cache", taught).record
    given, tnet = load_file(taught / WEIGHTS), fitted(tmp_path / "cache", "teacher-tam")
    assert all(torch.equal(value, tnet[name]) for name, value in given.items())  # running statistics too
    own = set(tnet) - set(given)
    assert own == {"head.fc1.weight", "head.fc1.bias", "head.fc2.weight", "head.fc2.bias"}
    assert tnet["head.fc2.weight"].abs().max() > 0  # it starts at zero
    assert [stage["name"] for stage in record["stages"]] == ["teacher-tam", "student", "joint"]
    found = read_record(find_record(taught))
    assert record["teacher"]["name"] == plan.teacher == f"teacher@{plan.teacher[-16:]}"
    assert record["teacher"]["run"] == found["digest"]
    assert record["plan"]["teacher"] == plan.teacher and Plan.from_json(record["plan"]) == plan


def test_another_teacher_trains_the_stages_that_depend_on_it_again(
    toy_catalog: Catalog, taught: Path, cstat: Callable[..., Plan], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(taught, other)
    state = load_file(other / WEIGHTS)
    save_file({name: value + 0.01 if "fc.bias" in name else value for name, value in state.items()}, other / WEIGHTS)
    cache = tmp_path / "cache"
    go(toy_catalog, cstat(), tmp_path / "one", cache, taught)
    again = go(toy_catalog, cstat("method.w_sat=0.3"), tmp_path / "two", cache, taught).record
    third = go(toy_catalog, cstat(teacher=teacher_name(other)), tmp_path / "three", cache, other).record
    own = go(toy_catalog, dataclasses.replace(cstat(), teacher=""), tmp_path / "four", cache).record
    reused = [{stage["name"]: stage["reused"] for stage in record["stages"]} for record in (again, third, own)]
    assert reused[0] == {"teacher-tam": True, "student": True, "joint": False}
    assert reused[1] == reused[2] == {"teacher-tam": False, "student": True, "joint": False}


def test_a_teacher_with_the_methods_own_head_is_taken_as_it_is(toy_catalog: Catalog, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    ceiling = go(toy_catalog, planned(toy_catalog, "cstat:teacher", "method.joint_epochs=1"), tmp_path / "t", cache)
    name = teacher_name(ceiling.folder)
    assert name.startswith("cstat:teacher@")
    shutil.rmtree(cache / "stages")
    plan = planned(toy_catalog, "cstat", "method.joint_epochs=1", teacher=name)
    record = go(toy_catalog, plan, tmp_path / "s", cache, ceiling.folder).record
    assert [stage["name"] for stage in record["stages"]] == ["student", "joint"]


def test_one_public_teacher_teaches_several_students(
    toy_catalog: Catalog, taught: Path, cstat: Callable[..., Plan], tmp_path: Path
) -> None:
    """Seeds and methods differ; the teacher is the same."""
    before = (taught / WEIGHTS).read_bytes()
    for seed in (0, 1):
        plan = cstat(seed=seed)
        assert go(toy_catalog, plan, tmp_path / str(seed), tmp_path / "cache", taught).record["plan"]["seed"] == seed
    assert (taught / WEIGHTS).read_bytes() == before


def test_a_longer_budgets_estimate_knows_the_teacher(
    toy_catalog: Catalog, taught: Path, cstat: Callable[..., Plan], tmp_path: Path
) -> None:
    plan = dataclasses.replace(cstat(), budget="small")
    assert "teacher-tam" in go(toy_catalog, plan, tmp_path / "run", tmp_path / "cache", taught).record["updates"]


# -- what is refused


def refusal(catalog: Catalog, taught: Path, plan: Plan) -> str:
    with pytest.raises(ElrError) as caught:
        load_teacher(taught, plan, components_of(catalog, plan), catalog)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": "32x48"}, "has size 24x32, but the plan has 32x48; pass --teacher-size 24x32 or another teacher"),
        ({"teacher_size": "32x48"}, "has size 24x32, but the plan's teacher has 32x48; pass --teacher-size 24x32 or"),
        ({"sampling": "4x1"}, "has sampling 2x1, but the plan has 4x1; pass another teacher"),
        ({"backbone": "resnet18"}, "has backbone toynet, but the plan has resnet18; pass --teacher-backbone toynet or"),
        ({"degradation": "average-12x12"}, "has aspect of high views 3:4, but the plan has 1:1; pass another"),
        (
            {"dataset": "puppets"},
            "other classes than this plan: 3 instead of 12 (first difference: 'left'",
        ),
        ({"classes": "left,moves"}, "3 instead of 2 (first difference: 'right' instead of 'moves')"),
    ],
)
def test_a_teacher_of_something_else(
    toy_catalog: Catalog, taught: Path, cstat: Callable[..., Plan], changes: dict[str, str], message: str
) -> None:
    assert message in refusal(toy_catalog, taught, cstat(**changes))


def test_a_student_is_no_teacher(toy_catalog: Catalog, cstat: Callable[..., Plan], tmp_path: Path) -> None:
    student = go(toy_catalog, planned(toy_catalog, "supervised"), tmp_path / "run", tmp_path / "cache").folder
    said = refusal(toy_catalog, student, cstat(teacher=teacher_name(student)))
    assert "is a run of 'supervised', whose network sees low views" in said


def test_a_teacher_of_another_fold_may_have_seen_the_test_clips(
    toy_catalog: Catalog, taught: Path, cstat: Callable[..., Plan]
) -> None:
    plan, record = cstat(), read_record(find_record(taught))
    other: Any = {**record, "plan": {**record["plan"], "fold": "2"}}
    with pytest.raises(ElrError, match="was trained on fold 2 of one, which contains test clips of fold 1 of one"):
        check_teacher("--teacher x", other, plan, components_of(toy_catalog, plan), toy_catalog)


def test_a_teacher_of_other_lists_may_have_seen_the_test_clips(
    toy_catalog: Catalog, taught: Path, cstat: Callable[..., Plan], tmp_path: Path
) -> None:
    plan = cstat("dataset.train=12")
    with pytest.raises(ElrError, match="was trained on 'toy' when it listed other clips"):
        go(toy_catalog, plan, tmp_path / "run", tmp_path / "cache", taught)


def test_a_run_to_start_from_may_have_seen_the_test_clips(toy_catalog: Catalog, taught: Path, tmp_path: Path) -> None:
    catalog, weights = add_weights(toy_catalog, str(taught / WEIGHTS))
    plan = planned(catalog, "supervised", weights=weights)
    go(catalog, plan, tmp_path / "same", tmp_path / "cache")
    other = planned(catalog, "supervised", "dataset.train=12", weights=weights)
    with pytest.raises(ElrError, match="--weights .* was trained on 'toy' when it listed other clips"):
        go(catalog, other, tmp_path / "other", tmp_path / "cache")
    held = planned(catalog, "supervised", weights=weights, holdout=0.25)
    with pytest.raises(ElrError, match="was trained with no --holdout, but this plan has --holdout 0.25; use weights"):
        go(catalog, held, tmp_path / "held", tmp_path / "cache")
    fold = dataclasses.replace(plan, fold="2")
    with pytest.raises(ElrError, match="fold 1 of one, which contains test clips of fold 2 of one; use weights"):
        check_start(fold, components_of(catalog, fold), "manifest")


def test_overlap_with_another_dataset_is_not_checked(
    toy_catalog: Catalog, taught: Path, cstat: Callable[..., Plan], tmp_path: Path
) -> None:
    """Two folders are two datasets, even with equal protocol names; a dataset and its variants are one."""
    catalog, weights = add_weights(toy_catalog, str(taught / WEIGHTS))
    plan = dataclasses.replace(cstat(), weights=weights)
    components, record = components_of(catalog, plan), read_record(find_record(taught))

    def sentences(theirs: str, own: str) -> tuple[str, ...]:
        """Return the warnings for a teacher trained on `theirs`, for a plan on `own` with weights of 'toy'."""
        told: Any = {**record, "plan": {**record["plan"], "dataset": theirs, "fold": "2"}}
        teacher = Teacher(network=ExternalTeacher(name=plan.teacher, state={}), record=told)
        spec = dataclasses.replace(components.dataset, name=own, variants={"variant": {}})
        return unchecked_overlap(
            dataclasses.replace(plan, dataset=own), dataclasses.replace(components, dataset=spec), teacher
        )

    assert sentences("toy", "toy") == sentences("toy:variant", "toy") == ()
    of_teacher, of_weights = sentences("folder:a", "folder:b")
    tail = "overlap with this run's test clips was not checked"
    assert of_teacher == f"the teacher {plan.teacher} was trained on 'folder:a'; {tail}"
    assert of_weights == f"the run of the weights {weights} was trained on 'toy'; {tail}"
    elsewhere: Any = {**record, "plan": {**record["plan"], "dataset": "folder:a", "fold": "2"}}
    place = dataclasses.replace(components, dataset=dataclasses.replace(components.dataset, name="folder:b"))
    check_teacher("--teacher x", elsewhere, dataclasses.replace(plan, dataset="folder:b"), place, catalog)


def test_a_run_warns_that_overlap_with_its_teacher_was_not_checked(
    toy_catalog: Catalog, taught: Path, cstat: Callable[..., Plan], tmp_path: Path
) -> None:
    other = Path(shutil.copytree(taught, tmp_path / "other"))
    record: Any = read_record(find_record(other))
    find_record(other).unlink()
    plan = {**record["plan"], "dataset": "elsewhere"}
    track = {**record["track"], "dataset": "elsewhere"}
    write_record(other, add_checksum({**record, "plan": plan, "digest": digest_of(plan), "track": track}))
    warned: list[str] = []
    reporter = Silent()
    reporter.warn = warned.append  # type: ignore[method-assign]
    own = cstat()
    where: Any = {
        "data": None,
        "out": tmp_path / "run",
        "cache": tmp_path / "cache",
        "extra": ExtraPaths(teacher=other),
    }
    notes = run(own, toy_catalog, RunContext(reporter=reporter, **where)).record["notes"]
    sentence = (
        f"the teacher {own.teacher} was trained on 'elsewhere'; overlap with this run's test clips was not checked"
    )
    assert sentence in notes and sentence in warned
    assert "notes" not in go(toy_catalog, own, tmp_path / "two", tmp_path / "cache", taught).record


def test_the_mean_of_two_runs_is_no_teacher(toy_catalog: Catalog, tmp_path: Path) -> None:
    parts = [digest_of({**PLAN, "modality": stream}) for stream in ("rgb", "flow")]
    record = make_record(modality="rgb+flow", more={"fused": parts})
    write_record(tmp_path / record["digest"], record)
    with pytest.raises(ElrError, match="is the mean of two runs and has no network; pass --teacher ") as caught:
        teacher_name(tmp_path / record["digest"])
    assert str(caught.value).endswith(f"pass --teacher {tmp_path / parts[0]} or {tmp_path / parts[1]}")


def test_a_folder_without_its_weights_or_run(
    toy_catalog: Catalog, taught: Path, cstat: Callable[..., Plan], tmp_path: Path
) -> None:
    with pytest.raises(ElrError, match="the run folder .* does not exist"):
        teacher_name(tmp_path / "nowhere")
    with pytest.raises(ElrError, match="holds 0 run records"):
        teacher_name(tmp_path)
    bare = tmp_path / "bare"
    shutil.copytree(taught, bare)
    (bare / WEIGHTS).write_bytes(b"noise")
    assert "cannot be read" in refusal(toy_catalog, bare, cstat(teacher=teacher_name(bare)))
    assert "the plan's teacher teacher@" in refusal(toy_catalog, bare, cstat())
    (bare / WEIGHTS).unlink()
    with pytest.raises(ElrError, match=f"holds a record but no {WEIGHTS}; run its plan again"):
        teacher_name(bare)
    with pytest.raises(ElrError, match="--teacher DIR"):
        load_teacher(None, cstat(), components_of(toy_catalog, cstat()), toy_catalog)


@pytest.mark.parametrize("method", ["supervised", "teacher"])
def test_a_method_that_trains_no_teacher_takes_none(toy_catalog: Catalog, taught: Path, method: str) -> None:
    with pytest.raises(ElrError, match=f"method '{method}' does not use a trained teacher; remove --teacher"):
        planned(toy_catalog, method, teacher=teacher_name(taught))


def test_a_row_that_trains_no_teacher_is_refused_before_it_trains(toy_catalog: Catalog, taught: Path) -> None:
    with pytest.raises(ElrError, match=r"^method 'stat:student' .*student alone.*'teacher@\w+'; remove --teacher$"):
        planned(toy_catalog, "stat:student", teacher=teacher_name(taught))


def test_a_teacher_that_fit_did_not_take_is_told(toy_catalog: Catalog, taught: Path, tmp_path: Path) -> None:
    """A plugin's method may declare that it takes an external teacher, and not take it."""
    plan = planned(toy_catalog, "cstat:student", "method.joint_epochs=1")
    plan = dataclasses.replace(plan, teacher=teacher_name(taught))
    with pytest.raises(ElrError, match="'cstat:student' did not use the teacher"):
        go(toy_catalog, plan, tmp_path / "run", tmp_path / "cache", taught)


# -- into a module


class Net(nn.Module):
    """Backbone and head of a recognizer."""

    def __init__(self, head: bool, width: int = 4) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, width, 1), nn.BatchNorm2d(width), nn.Dropout(0.5))
        self.head = nn.Linear(width, 2) if head else nn.Identity()


def given(net: nn.Module) -> ExternalTeacher:
    return ExternalTeacher(name="t@0", state={name: value.clone() for name, value in net.state_dict().items()})


def test_frozen_submodules_stay_in_eval_mode_and_the_others_train() -> None:
    net = Net(head=True)
    assert not given(Net(head=False)).load_into(net)
    train_except_frozen(net)
    assert not net.backbone.training and not net.backbone[2].training and net.head.training and net.training
    assert {name for name, parameter in net.named_parameters() if parameter.requires_grad} == {
        "head.weight", "head.bias",
    }  # fmt: skip
    train_except_frozen(fresh := Net(head=True))
    assert all(part.training for part in fresh.modules())
    whole = Net(head=True)
    assert given(Net(head=True)).load_into(whole)
    assert not any(parameter.requires_grad for parameter in whole.parameters())


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        (Net(head=True), "head.weight is 2x4, expected absent"),
        (Net(head=False, width=8), "backbone.0.weight is 8x3x1x1, expected 4x3x1x1"),
        (nn.Identity(), "backbone.0.weight is absent, expected 4x3x1x1"),
    ],
)
def test_another_structure_is_named(theirs: nn.Module, message: str) -> None:
    net = Net(head=False)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(ElrError, match=f"the teacher t@0 .*{message}.*--teacher"):
        given(theirs).load_into(net)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_half_a_head_is_another_structure() -> None:
    state = {name: value for name, value in Net(head=True).state_dict().items() if name != "head.bias"}
    with pytest.raises(ElrError, match="head.bias is absent, expected 2"):
        ExternalTeacher(name="t@0", state=state).load_into(Net(head=True))


# -- in tables


def taught_by(teacher: str, recipe: str, **fields: Any) -> dict[str, Any]:
    more = {"teacher": {"name": teacher, "run": teacher[-4:], "recipe": recipe}}
    return make_record(bits(*range(9)), teacher=teacher, folds=("1", "2"), more=more, **fields)


def test_folds_and_seeds_with_teachers_of_one_recipe_are_one_row() -> None:
    records = [
        taught_by(f"teacher@{seed}{fold}aa", "same", seed=seed, fold=fold) for seed in (0, 1) for fold in ("1", "2")
    ]
    (row,) = group_rows(records)
    assert row.seeds == (0, 1)
    assert len(group_rows([*records, taught_by("teacher@ffff", "other", seed=2, fold="1")])) == 2


def test_one_seed_with_two_teachers_of_one_recipe_is_two_rows() -> None:
    rows = group_rows([taught_by(f"teacher@{number}", "same", seed=0, fold="1") for number in (1, 2)])
    assert sorted(row.first["plan"]["teacher"] for row in rows) == ["teacher@1", "teacher@2"]


def test_other_clips_beside_the_dataset_are_another_row() -> None:
    told = {"name": "videos:k", "clips": 3, "tested": 0, "bad": []}
    records = [
        make_record(bits(1), seed=seed, unlabelled="videos:k", more={"unlabelled": {**told, "manifest": manifest}})
        for seed, manifest in enumerate(("a", "a", "b"))
    ]
    assert [row.seeds for row in group_rows(records)] == [(0, 1), (2,)]
    line = RankedRow(row=group_rows(records)[0], score=None, gain=None, costs=())
    assert names(line)["method"] == "mine (unlabelled: videos:k)"
