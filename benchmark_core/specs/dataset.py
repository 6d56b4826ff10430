"""The spec of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from benchmark_core.errors import ElrError, unknown
from benchmark_core.specs.field_types import check_fields
from benchmark_core.specs.option import Value
from benchmark_core.specs.spec import NOTHING, Spec
from benchmark_core.specs.target import Target

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark_core.specs.index import Index

METRICS: Mapping[str, tuple[str, ...]] = {  # the scores of each task, see `benchmark_core.scoring`
    "single-label": ("top1", "top5", "pair_auc"),
    "multi-label": ("f1_macro", "f1_micro", "f1_samples", "f1_macro_logit0.5", "f1_samples_logit0.5", "map"),
}


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A division into training and test clips. Each fold is a run of its own; tables combine the folds.

    pooled: scores are computed over the test clips of all folds together (leave-one-out), not averaged over folds.
    optional: its lists are not in every copy of the dataset; `data verify` checks them if they can be read.
    """

    summary: str
    folds: tuple[str, ...]
    pooled: bool = False
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(Spec):
    """A set of clips, usually labelled.

    classes: names in the order of their class numbers; empty for a set of unlabelled clips.
    protocols: name -> protocol; the first is the default.
    index: `index(root, protocol, options) -> Index`; reads lists, decodes nothing. `root` is None for drawn clips.
    metric: score that tables rank by: "top1" (default), "top5" or "pair_auc" if single-label, "f1_macro" (default),
        another F1 or "map" if multi-label. With "pair_auc", test clips may have other classes than training clips:
        class numbers only tell which clips of a part are of one class.
    degradation: the default degradation.
    natively_low: clips are recorded at extreme low resolution.
    recorded_size: (h, w) of all natively low clips; None if they differ in size.
    folder: name of its folder under ELRBENCH_DATA; by default the dataset's name.
    layout: what the folder contains, for `data info` and errors. A dataset without layout is drawn by code.
    where: where its authors offer it, for `data info`.
    counts: protocol -> fold -> (training clips, test clips) as published by its authors; `data verify` compares them.
    answer: `answer(ids, logits (N, C)) -> str`, the submission file of a challenge whose test labels are not public.
    shared_clips: what a run does if a training clip has the content of a test clip: "warn" (official lists contain such
        clips) or "fail"; `--shared-clips` overrides it.
    window_scores: `window_scores(logits, targets) -> {name: Score}`, further scores of runs on windows. logits: (K, C)
        per clip, of its windows that repeat no frame.
    at: only for a template such as `folder:PATH`: `at(path) -> DatasetSpec`, which reads the classes from disk.
    """

    kind: ClassVar[str] = "dataset"
    classes: tuple[str, ...]
    protocols: Mapping[str, Protocol]
    index: Target
    task: Literal["single-label", "multi-label"] = "single-label"
    metric: str = ""
    degradation: str = "average-12x16"
    natively_low: bool = False
    recorded_size: tuple[int, int] | None = None
    folder: str = ""
    layout: str = ""
    where: str = ""
    counts: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=lambda: NOTHING)
    answer: Target | None = None
    shared_clips: Literal["warn", "fail"] = "warn"
    window_scores: Target | None = None
    at: Target | None = None

    def __post_init__(self) -> None:
        """Raise ElrError if a class is listed twice, or the task does not have the metric."""
        Spec.__post_init__(self)
        for name, protocol in self.protocols.items():
            check_fields(f"dataset '{self.name}', protocol '{name}'", protocol)
        if len(set(self.classes)) != len(self.classes):
            twice = next(name for name in self.classes if self.classes.count(name) > 1)
            raise ElrError(f"dataset '{self.name}': class '{twice}' is listed twice")
        if self.task not in METRICS:
            raise unknown(f"task of dataset '{self.name}'", self.task, METRICS)
        if self.shared_clips not in ("warn", "fail"):
            raise unknown(f"value of shared_clips of dataset '{self.name}'", self.shared_clips, ("warn", "fail"))
        if not self.metric:
            object.__setattr__(self, "metric", METRICS[self.task][0])
        if self.metric not in METRICS[self.task]:
            raise unknown(f"metric of dataset '{self.name}', which is {self.task}:", self.metric, METRICS[self.task])

    @property
    def default_protocol(self) -> str:
        """The first protocol."""
        return next(iter(self.protocols))

    @property
    def embedded(self) -> bool:
        """Whether clips are drawn by code, so that the dataset needs no folder: it has no `layout`."""
        return not self.layout

    @property
    def unlabelled(self) -> bool:
        """Whether it is a set of unlabelled clips: extra training data for a labelled dataset, never scored."""
        return not self.classes and self.at is None

    def named(self, text: str) -> bool:
        """Return whether `text` is its name, with variants or without."""
        base, _, variants = text.partition(":")
        return text == self.name or (base == self.name and set(variants.split("+")) <= set(self.variants))

    def at_folder(self, path: Path) -> DatasetSpec:
        """Return the dataset of a template at `path`, named TEMPLATE:FOLDER."""
        assert self.at is not None
        return replace(self.returned("at", self.load(self.at)(path), DatasetSpec), plugin=self.plugin)

    def read_index(self, root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
        """Return the clips and folds under `root`. Raises ElrError if the plugin returns something else."""
        from benchmark_core.specs.index import Fold, Index

        index = self.returned("index", self.load(self.index)(root, protocol, options), Index)
        check_fields(f"{self}, index", index)
        for name, fold in index.folds.items():
            check_fields(f"{self}, index, fold '{name}'", self.returned(f"index, fold '{name}',", fold, Fold))
        return index
