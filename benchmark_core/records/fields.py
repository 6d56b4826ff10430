"""What a run record holds, field by field (schema 1): what was asked for, what came out, and with what."""

from __future__ import annotations

from typing import Any, Literal, TypedDict


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


class PluginFields(TypedDict):
    """The component of one kind, and who brought it."""

    name: str
    plugin: str
    distribution: str
    version: str


class ExtraSetFields(TypedDict):
    """Clips of another set that training read. `manifest`: of their ids, labels and contents.

    tested: how many were left out because the run is tested on them. bad: those that could not be read.
    """

    name: str
    clips: int
    manifest: str
    tested: int
    bad: list[str]


class TeacherFields(TypedDict):
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
    plugins: dict[str, PluginFields]
    timings: dict[str, float]
    structure: str
    predictions: PredictionsFile
    finished: str
    seal: str


class RunRecord(_RunRecord, total=False):
    """`hits`: packed, clips sorted by id; null for multi-label.

    decisions: multi-label, what the primary F1 is of, so that a record alone supports paired intervals of it.
    notes: sentences that training left, where it left any: what a reader of the score should know of.
    fused: digests of the runs whose probabilities were averaged, one for each modality of the plan.
    unlabelled, high_source, teacher: what training read beside the plan's dataset, where the plan names any.
    """

    decisions: DecisionsFields
    fused: list[str]
    notes: list[str]
    unlabelled: ExtraSetFields
    high_source: ExtraSetFields
    teacher: TeacherFields
