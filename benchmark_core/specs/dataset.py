"""What a dataset says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from benchmark_core.errors import ElrError, unknown
from benchmark_core.specs.option import Value
from benchmark_core.specs.spec import NOTHING, Spec
from benchmark_core.specs.target import Target

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark_core.specs.index import Index

METRICS: Mapping[str, tuple[str, ...]] = {  # scores that clips of a task have, as `benchmark_core.scoring` makes them
    "single-label": ("top1", "top5"),
    "multi-label": ("f1_macro", "f1_micro", "f1_samples", "f1_macro_logit0.5", "f1_samples_logit0.5", "map"),
}


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Which clips train and which test. `folds` are run one by one; tables fold them together."""

    summary: str
    folds: tuple[str, ...]
    pooled: bool = False  # leave-one-out scores are pooled over clips; overlapping splits are averaged


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(Spec):
    """A labelled set of clips.

    index: `index(root, protocol, options) -> Index`; reads lists, decodes nothing; `root` is None for an embedded set.
    metric: what tables rank by: "top1" or "top5" of single labels, an F1 or "map" of several. By default "top1" and
        "f1_macro".
    natively_low: clips are recorded at extreme low resolution and differ in size.
    embedded: drawn by code; needs no folder. folder: where it lies under ELRBENCH_DATA, its name by default.
    counts: protocol -> fold -> (training clips, test clips) as its authors publish them; `data verify` compares.
    answer: `answer(ids, logits (N, C)) -> str`, the submission file of a challenge whose test clips have no labels.
    at: for a template such as `folder:PATH`: `at(path) -> DatasetSpec` of what lies there, classes read from disk.
    """

    kind: ClassVar[str] = "dataset"
    classes: tuple[str, ...]
    protocols: Mapping[str, Protocol]
    index: Target
    task: Literal["single-label", "multi-label"] = "single-label"
    metric: str = ""
    degradation: str = "average-12x16"
    natively_low: bool = False
    embedded: bool = False
    folder: str = ""
    layout: str = ""  # what lies under the folder, for `data info` and errors
    where: str = ""  # where its authors offer it, for `data info`
    counts: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=lambda: NOTHING)
    answer: Target | None = None
    at: Target | None = None

    def __post_init__(self) -> None:
        """ElrError also where classes repeat themselves, or clips of that task have no such score."""
        Spec.__post_init__(self)
        if len(set(self.classes)) != len(self.classes):
            twice = next(name for name in self.classes if self.classes.count(name) > 1)
            raise ElrError(f"dataset '{self.name}': class '{twice}' is listed twice")
        if self.task not in METRICS:
            raise unknown(f"task of dataset '{self.name}'", self.task, METRICS)
        if not self.metric:
            object.__setattr__(self, "metric", METRICS[self.task][0])
        if self.metric not in METRICS[self.task]:
            raise unknown(f"metric of dataset '{self.name}', which is {self.task}:", self.metric, METRICS[self.task])

    @property
    def default_protocol(self) -> str:
        """The first one declared."""
        return next(iter(self.protocols))

    @property
    def unlabelled(self) -> bool:
        """Whether it is a pool: clips without classes, which train beside a labelled set and are never scored."""
        return not self.classes and self.at is None

    def place(self, path: Path) -> DatasetSpec:
        """The dataset that a template stands for at `path`; its name is the template's, a colon and the folder's."""
        assert self.at is not None
        placed: DatasetSpec = self.load(self.at)(path)
        return placed

    def read_index(self, root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
        """The clips and folds under `root`."""
        index: Index = self.load(self.index)(root, protocol, options)
        return index
