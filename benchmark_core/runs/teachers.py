"""Load a finished run on high views as the teacher of other runs, and check that it has seen no test clip.

The same check applies to a run whose weights another run starts from.
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
    """A trained network, and the record of the run that trained it."""

    network: ExternalTeacher
    record: RunRecord

    def to_json(self) -> dict[str, Any]:
        """Return the teacher's entry in a record. run: digest of its plan.

        recipe: digest of its plan without seed and fold, so that runs over seeds and folds share one table row.
        """
        plan = {key: value for key, value in self.record["plan"].items() if key not in ("seed", "fold")}
        return {"name": self.network.name, "run": self.record["digest"], "recipe": digest_of(plan)}

    def check_lists(self, plan: Plan, components: Components, manifest: str) -> None:
        """Raise ElrError if the teacher was trained on other lists of the plan's dataset: they may have test clips."""
        _check_lists(f"the teacher {self.network.name}", self.record, plan, components, manifest)


def teacher_name(folder: Path) -> str:
    """Return METHOD@DIGEST as plans hold it: the first 16 hex digits of the sha256 of the weights file in `folder`.

    ElrError if the folder holds no run, a fused run, or no weights.
    """
    record = read_record(find_record(folder))
    if fused := record.get("fused"):
        streams = " or ".join(str(part_folder(folder, record["digest"], stream)) for stream in fused)
        raise ElrError(f"--teacher {folder} is the mean of two runs and has no network; pass --teacher {streams}")
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise ElrError(f"--teacher {folder} holds a record but no {WEIGHTS}; run its plan again")
    return f"{record['plan']['method']}@{file_digest(weights)[:16]}"


def load_teacher(folder: Path | None, plan: Plan, components: Components, catalog: Catalog) -> Teacher | None:
    """Return the teacher that `plan` names; None if it names none.

    Raises ElrError if `folder` is None or holds another teacher, or if `check_teacher` refuses it.
    """
    if not plan.teacher:
        return None
    if folder is None:
        raise ElrError(f"the plan needs its teacher {plan.teacher}; pass its run folder: --teacher DIR")
    name = teacher_name(folder)
    if name != plan.teacher:
        raise ElrError(f"--teacher {folder} holds {name}; pass the run folder of the plan's teacher {plan.teacher}")
    record = read_record(find_record(folder))
    check_teacher(f"--teacher {folder}", record, plan, components, catalog)
    try:
        state = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ElrError(f"the weights {folder / WEIGHTS} cannot be read ({error}); run its plan again") from error
    return Teacher(network=ExternalTeacher(name=name, state=state), record=record)


def check_teacher(where: str, record: RunRecord, plan: Plan, components: Components, catalog: Catalog) -> None:
    """Raise ElrError if the run of `record` cannot teach in `plan`. The message begins with `where`.

    The teacher must see high views and have the classes, task and aspect of the plan, and the backbone, modality, size
    and sampling of the plan's teacher. If it was trained on the plan's dataset, fold and --holdout must be equal too.
    A 2D teacher of a 3D student may have been trained on intervals of one frame, as many as it sees here.
    """
    run = Plan.from_json(record["plan"])
    theirs, ours = run.of_teacher, plan.of_teacher
    if not record["privileged"]:
        raise ElrError(
            f"{where} is a run of '{theirs.method}', whose network sees low views, but a teacher sees high views; pass "
            "the run of a method that is scored on high views"
        )
    _check_classes(where, tuple(record["per_class"]["classes"]), components.dataset.classes)
    usual = defaults(components.of_teacher.backbone)
    pairs = {
        "task": (record["track"]["task"], components.dataset.task),
        "backbone": (theirs.backbone, ours.backbone),
        "backbone options": (usual | theirs.options("backbone"), usual | ours.options("backbone")),
        "modality": (theirs.modality, ours.modality),
        "size": ("x".join(map(str, theirs.size)), "x".join(map(str, ours.size))),
        "sampling": (theirs.sampling, ours.sampling),
        "aspect of high views": (_aspect(theirs, catalog), _aspect(plan, catalog)),
    }
    flags = {"backbone": "--teacher-backbone", "size": "--teacher-size"}
    for what, (found, expected) in pairs.items():
        if found != expected:
            whose = "the plan" if (ours.backbone, ours.size) == (plan.backbone, plan.size) else "the plan's teacher"
            change = f"{flags[what]} {found} or " if what in flags else ""
            raise ElrError(f"{where} has {what} {found}, but {whose} has {expected}; pass {change}another teacher")
    _check_fold(where, theirs, plan, components, "a teacher")


def check_start(plan: Plan, components: Components, manifest: str) -> None:
    """Raise ElrError if the plan starts from the weights of a run that may have seen test clips.

    manifest: digest of the dataset's index. A weights file that was moved out of its run folder is not checked.
    """
    file, record = _start(plan, components)
    if record is None:
        return
    where = f"--weights {file}"
    _check_fold(where, Plan.from_json(record["plan"]), plan, components, "weights")
    _check_lists(where, record, plan, components, manifest)


def unchecked_overlap(plan: Plan, components: Components, teacher: Teacher | None) -> tuple[str, ...]:
    """Return a sentence for each loaded network that was trained on another dataset.

    Datasets can share videos under other names, as JHMDB and HMDB51 do, so an overlap cannot be found by names.
    """
    loaded = {
        "the teacher": (plan.teacher, teacher.record if teacher else None),
        "the run of the weights": (plan.weights, _start(plan, components)[1]),
    }
    return tuple(
        f"{what} {name} was trained on '{record['plan']['dataset']}'; overlap with this run's test clips was not "
        "checked"
        for what, (name, record) in loaded.items()
        if record is not None and not _same_dataset(Plan.from_json(record["plan"]), plan, components)
    )


def _start(plan: Plan, components: Components) -> tuple[Path | None, RunRecord | None]:
    """Return the weights file that the plan starts from, and the record of its run; None if there is none."""
    file = components.backbone.weights.get(plan.weights)
    if not isinstance(file, WeightsFile) or file.path.name != WEIGHTS:
        return None, None
    try:
        return file.path, read_record(find_record(file.path.parent))
    except ElrError:
        return file.path, None


def _same_dataset(theirs: Plan, plan: Plan, components: Components) -> bool:
    """Compare datasets without variants. Two folders of one template, `folder:a` and `folder:b`, are two datasets."""
    return theirs.dataset == plan.dataset or components.dataset.named(theirs.dataset)


def _check_fold(where: str, theirs: Plan, plan: Plan, components: Components, what: str) -> None:
    if not _same_dataset(theirs, plan, components):
        return
    if (theirs.protocol, theirs.fold) != (plan.protocol, plan.fold):
        raise ElrError(
            f"{where} was trained on fold {theirs.fold} of {theirs.protocol}, which contains test clips of fold "
            f"{plan.fold} of {plan.protocol}; use {what} trained on fold {plan.fold}"
        )
    if theirs.holdout != plan.holdout:
        found, expected = (f"--holdout {each.holdout}" if each.holdout else "no --holdout" for each in (theirs, plan))
        raise ElrError(
            f"{where} was trained with {found}, but this plan has {expected}; use {what} trained with {expected}"
        )


def _check_lists(where: str, record: RunRecord, plan: Plan, components: Components, manifest: str) -> None:
    theirs = record["dataset"]["manifest"]
    if _same_dataset(Plan.from_json(record["plan"]), plan, components) and theirs != manifest:
        raise ElrError(
            f"{where} was trained on '{record['plan']['dataset']}' when it listed other clips (manifest {theirs}, here "
            f"{manifest}), so it may have seen test clips; train it again on the present lists"
        )


def _check_classes(where: str, found: tuple[str, ...], expected: tuple[str, ...]) -> None:
    if found == expected:
        return
    first, other = next((a, b) for a, b in zip_longest(found, expected, fillvalue="none") if a != b)
    raise ElrError(
        f"{where} has other classes than this plan: {len(found)} instead of {len(expected)} (first difference: "
        f"'{first}' instead of '{other}'); pass a teacher with the same classes"
    )


def _aspect(plan: Plan, catalog: Catalog) -> str:
    """Return HEIGHT:WIDTH of the visible region, "as recorded" if clips are taken whole."""
    spec, options = with_options(catalog, "degradation", plan.degradation)
    assert isinstance(spec, DegradationSpec)
    stored = view_plan(spec, options | plan.options("degradation"), size=plan.size)
    aspect = getattr(stored.high, "aspect", None)
    return "as recorded" if aspect is None else f"{aspect[0]}:{aspect[1]}"
