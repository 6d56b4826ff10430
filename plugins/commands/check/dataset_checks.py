"""Checks of a dataset: classes, protocols, lists of clips, one decoded clip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from benchmark_core.catalog import Catalog
from benchmark_core.clips.decode import decode
from benchmark_core.specs import DatasetSpec, Value, defaults
from benchmark_core.specs.index import Clip, Fold, Index
from elrbench_plugins.commands.check.assertions import CheckSkipped, require


def check_dataset(spec: DatasetSpec, catalog: Catalog, data: Mapping[str, Path], budget: str) -> Iterator[str]:
    """Check the classes, the lists of every protocol, that reading is repeatable, and one clip of the first protocol.

    A template such as `folder` is checked on its folder in `data`. Yields the name of each check before it is made.
    """
    if spec.at is not None:
        yield "its folder is given"
        if spec.name not in data:
            raise CheckSkipped("its folder is not known; pass --data DIR")
        spec = spec.at_folder(data[spec.name])
    yield "classes and protocols"
    unique = len(set(spec.classes)) == len(spec.classes)
    require(unique and (spec.unlabelled or bool(spec.classes)), "its class names repeat, or it has none")
    require(bool(spec.protocols), "it has no protocol")
    require(spec.degradation in catalog.degradations, f"its degradation '{spec.degradation}' is unknown")
    yield "lists clips"
    root = None if spec.embedded else data.get(spec.name.partition(":")[0])
    if root is None and not spec.embedded:
        raise CheckSkipped("its files are not here; pass --data DIR or set ELRBENCH_DATA")
    options = {**defaults(spec), **budget_options(spec, budget)}
    for protocol in spec.protocols:
        check_index(spec, protocol, spec.read_index(root, protocol, options))
    yield "lists the same clips twice"
    first = next(iter(spec.protocols))
    once, again = (spec.read_index(root, first, options) for _ in range(2))
    require(once.digest() == again.digest(), "reading the lists twice gives two different indices")
    yield "decodes a clip"
    chunk = next(iter(decode(once.clips[0].source)))
    require(len(chunk) > 0, f"clip '{once.clips[0].id}' has no frames")


def few_clips(spec: DatasetSpec, train: int, test: int) -> DatasetSpec:
    """Return the dataset with at most `train` training and `test` test clips in a fold, the classes taking turns.

    A template such as `folder` must be at its folder; the dataset has the template's name. Clips that are listed and
    not on disk are left out.
    """

    def index(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
        whole = spec.read_index(root, protocol, options)
        folds = {
            name: Fold(
                train=_by_turns(whole.split(name, "train"), train), test=_by_turns(whole.split(name, "test"), test)
            )
            for name in whole.folds
        }
        kept = {clip for fold in folds.values() for clip in (*fold.train, *fold.test)}
        return Index(clips=tuple(clip for clip in whole.clips if clip.id in kept), folds=folds)

    return replace(spec, name=spec.name.partition(":")[0], at=None, index=index)


def _by_turns(clips: Sequence[Clip], most: int) -> tuple[str, ...]:
    """Return the ids of at most `most` clips: the first of each class in turn, then the second, and so on."""
    classes: dict[int | tuple[int, ...] | None, list[str]] = {}
    for clip in clips:
        classes.setdefault(clip.target, []).append(clip.id)
    return tuple([each for each in chain(*zip_longest(*classes.values())) if each is not None][:most])


def check_index(spec: DatasetSpec, protocol: str, index: Index) -> None:
    """Raise CheckFailed if ids repeat, folds are not those of the spec, parts overlap, or a label is out of range."""
    require(len(index.by_id) == len(index.clips), f"{protocol}: two clips have the same id")
    declared = set(spec.protocols[protocol].folds)
    require(set(index.folds) == declared, f"{protocol}: folds are {sorted(index.folds)}; declared: {sorted(declared)}")
    if spec.unlabelled:
        require(set(index.unlabelled) == set(index.by_id), f"{protocol}: a clip is not in its unlabelled set")
        return
    require(set(index.unlabelled) <= set(index.by_id), f"{protocol}: the unlabelled set names unknown clips")
    labels = {clip.id: clip.target for clip in index.clips if clip.target is not None}
    require(
        set(labels) == set(index.by_id) - set(index.unlabelled),
        f"{protocol}: unlabelled clips have labels",
    )
    targets = (target if isinstance(target, tuple) else (target,) for target in labels.values())
    wrong = {target for several in targets for target in several} - set(range(len(spec.classes)))
    require(
        not wrong, f"{protocol}: labels {sorted(wrong)[:3]} are not in the range of its {len(spec.classes)} classes"
    )
    for name, fold in index.folds.items():
        at = f"{protocol}, fold {name}"
        require(not set(fold.train) & set(fold.test), f"{at}: clips are in both the training and the test part")
        require(set(fold.train) | set(fold.test) <= set(index.by_id), f"{at}: unknown clip ids")
        require(bool(fold.train) and bool(fold.test), f"{at}: the training or the test part is empty")


def budget_options(spec: DatasetSpec, budget: str) -> dict[str, Any]:
    """Return the dataset's own options under a budget."""
    return {
        key.partition(".")[2]: value
        for key, value in spec.budgets.get(budget, {}).items()
        if key.startswith("dataset.")
    }
