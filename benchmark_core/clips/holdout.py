"""Clips held out of training, by which numbers are chosen: what is chosen on test clips would flatter the score."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark_core.errors import ElrError
from benchmark_core.specs import NOTHING, DatasetSpec, Value
from benchmark_core.specs.index import Clip, Fold, Index

MOST = 0.5  # of the training clips


def read_share(text: str | float) -> float:
    """Of [0, `MOST`]; 0 holds nothing out. ElrError naming the flag otherwise."""
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= MOST:
        raise ElrError(
            f"--holdout '{text}' is not a share of the training clips up to {MOST:g}, e.g. 0.1; 0 holds nothing out"
        )
    return share


def with_holdout(spec: DatasetSpec, share: float, protocol: str, fold: str) -> DatasetSpec:
    """The dataset, tested on a share of the fold's training clips; itself where that is 0.

    It has that one protocol with that one fold: what other folds hold out would be partly the same clips, and partly
    those that this one is tested on officially. Official counts no longer hold.
    """
    if not share:
        return spec
    alone = dataclasses.replace(spec.protocols[protocol], folds=(fold,))
    return dataclasses.replace(spec, protocols={protocol: alone}, counts=NOTHING, index=_HeldOut(spec, share, fold))


@dataclass(frozen=True)
class _HeldOut:
    """Such a dataset's `index`."""

    whole: DatasetSpec
    share: float
    fold: str

    def __call__(self, root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
        """The whole index with that fold alone; ElrError where its clips cannot be parted."""
        index = self.whole.read_index(root, protocol, options)
        train = [key for key in index.folds[self.fold].train if key in index.by_id] if self.fold in index.folds else []
        clips = [index.by_id[key] for key in train]
        held = held_out(clips, self.share)
        if train and not held:
            raise ElrError(
                f"{self.whole.name}: --holdout {self.share:g} holds out no clip of fold {self.fold}: its groups, such "
                "as subjects or films, are too large for that share, or a class has one alone"
            )
        fold = Fold(
            train=tuple(key for key in train if key not in held), test=tuple(key for key in train if key in held)
        )
        return dataclasses.replace(index, folds={self.fold: fold})


def held_out(clips: Sequence[Clip], share: float) -> set[str]:
    """Ids of about that share of each class, by whole groups: a subject's or a film's clips are held out together.

    Class by class, groups are taken in an order that their names' digests give, where that brings the classes that a
    group has clips of nearer to their shares, taken together, and leaves clips of each to train on. The same clips give
    the same whatever their order and seed.
    """
    groups: dict[str, list[Clip]] = {}
    for clip in clips:
        groups.setdefault(f"group {clip.group}" if clip.group else f"clip {clip.id}", []).append(clip)
    order = sorted(groups, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    has = {name: Counter(label for clip in group for label in _labels(clip)) for name, group in groups.items()}
    total: Counter[int] = sum(has.values(), Counter())
    held: Counter[int] = Counter()
    taken: set[str] = set()
    for label in sorted(total):
        for name in order:
            new = has[name]
            if name in taken or not new[label]:
                continue
            due = {other: share * total[other] - held[other] for other in new}
            nearer = sum(abs(due[other] - new[other]) for other in new) <= sum(map(abs, due.values()))
            if nearer and all(held[other] + count < total[other] for other, count in new.items()):
                taken.add(name)
                held += new
    return {clip.id for name in taken for clip in groups[name]}


def none_held_out(train: Sequence[Clip], test: Sequence[Clip]) -> list[int]:
    """Labels of which clips are left to train on, and none is held out."""
    return sorted(
        {label for clip in train for label in _labels(clip)} - {label for clip in test for label in _labels(clip)}
    )


def _labels(clip: Clip) -> tuple[int, ...]:
    if clip.target is None:
        return ()
    return (clip.target,) if isinstance(clip.target, int) else clip.target
