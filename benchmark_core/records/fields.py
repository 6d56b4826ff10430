"""Fields of a run record (schema 1): its plan, its results, and the software that made them."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from benchmark_core.records.schema_check import Amount, Fraction, Positive, Sides, Whole


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
    size: Sides
    sampling: str
    precision: str
    budget: str
    seed: Whole
    settings: dict[str, Any]


class PlanFields(_PlanFields, total=False):
    """`Plan.to_json()`.

    Attributes:
        classes: classes of the run, if it is restricted to some.
        unlabelled: name of the set of unlabelled clips.
        teacher: METHOD@DIGEST of the external teacher.
        holdout: fraction of the training clips that the run was tested on, instead of test clips.
        teacher_backbone, teacher_weights, teacher_size: of the teacher's network, if they differ from the student's.
        teacher_frames: number of single frames of a view that the teacher sees, if they are not all.
        test_views: views of a test clip whose probabilities were averaged, such as `3+mirror`.
        processes: number of processes that trained together, if several.
        batch_norm: `sync` if batch normalisation used the clips of all processes.
        keep: `best` or `best-every-N` if epochs were chosen by the held-out clips that the score is of.
    """

    classes: list[str]
    unlabelled: str
    teacher: str
    holdout: Fraction
    teacher_backbone: str
    teacher_weights: str
    teacher_size: Sides
    teacher_frames: Positive
    test_views: str
    processes: Positive
    batch_norm: str
    keep: str


class _Track(TypedDict):
    dataset: str
    protocol: str
    folds: list[str]
    degradation: str
    task: Literal["single-label", "multi-label"]


class Track(_Track, total=False):
    """Runs of one track can be compared.

    Attributes:
        folds: all folds of the protocol; the run is one of them.
        pooled: scores of folds are weighted by their number of clips (leave-one-out). By default, weights are equal.
    """

    pooled: bool


class ScoreFields(TypedDict):
    """A score as a fraction, its 95 % interval, and its number of clips."""

    value: Fraction
    low: Fraction
    high: Fraction
    n: Positive
    interval: str


class PerClassFields(TypedDict):
    """Recall (single-label) or F1 (multi-label) of each class; null for 0/0."""

    classes: list[str]
    n: list[Whole]
    value: list[Fraction | None]


class DecisionsFields(TypedDict):
    """Predictions (logit above `threshold`) and labels as packed bits, one class after the other.

    The clips of each class are sorted by id and packed like `hits`; the last byte is padded with zeros.
    """

    threshold: float
    predicted: str
    truth: str


class GuessFields(TypedDict):
    """The scores of a guess that knows only a test clip's action, and its hits, packed like the record's."""

    scores: dict[str, ScoreFields]
    hits: str | None


class Clips(TypedDict):
    """Number of training and test clips, unreadable clips, and number of clips shorter than the view (padded)."""

    train: Whole
    test: Positive
    bad: list[str]
    padded: Whole


class Dataset(TypedDict):
    """`manifest` is `Index.digest()`: equal manifests have equal clips, targets and folds."""

    manifest: str
    classes: Positive


class StageFields(TypedDict):
    """A cached training result. `seconds` is its training time, also if it was reused."""

    name: str
    key: str
    reused: bool
    seconds: Amount


class PluginFields(TypedDict):
    """A component, with its plugin and distribution."""

    name: str
    plugin: str
    distribution: str
    version: str


class ExtraSetFields(TypedDict):
    """Clips of another set that training used.

    Attributes:
        manifest: digest of their ids, labels and contents.
        tested: number of clips left out because the run is tested on them.
        bad: clips that could not be read.
    """

    name: str
    clips: Whole
    manifest: str
    tested: Whole
    bad: list[str]


class TeacherFields(TypedDict):
    """The external teacher.

    Attributes:
        name: as in the plan.
        run: digest of its plan.
        recipe: digest of its plan without seed and fold.
    """

    name: str
    run: str
    recipe: str


class PredictionsFile(TypedDict):
    """The predictions file in the record's folder."""

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
    updates: dict[str, Whole]
    stages: list[StageFields]
    device: str
    versions: dict[str, str]
    plugins: dict[str, PluginFields]
    timings: dict[str, Amount]
    structure: str
    predictions: PredictionsFile
    finished: str
    seal: str


class RunRecord(_RunRecord, total=False):
    """The record of one finished run.

    Attributes:
        hits: packed bits, clips sorted by id; null for multi-label.
        privileged: whether the run was scored on high views (oracle).
        yardstick: whether the method is a yardstick, see `MethodSpec`; left out if it is not.
        own_controls, idea_options: as in `MethodSpec`, if the method names controls of its own.
        decisions: multi-label, predictions and labels of the primary F1, for paired intervals.
        notes: remarks of the training that a reader of the score should know.
        timings: seconds of the last process; `train_all_s` adds the seconds of its stages in earlier processes.
        window_scores: scores over the windows of clips, n of them; their logits are not stored.
        action_guess: what the names of the test clips' actions tell of the target, if the dataset names actions.
        fused: digests of the runs whose probabilities were averaged, one per modality of the plan.
        processor: generation and instruction set of the CPU; bits may differ between processors of one `device`.
        unlabelled, high_source, teacher: extra data that training used, if the plan names any.
        shared_clips: number of training clips that have the content of a test clip, if there are any.
    """

    decisions: DecisionsFields
    yardstick: bool
    own_controls: dict[str, str]
    idea_options: list[str]
    window_scores: dict[str, ScoreFields]
    action_guess: GuessFields
    fused: list[str]
    notes: list[str]
    processor: str
    unlabelled: ExtraSetFields
    high_source: ExtraSetFields
    teacher: TeacherFields
    shared_clips: Whole
