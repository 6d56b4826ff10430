"""The record of one finished run (schema 1): what was asked for, what came out, and with what."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict, cast

from benchmark_core.clips.modality import streams
from benchmark_core.errors import ElrError
from benchmark_core.names import file_name
from benchmark_core.plans.plan import digest_of
from benchmark_core.records.conform import conform
from benchmark_core.records.sealed import read_json, read_sealed, seal, write_sealed
from benchmark_core.scoring.f1 import THRESHOLDS, Decisions
from benchmark_core.scoring.hits import unpack_hits, unpack_rows
from benchmark_core.scoring.statistics import Hits

__all__ = [
    "RunRecord",
    "check_record",
    "decisions_of",
    "find_record",
    "hits_of",
    "read_record",
    "record_name",
    "seal",
    "write_record",
]


class _PlanFields(TypedDict):
    method: str
    dataset: str
    protocol: str
    fold: str
    degradation: str
    high_source: str
    enhancer: str
    backbone: str
    weights: str
    modality: str
    size: list[int]  # [H, W]
    sampling: str
    precision: str
    budget: str
    seed: int
    settings: dict[str, Any]


class PlanFields(_PlanFields, total=False):
    """`Plan.to_json()`. classes: those that the run is restricted to, where it does not have them all.

    unlabelled: the pool's name, teacher: METHOD@DIGEST of the one given, where there is any. holdout: the share of the
    training clips that it was tested on, instead of test clips.
    """

    classes: list[str]
    unlabelled: str
    teacher: str
    holdout: float


class _Track(TypedDict):
    dataset: str
    protocol: str
    folds: list[str]
    degradation: str
    task: Literal["single-label", "multi-label"]


class Track(_Track, total=False):
    """What may be compared. `folds`: all folds of the protocol, of which the run is one.

    pooled: folds' scores are weighted by their clips (leave-one-out); by default folds count alike.
    """

    pooled: bool


class ScoreFields(TypedDict):
    """A fraction, its 95 % interval, the clips it was taken over."""

    value: float
    low: float
    high: float
    n: int
    interval: str


class PerClassFields(TypedDict):
    """Recall or F1 of each class; null where that is 0/0."""

    classes: list[str]
    n: list[int]
    value: list[float | None]


class DecisionsFields(TypedDict):
    """What was predicted where logits are above `threshold`, and what is true: packed bits, class after class.

    Each class's clips, sorted by id, are packed as `hits` are, its last byte padded with zeros.
    """

    threshold: float
    predicted: str
    truth: str


class Clips(TypedDict):
    """How many clips trained and tested, which could not be read, how many were shorter than the view."""

    train: int
    test: int
    bad: list[str]
    padded: int


class Dataset(TypedDict):
    """`manifest` is `Index.digest()`: equal manifests list equal clips, targets and folds."""

    manifest: str
    classes: int


class Stage(TypedDict):
    """A fitted piece; `seconds` is what fitting took, also where it was reused."""

    name: str
    key: str
    reused: bool
    seconds: float


class Owner(TypedDict):
    """The component of one kind, and who brought it."""

    name: str
    plugin: str
    distribution: str
    version: str


class Beside(TypedDict):
    """Clips of another set that training read. `manifest`: of their ids, labels and contents.

    tested: how many were left out because the run is tested on them. bad: those that could not be read.
    """

    name: str
    clips: int
    manifest: str
    tested: int
    bad: list[str]


class GivenTeacher(TypedDict):
    """The fitted teacher: as the plan names it, the digest of the plan that it was run by, and that of its plan without
    seed and fold.
    """

    name: str
    run: str
    recipe: str


class PredictionsFile(TypedDict):
    """The file beside the record."""

    file: str
    sha256: str


class _RunRecord(TypedDict):
    schema: int
    kind: Literal["run"]
    digest: str
    plan: PlanFields
    changed: list[str]
    track: Track
    privileged: bool
    control: bool
    primary: str
    scores: dict[str, ScoreFields]
    per_class: PerClassFields
    hits: str | None
    clips: Clips
    dataset: Dataset
    initialisation: str
    updates: dict[str, int]
    stages: list[Stage]
    device: str
    versions: dict[str, str]
    plugins: dict[str, Owner]
    timings: dict[str, float]
    structure: str
    predictions: PredictionsFile
    finished: str
    seal: str


class RunRecord(_RunRecord, total=False):
    """See the module. `hits`: packed, clips sorted by id; null for multi-label.

    decisions: multi-label, what the primary F1 is of, so that a record alone supports paired intervals of it.
    notes: sentences that training left, where it left any: what a reader of the score should know of.
    fused: digests of the runs whose probabilities were averaged, one for each modality of the plan.
    unlabelled, high_source, teacher: what training read beside the plan's dataset, where the plan names any.
    """

    decisions: DecisionsFields
    fused: list[str]
    notes: list[str]
    unlabelled: Beside
    high_source: Beside
    teacher: GivenTeacher


def record_name(record: Mapping[str, Any]) -> str:
    """METHOD-DIGEST.json"""
    return f"{file_name(record['plan']['method'])}-{record['digest']}.json"


def write_record(folder: Path, record: Mapping[str, Any]) -> Path:
    """Checks, seals and writes METHOD-DIGEST.json in `folder`, whole or not at all; ElrError naming what is wrong."""
    check_record(seal(record))
    return write_sealed(folder / record_name(record), record)


def find_record(run_folder: Path) -> Path:
    """The run record in a run folder. ElrError where there is no such folder, or it holds none or several."""
    if not run_folder.is_dir():
        raise ElrError(f"there is no run folder {run_folder}; name the folder that 'elrbench run' left")
    contents = {path: read_json(path) for path in sorted(run_folder.glob("*.json"))}
    runs = [path for path, content in contents.items() if isinstance(content, dict) and content.get("kind") == "run"]
    if len(runs) != 1:
        raise ElrError(f"{run_folder} holds {len(runs)} run records, not one; name the folder of one finished run")
    return runs[0]


def part_folder(run_folder: Path, digest: str, part: str) -> Path:
    """Where the run `part` lies, one of those that the run `digest` in `run_folder` fuses.

    Beside it, as runs lie by their digests; in it, where it was given another name.
    """
    return (run_folder.parent if run_folder.name == digest else run_folder) / part


def read_record(path: Path) -> RunRecord:
    """The run record in `path`; ElrError of one line that names the file and what is wrong with it."""
    record = read_sealed(path, "run", RunRecord)
    try:
        return check_record(record)
    except ElrError as error:
        raise ElrError(f"{path}: {error}") from error


def check_record(plain: Mapping[str, Any]) -> RunRecord:
    """`plain` as a record: shape first, then that its parts agree. ElrError naming the first that does not."""
    conform(plain, RunRecord)
    record = cast(RunRecord, plain)
    plan, track, per_class = record["plan"], record["track"], record["per_class"]
    if record["digest"] != digest_of(plan):
        raise ElrError(f"'digest' is {record['digest']}, but its plan's is {digest_of(plan)}")
    if plan["fold"] not in track["folds"]:
        raise ElrError(f"'plan.fold' is '{plan['fold']}', which 'track.folds' does not list")
    if record["primary"] not in record["scores"]:
        raise ElrError(f"'primary' is '{record['primary']}', which 'scores' does not hold")
    for name, score in record["scores"].items():
        if not all(0 <= fraction <= 1 for fraction in (score["value"], score["low"], score["high"])):
            raise ElrError(f"'scores.{name}' is not a fraction with an interval in [0, 1]")
    classes = record["dataset"]["classes"]
    if not len(per_class["classes"]) == len(per_class["n"]) == len(per_class["value"]) == classes:
        raise ElrError(f"'per_class' is not of the {classes} classes of the dataset")
    due = [digest_of({**plan, "modality": stream}) for stream in streams(plan["modality"])]
    if record.get("fused", []) != (due if len(due) > 1 else []):
        raise ElrError(f"'fused' is not of the runs of modality {plan['modality']}, which are {', '.join(due)}")
    if record["hits"] is not None:
        hits_of(record)
    if "decisions" in record:
        _check_decisions(record)
    return record


def _check_decisions(record: RunRecord) -> None:
    """That they are what the primary score is of."""
    primary, found = record["primary"], decisions_of(record)
    if record["hits"] is not None or record["decisions"]["threshold"] != THRESHOLDS.get(primary):
        raise ElrError(f"'decisions' are not those that '{primary}' of a {record['track']['task']} task is of")
    value, due = found.value(primary), record["scores"][primary]["value"]
    if not math.isclose(value, due, abs_tol=1e-9):
        raise ElrError(f"'decisions' make {primary} {value:.6g}, and 'scores' says {due:.6g}; run its plan again")
    if found.truth.sum(axis=0).tolist() != record["per_class"]["n"]:
        raise ElrError("'decisions' have other clips of some class than 'per_class.n'; run its plan again")


def hits_of(record: RunRecord) -> Hits:
    """Which test clips were right, sorted by id: bool (N,). ElrError where the task has no hits."""
    if record["hits"] is None:
        raise ElrError(f"{record['digest']} is {record['track']['task']} and has no hits; compare its intervals")
    return unpack_hits(record["hits"], record["scores"][record["primary"]]["n"])


def decisions_of(record: RunRecord) -> Decisions:
    """What was decided of each test clip and class, clips sorted by id. ElrError where the record does not say."""
    if "decisions" not in record:
        raise ElrError(f"{record['digest']} is {record['track']['task']} and holds no decisions; compare its intervals")
    n, classes = record["scores"][record["primary"]]["n"], record["dataset"]["classes"]
    packed = record["decisions"]
    truth, predicted = (unpack_rows(packed[key], classes, n).T for key in ("truth", "predicted"))
    return Decisions(truth, predicted)


def clips_of(record: RunRecord) -> str:
    """Which clips a record trained and tested on: the manifest, and the digest of what was left out of it."""
    manifest, bad = record["dataset"]["manifest"], sorted(record["clips"]["bad"])
    return f"{manifest} less {len(bad)} ({digest_of(bad)[:8]})" if bad else manifest
