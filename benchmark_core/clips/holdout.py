"""Clips held out of training, by which numbers are chosen: what is chosen on test clips would flatter the score."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark_core.clips.index import Clip, Fold, Index
from benchmark_core.errors import ElrError
from benchmark_core.specs import NOTHING, DatasetSpec, Value

MOST = 0.5  # of the training clips


def read_share(text: str | float) -> float:
    """0 < share <= `MOST`; ElrError naming the flag otherwise."""
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= MOST:
        raise ElrError(f"--holdout {text} is not a share of the training clips above 0 and up to {MOST:g}, e.g. 0.1")
    return share


def with_holdout(spec: DatasetSpec, share: float) -> DatasetSpec:
    """The dataset, tested on a share of its training clips; itself where that is 0. Official counts no longer hold."""
    if not share:
        return spec
    return dataclasses.replace(spec, counts=NOTHING, index=_HeldOut(spec, share))


@dataclass(frozen=True)
class _HeldOut:
    """Such a dataset's `index`."""

    whole: DatasetSpec
    share: float

    def __call__(self, root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
        """The whole index; ElrError where a fold's clips cannot be parted."""
        index = self.whole.read_index(root, protocol, options)
        folds = {}
        for name, fold in index.folds.items():
            held = held_out([index.by_id[key] for key in fold.train if key in index.by_id], self.share)
            if fold.train and not held:
                raise ElrError(
                    f"{self.whole.name}: --holdout {self.share:g} holds out no clip of fold {name}: its groups, such "
                    "as subjects or films, are too large for that share, or a class has one alone"
                )
            folds[name] = Fold(
                train=tuple(key for key in fold.train if key not in held),
                test=tuple(k for k in fold.train if k in held),
            )
        return dataclasses.replace(index, folds=folds)


def held_out(clips: Sequence[Clip], share: float) -> set[str]:
    """Ids of about that share of each class, by whole groups: a subject's or a film's clips are held out together.

    Class by class, groups are taken in an order that their names' digests give, while that brings the class nearer to
    its share and leaves clips of every class to train on. The same clips give the same whatever their order and seed.
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
        due = share * total[label]
        for name in order:
            new = has[name]
            if name in taken or not new[label]:
                continue
            nearer = abs(held[label] + new[label] - due) <= abs(due - held[label])
            if nearer and all(held[other] + count < total[other] for other, count in new.items()):
                taken.add(name)
                held += new
    return {clip.id for name in taken for clip in groups[name]}


def _labels(clip: Clip) -> tuple[int, ...]:
    if clip.target is None:
        return ()
    return (clip.target,) if isinstance(clip.target, int) else clip.target
