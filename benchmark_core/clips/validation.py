"""Validation split: hold out training clips to choose numbers by. Numbers chosen on test clips would inflate scores."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark_core.errors import ElrError
from benchmark_core.specs import NOTHING, Clip, DatasetSpec, Fold, Index, Value

MOST = 0.5  # of the training clips


def read_validation_fraction(text: str | float) -> float:
    """Parse the value of --holdout: a fraction from 0 to `MOST`. Raises ElrError naming the flag otherwise."""
    try:
        fraction = float(text)
    except ValueError:
        fraction = math.nan
    if not 0 <= fraction <= MOST:
        raise ElrError(
            f"--holdout '{text}' is not a fraction of the training clips from 0 to {MOST:g}; pass e.g. --holdout 0.1"
        )
    return fraction


def with_validation_split(spec: DatasetSpec, fraction: float, protocol: str, fold: str) -> DatasetSpec:
    """Return the dataset with a fraction of the fold's training clips as test clips; unchanged if `fraction` is 0.

    The result has only this protocol and this fold: the validation clips of other folds could be the same clips, or
    official test clips of this fold. Official clip counts no longer apply.
    """
    if not fraction:
        return spec
    alone = dataclasses.replace(spec.protocols[protocol], folds=(fold,))
    index = _ValidationIndex(spec, fraction, fold)
    return dataclasses.replace(spec, protocols={protocol: alone}, counts=NOTHING, index=index)


@dataclass(frozen=True)
class _ValidationIndex:
    """The `index` of a dataset with a validation split."""

    whole: DatasetSpec
    fraction: float
    fold: str

    def __call__(self, root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
        """Return the index with only this fold. Raises ElrError if no clip can be held out."""
        index = self.whole.read_index(root, protocol, options)
        train = [key for key in index.folds[self.fold].train if key in index.by_id] if self.fold in index.folds else []
        clips = [index.by_id[key] for key in train]
        held = validation_ids(clips, self.fraction)
        if train and not held:
            raise ElrError(
                f"{self.whole.name}: --holdout {self.fraction:g} selects no clip of fold {self.fold}: its groups "
                "(subjects, films) are too large, or each class has only one group; pass a larger --holdout"
            )
        fold = Fold(
            train=tuple(key for key in train if key not in held), test=tuple(key for key in train if key in held)
        )
        return dataclasses.replace(index, folds={self.fold: fold})


def validation_ids(clips: Sequence[Clip], fraction: float) -> set[str]:
    """Return the ids of about this fraction of each class. All clips of a group (a subject or a film) stay together.

    Class by class, groups are tried in the order of their names' digests. A group is held out if this brings its
    classes, summed up, no further from their fractions, and leaves training clips of each of its classes. The result
    depends only on the clips, not on their order or a seed.
    """
    groups: dict[str, list[Clip]] = {}
    for clip in clips:
        groups.setdefault(f"group {clip.group}" if clip.group else f"clip {clip.id}", []).append(clip)
    order = sorted(groups, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    has = {name: Counter(label for clip in group for label in clip.labels) for name, group in groups.items()}
    total: Counter[int] = sum(has.values(), Counter())
    held: Counter[int] = Counter()
    taken: set[str] = set()
    for label in sorted(total):
        for name in order:
            new = has[name]
            if name in taken or not new[label]:
                continue
            missing = {other: fraction * total[other] - held[other] for other in new}
            nearer = sum(abs(missing[other] - new[other]) for other in new) <= sum(map(abs, missing.values()))
            if nearer and all(held[other] + count < total[other] for other, count in new.items()):
                taken.add(name)
                held += new
    return {clip.id for name in taken for clip in groups[name]}


def classes_not_held_out(train: Sequence[Clip], test: Sequence[Clip]) -> list[int]:
    """Return the classes that have training clips but no validation clip."""
    return sorted(
        {label for clip in train for label in clip.labels} - {label for clip in test for label in clip.labels}
    )
