"""Checks of a dataset: classes, protocols, lists of clips, one decoded clip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark_core.catalog import Catalog
from benchmark_core.clips.decode import decode
from benchmark_core.specs import DatasetSpec, defaults
from benchmark_core.specs.index import Index
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
