"""Read a cache folder: clips by stored format, and stages. Links are not followed; other files are ignored."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import Timeout

from benchmark_core.atomic import PART
from benchmark_core.errors import ElrError
from benchmark_core.file_lock import acquire
from benchmark_core.training.stage_files import BEGUN, CHECKPOINT, FIRST_LINE, LOCK, MAGIC, NOTE, WEIGHTS, read_note

FORMAT = re.compile(r"[0-9a-f]{16}")
STAGE = re.compile(r"(.+)-([0-9a-f]{16})")
CLIP = re.compile(r"([0-9a-f]{2})[0-9a-f]+\.clip(\.tmp)?")  # as the store names them; a test compares
COUNTS = "counts"  # folder of what `elrbench suite show` has counted, a file per plan; a test compares
COUNT = re.compile(r"[0-9a-f]{16}\.json")
STAGE_FILES = (NOTE, WEIGHTS, CHECKPOINT, BEGUN)


@dataclass(frozen=True, kw_only=True)
class StoredFormat:
    """Clips of one stored format: the same kind of view, size and degradation.

    numbers: what the format's file `recipe.json` holds. used: when a run last asked for it, in seconds since 1970.
    halves: how many of `files` a killed process left half written.
    """

    key: str
    path: Path
    numbers: dict[str, Any]
    files: tuple[Path, ...]
    halves: int
    bytes: int
    used: float

    @property
    def clips(self) -> int:
        """Number of complete clips."""
        return len(self.files) - self.halves

    @property
    def kind(self) -> str:
        """low, high, native or flow; `?` if `recipe.json` is missing."""
        return str(self.numbers.get("kind", "?"))

    @property
    def size(self) -> str:
        """HxW of its frames; empty if clips keep their own size."""
        size = self.numbers.get("size") or self.numbers.get("source", {}).get("size")
        return "x".join(map(str, size)) if size else ""

    @property
    def degradation(self) -> str:
        """The degradation's module with its options: `average sigma_blur=0.25 sigma_noise=2.0`."""
        numbers = self.numbers.get("source", self.numbers)  # flow: those of the frames it is computed on
        module = str(numbers.get("degrade") or "").partition(":")[0].rpartition(".")[2]
        words = [self.numbers.get("algorithm"), module]
        words += [f"{key}={value}" for key, value in sorted(numbers.get("options", {}).items())]
        return " ".join(str(word) for word in words if word)

    def to_json(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        facts = {"key": self.key, "kind": self.kind, "size": self.size, "degradation": self.degradation}
        return {**facts, "clips": self.clips, "halves": self.halves, "bytes": self.bytes, "used": _utc(self.used)}


@dataclass(frozen=True, kw_only=True)
class StoredStage:
    """A stage.

    note: its numbers and cost; for an unfinished stage the numbers alone, and nothing in old caches.
    epoch: (last epoch in its checkpoint, number of epochs if known); None without a checkpoint.
    """

    name: str
    key: str
    path: Path
    note: dict[str, Any]
    finished: bool
    in_training: bool
    epoch: tuple[int, int | None] | None
    bytes: int
    used: float

    @property
    def folder(self) -> str:
        """NAME-KEY"""
        return self.path.name

    @property
    def numbers(self) -> dict[str, Any]:
        """Fields of the plan that the stage depends on."""
        numbers = self.note.get("numbers")
        return numbers if isinstance(numbers, dict) else {}

    @property
    def function(self) -> str:
        """The function that trains it, without outer packages: `fit:fit_classifier(epochs=2,high=False)`."""
        module, colon, name = str(self.note.get("function", "")).partition(":")
        return f"{'.'.join(module.split('.')[-2:])}{colon}{name.removesuffix('()')}"

    @property
    def state(self) -> str:
        """`20 epochs` if finished, else `epoch 3 of 20` or `started`."""
        if self.finished:
            epochs = len(self.note.get("history", ()))
            return f"{epochs} epoch{'s' * (epochs != 1)}"
        at = "started" if self.epoch is None else f"epoch {self.epoch[0]}"
        at += f" of {self.epoch[1]}" if self.epoch and self.epoch[1] else ""
        return f"{at}, being trained" if self.in_training else at

    def to_json(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        return {
            "name": self.name,
            "key": self.key,
            "function": self.note.get("function"),
            "dataset": self.numbers.get("dataset"),
            "backbone": self.numbers.get("backbone"),
            "seed": self.numbers.get("seed"),
            "finished": self.finished,
            "fitting": self.in_training,
            "epoch": len(self.note.get("history", ())) if self.finished else self.epoch and self.epoch[0],
            "epochs": None if self.finished else self.epoch and self.epoch[1],
            "seconds": self.note.get("seconds"),
            "device": self.note.get("device"),
            "bytes": self.bytes,
            "used": _utc(self.used),
        }


@dataclass(frozen=True, kw_only=True)
class Cache:
    """Contents of a cache folder. counts: files of plans that `elrbench suite show` has counted."""

    root: Path
    formats: tuple[StoredFormat, ...]
    stages: tuple[StoredStage, ...]
    counts: tuple[Path, ...] = ()

    @property
    def bytes_of_counts(self) -> int:
        """Size of all files in `counts`."""
        return sum(map(_bytes, self.counts))

    def to_json(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        return {
            "cache": str(self.root),
            "clips": [one.to_json() for one in self.formats],
            "stages": [stage.to_json() for stage in self.stages],
            "counts": {"files": len(self.counts), "bytes": self.bytes_of_counts},
            "bytes": sum(one.bytes for one in (*self.formats, *self.stages)) + self.bytes_of_counts,
        }


def read_cache(root: Path) -> Cache:
    """Read the cache folder `root`, last used first. Raises ElrError if it is not a cache folder.

    Entries that are links, or whose names a cache does not use, are left out.
    """
    if not root.is_dir():
        raise ElrError(f"the cache folder {root} does not exist; pass --cache DIR")
    if not any(root.iterdir()):
        raise ElrError(f"the cache {root} is empty; runs fill it, or pass --cache DIR")
    entries = {name: _folders(root / name) for name in ("clips", "stages")}
    formats = [path for path in entries["clips"] if FORMAT.fullmatch(path.name)]
    stages = [path for path in entries["stages"] if STAGE.fullmatch(path.name)]
    parts = [name for name in entries if _plain(root / name)]
    strange = any(path for name in parts for path in (root / name).iterdir())
    if not (parts or _plain(root / COUNTS)) or (strange and not formats and not stages):
        raise ElrError(f"{root} is not a cache of elrbench: a cache has folders clips/ or stages/; pass --cache DIR")
    return Cache(
        root=root,
        formats=tuple(sorted(map(_format, formats), key=lambda one: -one.used)),
        stages=tuple(sorted(map(_stage, stages), key=lambda one: -one.used)),
        counts=_counts(root / COUNTS),
    )


def _counts(folder: Path) -> tuple[Path, ...]:
    found = sorted(folder.iterdir()) if _plain(folder) else []
    return tuple(path for path in found if COUNT.fullmatch(path.name) and path.is_file() and not path.is_symlink())


@contextmanager
def held(lock: Path) -> Iterator[bool]:
    """Hold a lock within the block and yield True; yield False if another process holds it."""
    try:
        taken = acquire(lock, timeout=0)
    except Timeout:
        taken = None
    with taken or nullcontext():
        yield taken is not None


def _format(path: Path) -> StoredFormat:
    try:
        numbers = json.loads((path / "recipe.json").read_bytes())
    except (OSError, ValueError):
        numbers = {}
    files = tuple(sorted(file for folder in _folders(path) for file in _clips(folder)))
    return StoredFormat(
        key=path.name,
        path=path,
        numbers=numbers if isinstance(numbers, dict) else {},
        files=files,
        halves=sum(file.suffix == ".tmp" for file in files),
        bytes=sum(map(_bytes, files)),
        used=changed(path / "recipe.json", path),
    )


def _clips(folder: Path) -> list[Path]:
    """Return the clip files in one of a format's folders; the folder is named by the first two digits of its files."""
    with os.scandir(folder) as entries:
        found = [(CLIP.fullmatch(entry.name), entry) for entry in entries if entry.is_file(follow_symlinks=False)]
    return [Path(entry.path) for name, entry in found if name is not None and name[1] == folder.name]


def stage_files(path: Path) -> list[Path]:
    """Return the files of a stage, without its lock."""
    named = [path / name for name in STAGE_FILES]
    return [file for file in (*named, *path.glob(f".*{PART}")) if file.is_file() and not file.is_symlink()]


def _stage(path: Path) -> StoredStage:
    found = STAGE.fullmatch(path.name)
    assert found is not None
    files = stage_files(path)
    note = read_note(path)
    in_training = False
    if note is None and (path / LOCK).is_file():
        with contextlib.suppress(OSError), held(path / LOCK) as free:  # OSError: the cache of another user
            in_training = not free
    return StoredStage(
        name=found[1],
        key=found[2],
        path=path,
        note=note or read_note(path, BEGUN) or {},
        finished=note is not None,
        in_training=in_training,
        epoch=None if note is not None else _epoch(path / CHECKPOINT),
        bytes=sum(map(_bytes, files)),
        used=changed(*(path / name for name in (NOTE, CHECKPOINT, BEGUN)), path),
    )


def _epoch(checkpoint: Path) -> tuple[int, int | None] | None:
    """Return (last finished epoch, from 1; number of epochs) of a stage's last training loop, without its checksum."""
    try:
        if not checkpoint.is_file():
            return None
        with checkpoint.open("rb") as file:
            head = json.loads(file.readline(1000)) if file.read(FIRST_LINE).startswith(MAGIC) else {}
        epoch, of = head["epoch"], head.get("of")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return (epoch, of if isinstance(of, int) else None) if isinstance(epoch, int) else None


def _folders(path: Path) -> list[Path]:
    """Return the folders in a folder, without links."""
    if not _plain(path):
        return []
    with os.scandir(path) as entries:
        return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]


def _plain(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def changed(*paths: Path) -> float:
    """Return the modification time of the first of `paths` that exists."""
    for path in paths:
        with contextlib.suppress(OSError):
            return path.lstat().st_mtime
    return 0.0


def _bytes(file: Path) -> int:
    try:
        return file.lstat().st_size
    except OSError:  # renamed or removed by a run in the meantime
        return 0


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
