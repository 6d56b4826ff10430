"""Verify a dataset's folder: list and decode every clip, and compare with the published counts."""

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
from benchmark_core.specs.index import Clip, Index, Source, VideoFile
from elrbench_plugins.commands.data.suspect import Signs, truncation

Item = TypeVar("Item")
Result = TypeVar("Result")
Size: TypeAlias = tuple[int, int]  # (rows, columns)


@dataclass(frozen=True)
class DecodedClip:
    """A clip that was decoded.

    sizes: frame sizes in order of appearance. content: SHA-256 of the decoded planes. damage: signs of damage; empty if
    there are none.
    """

    frames: int
    sizes: tuple[Size, ...]
    content: str
    damage: str = ""


@dataclass(frozen=True, kw_only=True)
class FoldCounts:
    """Training and test clips of one fold: found, official (None if not published), and found by class."""

    train: int
    test: int
    official: tuple[int, int] | None
    classes: Mapping[str, tuple[int, int]]

    @property
    def mismatch(self) -> str:
        """The difference from the official counts as text; empty if they are equal."""
        if self.official is not None and self.official != (self.train, self.test):
            train, test = self.official
            return f"{self.train} train and {self.test} test clips found; published: {train} and {test}"
        if self.official is None and not (self.train and self.test):
            return f"no {'test' if self.train else 'training'} clips found"
        return ""


@dataclass(kw_only=True)
class DataReport:
    """What was found in a dataset's folder.

    missing: listed files that do not exist. broken: clip id -> why a run cannot use it. suspect: clip id -> signs of
    damage of a clip that a run uses. short: clip id -> frames, of clips with fewer frames than `sampling` takes; their
    last frame is repeated. double: groups of clip ids with identical pictures. counts: folds that differ from the
    published counts. unlisted: files in no list.
    """

    dataset: str
    root: str
    sampling: str
    clips: int = 0
    pool: int = 0
    unlisted: int = 0
    protocols: dict[str, dict[str, FoldCounts]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    suspect: dict[str, str] = field(default_factory=dict)
    short: dict[str, int] = field(default_factory=dict)
    double: list[list[str]] = field(default_factory=list)
    counts: list[str] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)  # per clip that could be decoded
    sizes: dict[Size, int] = field(default_factory=dict)  # of first frames -> clips

    @property
    def clean(self) -> bool:
        """Whether nothing is missing, broken, short, duplicated or different from the published counts.

        Suspect clips do not count: a healthy clip may be suspect.
        """
        return not (self.missing or self.broken or self.short or self.double or self.counts)

    def to_json(self) -> dict[str, Any]:
        """Return plain names and numbers (schema 1)."""
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
            "suspect": [{"clip": clip, "reason": reason} for clip, reason in self.suspect.items()],
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
    """List the clips of `protocols` (default: all), decode every clip to its end, and report all problems.

    workers: clips decoded in parallel, one thread each. Memory grows by about 100 bytes per clip.
    Raises ElrError if the folder does not exist or the lists of no protocol can be read.
    """
    report = DataReport(dataset=dataset.name, root=str(data or ""), sampling=str(sampling))
    clips: dict[str, Clip] = {}
    missing: dict[str, None] = {}
    indices: dict[str, Index] = {}
    failed: list[ElrError] = []
    skipped: dict[str, ElrError] = {}
    protocols = tuple(protocols)
    for name in protocols or dataset.protocols:
        try:
            index = list_clips(dataset, name, options, data=data, bad_clips="skip")
        except ElrError as error:
            if dataset.protocols[name].optional and not protocols:
                skipped[name] = error
                continue
            failed.append(error)
            report.counts.append(f"{name}: {error}")
            continue
        indices[name] = index
        clips |= index.by_id
        missing |= dict.fromkeys(index.missing)
        report.pool = max(report.pool, len(index.unlabelled))
        report.notes += [note for note in index.notes if note not in report.notes]
    if not indices:
        raise [*failed, *skipped.values()][0]
    if skipped:
        report.notes.append(f"not verified: {', '.join(skipped)} ({next(iter(skipped.values()))})")
    report.clips, report.missing = len(clips), list(missing)
    report.unlisted = min(index.unlisted for index in indices.values())
    for name, index in indices.items():
        report.protocols[name] = _folds(dataset, name, index)
        found = report.protocols[name].items()
        report.counts += [f"{name}, fold {fold}: {part.mismatch}" for fold, part in found if part.mismatch]
    _decode_all(report, dataset, list(clips.values()), sampling, workers, reporter)
    return report


def _folds(dataset: DatasetSpec, protocol: str, index: Index) -> dict[str, FoldCounts]:
    official = dataset.counts.get(protocol, {})
    return {
        name: FoldCounts(
            train=len(fold.train),
            test=len(fold.test),
            official=official.get(name),
            classes=_by_class(dataset.classes, index.split(name, "train"), index.split(name, "test")),
        )
        for name, fold in index.folds.items()
    }


def _by_class(classes: tuple[str, ...], train: tuple[Clip, ...], test: tuple[Clip, ...]) -> dict[str, tuple[int, int]]:
    """Return class -> (training clips, test clips); a clip with several labels counts for each of them."""
    counters: list[Counter[int]] = []
    for clips in (train, test):
        counter: Counter[int] = Counter()
        for clip in clips:
            if clip.target is not None:
                counter.update(clip.target if isinstance(clip.target, tuple) else (clip.target,))
        counters.append(counter)
    return {name: (counters[0][number], counters[1][number]) for number, name in enumerate(classes)}


def _decode_all(
    report: DataReport,
    dataset: DatasetSpec,
    clips: list[Clip],
    sampling: Sampling,
    workers: int,
    reporter: Reporter,
) -> None:
    """Decode every clip and add frames, sizes, broken, suspect, short and duplicated clips to the report."""
    same: dict[str, list[str]] = defaultdict(list)
    sizes: Counter[Size] = Counter()
    with reporter.steps("clips", len(clips)) as advance:
        for clip, decoded in parallel_map(lambda clip: decode_clip(clip.source), clips, workers):
            if isinstance(decoded, str):
                report.broken[clip.id] = decoded
            else:
                report.frames.append(decoded.frames)
                sizes[decoded.sizes[0]] += 1
                same[decoded.content].append(clip.id)
                resized = _sizes_text(decoded.sizes)
                if resized and dataset.natively_low:  # a run stores its frames as recorded, in one array
                    report.broken[clip.id] = resized
                    resized = ""
                elif sampling.pads(decoded.frames):
                    report.short[clip.id] = decoded.frames
                if signs := "; ".join(filter(None, (decoded.damage, resized))):
                    report.suspect[clip.id] = signs
            advance(1)
    report.sizes = dict(sizes)
    report.double = [ids for ids in same.values() if len(ids) > 1]


def _sizes_text(sizes: tuple[Size, ...]) -> str:
    """Return how the frame size changes within a clip; empty if it does not."""
    (rows, columns), *others = sizes
    return f"the frame size changes from {rows}x{columns} to {others[0][0]}x{others[0][1]}" if others else ""


def decode_clip(source: Source) -> DecodedClip | str:
    """Decode a clip from its first frame to its last. Return the reason, in one line, if that fails."""
    digest = hashlib.sha256()
    count = 0
    sizes: dict[Size, None] = {}
    try:
        with Signs() as signs:
            if isinstance(source, VideoFile) and (missing := truncation(source.path)):
                signs.add(missing)
            for frames in decode(source, seconds=SECONDS_PER_CLIP, notice=signs.add):
                signs.read_log()
                count += len(frames)
                sizes[frames.size] = None
                for number in range(len(frames)):  # by frame: the digest must not depend on chunk length
                    for plane in frames.planes:
                        digest.update(f"{frames.colour} {plane.shape[1:]}".encode())
                        digest.update(plane[number].tobytes())
    except BadClip as error:
        return " ".join(error.reason.split())
    return DecodedClip(count, tuple(sizes), digest.hexdigest(), signs.text())


def parallel_map(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[tuple[Item, Result]]:
    """Yield (item, `work(item)`) in order, computed by `workers` threads; at most 4 * workers results wait."""
    queue: deque[tuple[Item, Future[Result]]] = deque()
    with ThreadPoolExecutor(max(1, workers)) as pool:
        try:
            for item in items:
                queue.append((item, pool.submit(work, item)))
                if len(queue) >= 4 * workers:
                    first, future = queue.popleft()
                    yield first, future.result()
            while queue:
                first, future = queue.popleft()
                yield first, future.result()
        finally:
            for _, future in queue:
                future.cancel()
