"""Restrict a dataset to some of its classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from benchmark_core.errors import ElrError, unknown
from benchmark_core.specs import NOTHING, DatasetSpec, Value
from benchmark_core.specs.index import Fold, Index

Targets: TypeAlias = int | tuple[int, ...] | None


def pick_classes(spec: DatasetSpec, requested: Sequence[str]) -> tuple[str, ...]:
    """Return the requested classes in the dataset's order, without duplicates; empty if they are all of its classes.

    Raises ElrError for a class that the dataset does not have, and if a single-label task would keep only one class.
    """
    for name in requested:
        if name not in spec.classes:
            raise unknown(f"class of dataset '{spec.name}'", name, spec.classes, f"elrbench data info {spec.name}")
    picked = tuple(name for name in spec.classes if name in set(requested))
    if len(picked) < (2 if spec.task == "single-label" else 1):
        left = f"only class '{picked[0]}'" if picked else "no class"
        raise ElrError(f"--classes selects {left} of dataset '{spec.name}'; pass two or more: --classes A,B")
    return () if picked == spec.classes else picked


def with_classes(spec: DatasetSpec, classes: tuple[str, ...]) -> DatasetSpec:
    """Return the dataset restricted to `classes`, or unchanged if empty. Official clip counts no longer apply."""
    if not classes:
        return spec
    return dataclasses.replace(spec, classes=classes, counts=NOTHING, index=_Restricted(spec, classes))


@dataclass(frozen=True)
class _Restricted:
    """The `index` of a restricted dataset."""

    whole: DatasetSpec
    classes: tuple[str, ...]

    def __call__(self, root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
        """Return the index of the whole dataset, restricted to the classes."""
        numbers = {self.whole.classes.index(name): number for number, name in enumerate(self.classes)}
        return restrict(self.whole.read_index(root, protocol, options), numbers)


def restrict(index: Index, numbers: Mapping[int, int]) -> Index:
    """Return the index restricted to the classes in `numbers`: old class number -> new class number.

    A multi-label clip keeps the labels that are in `numbers`, and is dropped if there are none. Clips without labels
    are kept, and so are missing files of unknown class.
    """
    clips = tuple(
        dataclasses.replace(clip, target=_renumbered(clip.target, numbers))
        for clip in index.clips
        if _stays(clip.target, numbers)
    )
    ids = {clip.id for clip in clips}
    missing = tuple(name for name in index.missing if _stays(index.missing_targets.get(name), numbers))
    targets = {
        name: _renumbered(index.missing_targets[name], numbers) for name in missing if name in index.missing_targets
    }
    return dataclasses.replace(
        index,
        clips=clips,
        folds={
            name: Fold(
                train=tuple(key for key in fold.train if key in ids), test=tuple(key for key in fold.test if key in ids)
            )
            for name, fold in index.folds.items()
        },
        missing=missing,
        missing_targets={name: target for name, target in targets.items() if target is not None},
    )


def _stays(target: Targets, numbers: Mapping[int, int]) -> bool:
    if target is None:
        return True
    return target in numbers if isinstance(target, int) else any(label in numbers for label in target)


def _renumbered(target: Targets, numbers: Mapping[int, int]) -> Targets:
    if target is None:
        return None
    if isinstance(target, int):
        return numbers[target]
    return tuple(numbers[label] for label in target if label in numbers)
