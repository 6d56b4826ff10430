"""What a folder holds of a dataset, against what its authors publish: every clip listed, decoded and compared."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from benchmark_core.clips.bad_clip import BadClip
from benchmark_core.clips.decode import decode
from benchmark_core.clips.listing import list_clips
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.store import SECONDS_PER_CLIP
from benchmark_core.errors import ElrError
from benchmark_core.progress import Reporter
from benchmark_core.specs import DatasetSpec, Value
from benchmark_core.specs.index import Clip, Index, Source

Item = TypeVar("Item")
Made = TypeVar("Made")
Size: TypeAlias = tuple[int, int]  # (rows, columns)


@dataclass(frozen=True)
class Seen:
    """A clip as decoded. sizes: of its frames, in order of appearance. content: sha256 of the decoded planes."""

    frames: int
    sizes: tuple[Size, ...]
    content: str


@dataclass(frozen=True, kw_only=True)
class Part:
    """Clips that train and that test in one fold: found, as published (None where that is not known), by class."""

    train: int
    test: int
    official: tuple[int, int] | None
    classes: Mapping[str, tuple[int, int]]

    @property
    def amiss(self) -> str:
        """What differs, in words; empty where nothing does."""
        if self.official is not None and self.official != (self.train, self.test):
            train, test = self.official
            return f"{self.train} train and {self.test} test clips are there; published are {train} and {test}"
        if self.official is None and not (self.train and self.test):
            return f"there is no clip to {'test on' if self.train else 'train on'}"
        return ""


@dataclass(kw_only=True)
class DataReport:
    """missing: listed and not there. broken: cannot be decoded, with the reason. short: fewer frames than `sampling`
    takes, so that the last one repeats. double: ids of clips that show the same pictures. counts: folds that differ
    from what is published.
    """

    dataset: str
    root: str
    sampling: str
    clips: int = 0
    pool: int = 0
    unlisted: int = 0
    protocols: dict[str, dict[str, Part]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    short: dict[str, int] = field(default_factory=dict)
    double: list[list[str]] = field(default_factory=list)
    counts: list[str] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)  # of each clip that could be decoded
    sizes: dict[Size, int] = field(default_factory=dict)  # of first frames -> clips

    @property
    def clean(self) -> bool:
        """Whether all that is published is there and whole."""
        return not (self.missing or self.broken or self.short or self.double or self.counts)

    def to_json(self) -> dict[str, Any]:
        """Plain names and numbers (schema 1)."""
        ordered = sorted(self.frames)
        return {
            "schema": 1,
            "kind": "data",
            "dataset": self.dataset,
            "root": self.root,
            "clean": self.clean,
            "clips": self.clips,
            "pool": self.pool,
            "unlisted": self.unlisted,
            "sampling": self.sampling,
            "frames": {
                "total": sum(ordered),
                "fewest": ordered[0] if ordered else None,
                "median": ordered[len(ordered) // 2] if ordered else None,
                "most": ordered[-1] if ordered else None,
            },
            "sizes": [[*size, number] for size, number in sorted(self.sizes.items())],
            "protocols": {
                protocol: {
                    fold: {
                        "train": part.train,
                        "test": part.test,
                        "official": part.official and list(part.official),
                        "classes": {name: list(pair) for name, pair in part.classes.items()},
                    }
                    for fold, part in folds.items()
                }
                for protocol, folds in self.protocols.items()
            },
            "missing": self.missing,
            "broken": [{"clip": clip, "reason": reason} for clip, reason in self.broken.items()],
            "short": [{"clip": clip, "frames": frames} for clip, frames in self.short.items()],
            "double": self.double,
            "counts": self.counts,
            "notes": self.notes,
        }


def verify(
    dataset: DatasetSpec,
    options: Mapping[str, Value],
    *,
    data: Path | None,
    sampling: Sampling,
    reporter: Reporter,
    protocols: Iterable[str] = (),
    workers: int = 1,
) -> DataReport:
    """Lists the clips of `protocols` (all by default), decodes each one whole, and says what is amiss.

    workers: clips decoded at a time, each in a thread. Memory grows by about a hundred bytes a clip.
    Raises ElrError where the folder is not there or no protocol's lists can be read.
    """
    report = DataReport(dataset=dataset.name, root=str(data or ""), sampling=str(sampling))
    clips: dict[str, Clip] = {}
    missing: dict[str, None] = {}
    indices: dict[str, Index] = {}
    failed: list[ElrError] = []
    for name in protocols or dataset.protocols:
        try:
            index = list_clips(dataset, name, options, data=data, bad_clips="skip")
        except ElrError as error:
            failed.append(error)
            report.counts.append(f"{name}: {error}")
            continue
        indices[name] = index
        clips |= index.by_id
        missing |= dict.fromkeys(index.missing)
        report.pool = max(report.pool, len(index.unlabelled))
        report.notes += [note for note in index.notes if note not in report.notes]
    if failed and not indices:
        raise failed[0]
    report.clips, report.missing = len(clips), list(missing)
    report.unlisted = min(index.unlisted for index in indices.values())
    for name, index in indices.items():
        report.protocols[name] = _folds(dataset, name, index)
        found = report.protocols[name].items()
        report.counts += [f"{name}, fold {fold}: {part.amiss}" for fold, part in found if part.amiss]
    _open(report, list(clips.values()), sampling, workers, reporter)
    return report


def _folds(dataset: DatasetSpec, protocol: str, index: Index) -> dict[str, Part]:
    official = dataset.counts.get(protocol, {})
    return {
        name: Part(
            train=len(fold.train),
            test=len(fold.test),
            official=official.get(name),
            classes=_by_class(dataset.classes, index.split(name, "train"), index.split(name, "test")),
        )
        for name, fold in index.folds.items()
    }


def _by_class(classes: tuple[str, ...], train: tuple[Clip, ...], test: tuple[Clip, ...]) -> dict[str, tuple[int, int]]:
    """Class -> clips that train and test; a clip of several labels counts for each."""
    counters: list[Counter[int]] = []
    for clips in (train, test):
        counter: Counter[int] = Counter()
        for clip in clips:
            if clip.target is not None:
                counter.update(clip.target if isinstance(clip.target, tuple) else (clip.target,))
        counters.append(counter)
    return {name: (counters[0][number], counters[1][number]) for number, name in enumerate(classes)}


def _open(report: DataReport, clips: list[Clip], sampling: Sampling, workers: int, reporter: Reporter) -> None:
    """Decodes every clip and fills in what only that tells."""
    same: dict[str, list[str]] = defaultdict(list)
    sizes: Counter[Size] = Counter()
    with reporter.steps("clips", len(clips)) as advance:
        for clip, seen in in_turn(lambda clip: look(clip.source), clips, workers):
            if isinstance(seen, str):
                report.broken[clip.id] = seen
            else:
                report.frames.append(seen.frames)
                sizes[seen.sizes[0]] += 1
                same[seen.content].append(clip.id)
                if len(seen.sizes) > 1:
                    report.broken[clip.id] = f"the frame size changes from {seen.sizes[0]} to {seen.sizes[1]}"
                elif sampling.pads(seen.frames):
                    report.short[clip.id] = seen.frames
            advance(1)
    report.sizes = dict(sizes)
    report.double = [ids for ids in same.values() if len(ids) > 1]


def look(source: Source) -> Seen | str:
    """A clip decoded from its first frame to its last; the reason, in one line, where it cannot be."""
    digest = hashlib.sha256()
    count = 0
    sizes: dict[Size, None] = {}
    try:
        for frames in decode(source, seconds=SECONDS_PER_CLIP):
            count += len(frames)
            sizes[frames.size] = None
            for number in range(len(frames)):  # by frame, so that chunks of another length give the same digest
                for plane in frames.planes:
                    digest.update(f"{frames.colour} {plane.shape[1:]}".encode())
                    digest.update(plane[number].tobytes())
    except BadClip as error:
        return " ".join(error.reason.split())
    return Seen(count, tuple(sizes), digest.hexdigest())


def in_turn(work: Callable[[Item], Made], items: Iterable[Item], workers: int) -> Iterator[tuple[Item, Made]]:
    """Each item with what `work` makes of it, in order, `workers` at a time in threads; few wait in line."""
    line: deque[tuple[Item, Future[Made]]] = deque()
    with ThreadPoolExecutor(max(1, workers)) as pool:
        try:
            for item in items:
                line.append((item, pool.submit(work, item)))
                if len(line) >= 4 * workers:
                    first, future = line.popleft()
                    yield first, future.result()
            while line:
                first, future = line.popleft()
                yield first, future.result()
        finally:
            for _, future in line:
                future.cancel()
