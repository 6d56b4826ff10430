"""A finished run on high views as the teacher of other runs: found, held against their plan, and loaded.

A run whose weights others start from is held against the same clips.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from benchmark_core.canonical import digest_of
from benchmark_core.catalog import Catalog
from benchmark_core.clips.view_plan import view_plan
from benchmark_core.errors import ElrError
from benchmark_core.names import ComponentName
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import with_options
from benchmark_core.provenance import file_digest
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.record import find_record, part_folder, read_record
from benchmark_core.runs.loaded_run import WEIGHTS
from benchmark_core.specs import DegradationSpec, defaults
from benchmark_core.training.external_teacher import ExternalTeacher
from benchmark_core.weights_file import WeightsFile


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """The network, as training takes it, and the record of the run that left it."""

    network: ExternalTeacher
    record: RunRecord

    def to_json(self) -> dict[str, Any]:
        """What the record of a run that it taught says of it. run: its plan's digest. recipe: of its plan but seed and
        fold, so that runs over seeds and folds, each with a teacher of its own, are one row.
        """
        plan = {key: value for key, value in self.record["plan"].items() if key not in ("seed", "fold")}
        return {"name": self.network.name, "run": self.record["digest"], "recipe": digest_of(plan)}

    def check_lists(self, plan: Plan, components: Components, manifest: str) -> None:
        """ElrError where it was trained on the plan's dataset, of other clips: some might be tested on here."""
        _check_lists(f"the teacher {self.network.name}", self.record, plan, components, manifest)


def teacher_name(folder: Path) -> str:
    """METHOD@DIGEST of the run in `folder`, the first 16 hex digits of its weights' sha256, as plans have it.

    ElrError where there is no run, it is the mean of two, or its weights are gone.
    """
    record = read_record(find_record(folder))
    if fused := record.get("fused"):
        parts = " or ".join(str(part_folder(folder, record["digest"], part)) for part in fused)
        raise ElrError(f"--teacher {folder} is the mean of two runs and has no network of its own; give {parts}")
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise ElrError(f"--teacher {folder} holds a record but no {WEIGHTS}; run its plan again")
    return f"{record['plan']['method']}@{file_digest(weights)[:16]}"


def load_teacher(folder: Path | None, plan: Plan, components: Components, catalog: Catalog) -> Teacher | None:
    """The teacher that `plan` names; None where it names none.

    Raises ElrError where `folder` is not told or holds another one, or where its run is none on high views, tells other
    classes apart, sees other views by another network, or was trained on another fold of the plan's dataset.
    """
    if not plan.teacher:
        return None
    if folder is None:
        raise ElrError(f"the plan's teacher is {plan.teacher}: give --teacher RUNFOLDER, the run that left it")
    name = teacher_name(folder)
    if name != plan.teacher:
        raise ElrError(f"the plan's teacher is {plan.teacher}, and {folder} holds {name}; give the former's folder")
    record = read_record(find_record(folder))
    check_teacher(f"--teacher {folder}", record, plan, components, catalog)
    try:
        state = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ElrError(f"the weights {folder / WEIGHTS} cannot be read ({error}); run its plan again") from error
    return Teacher(network=ExternalTeacher(name=name, state=state), record=record)


def check_teacher(where: str, record: RunRecord, plan: Plan, components: Components, catalog: Catalog) -> None:
    """Holds the run of `record` against `plan`; ElrError at the first thing that differs, which begins with `where`."""
    theirs = Plan.from_json(record["plan"])
    if not record["privileged"]:
        raise ElrError(
            f"{where} is a run of '{theirs.method}', whose network sees low views; a teacher sees high ones: give a "
            "run of a method that is scored on them"
        )
    _check_classes(where, tuple(record["per_class"]["classes"]), components.dataset.classes)
    usual = defaults(components.backbone)
    pairs = {
        "task": (record["track"]["task"], components.dataset.task),
        "backbone": (theirs.backbone, plan.backbone),
        "backbone options": (usual | theirs.options("backbone"), usual | plan.options("backbone")),
        "modality": (theirs.modality, plan.modality),
        "size": ("x".join(map(str, theirs.size)), "x".join(map(str, plan.size))),
        "sampling": (theirs.sampling, plan.sampling),
        "aspect of high views": (_aspect(theirs, catalog), _aspect(plan, catalog)),
    }
    for what, (given, due) in pairs.items():
        if given != due:
            raise ElrError(f"{where} is a teacher of another {what}: {given}, where this plan has {due}")
    _check_fold(where, theirs, plan, components, "a teacher")


def check_start(plan: Plan, components: Components, manifest: str) -> None:
    """ElrError where the plan's weights are those in a run's folder, and that run may have seen clips tested on here.

    manifest: of the plan's dataset. A file that was moved out of its run folder is no run's any more.
    """
    file, record = _start(plan, components)
    if record is None:
        return
    where = f"--weights {file}"
    _check_fold(where, Plan.from_json(record["plan"]), plan, components, "weights")
    _check_lists(where, record, plan, components, manifest)


def untold(plan: Plan, components: Components, teacher: Teacher | None) -> tuple[str, ...]:
    """A sentence for each run that lends this one a network and was trained on another dataset.

    Sets may share videos under other names, as JHMDB's are of HMDB51, so nothing here tells whether it is clean.
    """
    lent = {
        "the teacher": (plan.teacher, teacher.record if teacher else None),
        "the run behind the weights": (plan.weights, _start(plan, components)[1]),
    }
    return tuple(
        f"{what} {name} was trained on '{record['plan']['dataset']}': whether it has seen clips that are tested on "
        "here cannot be told"
        for what, (name, record) in lent.items()
        if record is not None and not _same_dataset(Plan.from_json(record["plan"]), plan, components)
    )


def _start(plan: Plan, components: Components) -> tuple[Path | None, RunRecord | None]:
    """The file of weights that the plan starts from, and the run that left it there."""
    file = components.backbone.weights.get(plan.weights)
    if not isinstance(file, WeightsFile) or file.path.name != WEIGHTS:
        return None, None
    try:
        return file.path, read_record(find_record(file.path.parent))
    except ElrError:
        return file.path, None


def _same_dataset(theirs: Plan, plan: Plan, components: Components) -> bool:
    """Whatever its variants; but two folders of one template, `folder:a` and `folder:b`, are two datasets."""
    return theirs.dataset == plan.dataset or ComponentName.parse(theirs.dataset).base == components.dataset.name


def _check_fold(where: str, theirs: Plan, plan: Plan, components: Components, what: str) -> None:
    if not _same_dataset(theirs, plan, components):
        return
    if (theirs.protocol, theirs.fold) != (plan.protocol, plan.fold):
        raise ElrError(
            f"{where} was trained on fold {theirs.fold} of {theirs.protocol}, which holds clips that fold "
            f"{plan.fold} of {plan.protocol} tests on; give {what} of this fold"
        )
    if theirs.holdout != plan.holdout:
        given, due = (f"--holdout {each.holdout}" if each.holdout else "no --holdout" for each in (theirs, plan))
        raise ElrError(f"{where} was trained with {given}, and this plan has {due}; give {what} trained likewise")


def _check_lists(where: str, record: RunRecord, plan: Plan, components: Components, manifest: str) -> None:
    theirs = record["dataset"]["manifest"]
    if _same_dataset(Plan.from_json(record["plan"]), plan, components) and theirs != manifest:
        raise ElrError(
            f"{where} was trained on '{record['plan']['dataset']}' when it listed other clips (manifest {theirs}, here "
            f"{manifest}), so it may have seen test clips; train it again on these lists"
        )


def _check_classes(where: str, given: tuple[str, ...], due: tuple[str, ...]) -> None:
    if given == due:
        return
    first, other = next((a, b) for a, b in zip_longest(given, due, fillvalue="nothing") if a != b)
    raise ElrError(
        f"{where} is a teacher checkpoint for other classes: it tells {len(given)} apart, and this plan {len(due)} "
        f"(first that differs: '{first}' where '{other}' is due)"
    )


def _aspect(plan: Plan, catalog: Catalog) -> str:
    """Of what is in view, height to width; "as recorded" on a native track and where its clips lend the high view."""
    spec, options = with_options(catalog, "degradation", plan.degradation)
    assert isinstance(spec, DegradationSpec)
    stock = view_plan(spec, options | plan.options("degradation"), size=plan.size)
    aspect = getattr(stock.high, "aspect", None)
    return "as recorded" if aspect is None else f"{aspect[0]}:{aspect[1]}"
