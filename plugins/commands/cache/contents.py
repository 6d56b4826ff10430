"""What a cache folder holds: recipes of the clip store, and stages. Links are not followed, other files left alone."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from benchmark_core.atomic import PART
from benchmark_core.errors import ElrError
from benchmark_core.training.stage_files import BEGUN, CHECKPOINT, LOCK, NOTE, WEIGHTS, read_note

RECIPE = re.compile(r"[0-9a-f]{16}")
STAGE = re.compile(r"(.+)-([0-9a-f]{16})")
CLIP = re.compile(r"([0-9a-f]{2})[0-9a-f]+\.clip(\.tmp)?")  # of the store: tests hold this to what it writes
STAGE_FILES = (NOTE, WEIGHTS, CHECKPOINT, BEGUN)


@dataclass(frozen=True, kw_only=True)
class KeptRecipe:
    """Clips of one recipe. used: when a run last asked for it, in seconds since 1970.

    halves: of `files`, those that a killed process left half written.
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
        """Whole ones."""
        return len(self.files) - self.halves

    @property
    def kind(self) -> str:
        """low, high, native, flow; `?` where the recipe's numbers are not there."""
        return str(self.numbers.get("kind", "?"))

    @property
    def size(self) -> str:
        """HxW of its frames, or empty where clips keep their own."""
        size = self.numbers.get("size") or self.numbers.get("source", {}).get("size")
        return "x".join(map(str, size)) if size else ""

    @property
    def degradation(self) -> str:
        """The degradation's module with its numbers: `average sigma_blur=0.25 sigma_noise=2.0`."""
        numbers = self.numbers.get("source", self.numbers)  # flow has those of what it is computed on
        module = str(numbers.get("degrade") or "").partition(":")[0].rpartition(".")[2]
        words = [self.numbers.get("algorithm"), module]
        words += [f"{key}={value}" for key, value in sorted(numbers.get("options", {}).items())]
        return " ".join(str(word) for word in words if word)

    def to_json(self) -> dict[str, Any]:
        """Plain names and numbers."""
        told = {"key": self.key, "kind": self.kind, "size": self.size, "degradation": self.degradation}
        return {**told, "clips": self.clips, "halves": self.halves, "bytes": self.bytes, "used": _utc(self.used)}


@dataclass(frozen=True, kw_only=True)
class KeptStage:
    """A stage. note: its numbers and what it cost; of one not finished, what it is to be, or nothing in old caches.

    epoch: the last that its checkpoint holds, with the loop's length where that is known; None without a checkpoint.
    """

    name: str
    key: str
    path: Path
    note: dict[str, Any]
    finished: bool
    fitting: bool
    epoch: tuple[int, int | None] | None
    bytes: int
    used: float

    @property
    def folder(self) -> str:
        """NAME-KEY"""
        return self.path.name

    @property
    def number_of(self) -> dict[str, Any]:
        """The plan's numbers that it reads."""
        numbers = self.note.get("numbers")
        return numbers if isinstance(numbers, dict) else {}

    @property
    def function(self) -> str:
        """The function that fits it, without the outer packages: `fit:fit_classifier(epochs=2,high=False)`."""
        module, colon, name = str(self.note.get("function", "")).partition(":")
        return f"{'.'.join(module.split('.')[-2:])}{colon}{name.removesuffix('()')}"

    @property
    def state(self) -> str:
        """`20 epochs` once finished; `epoch 3 of 20`, `begun`."""
        if self.finished:
            epochs = len(self.note.get("history", ()))
            return f"{epochs} epoch{'s' * (epochs != 1)}"
        at = "begun" if self.epoch is None else f"epoch {self.epoch[0]}"
        at += f" of {self.epoch[1]}" if self.epoch and self.epoch[1] else ""
        return f"{at}, being fitted" if self.fitting else at

    def to_json(self) -> dict[str, Any]:
        """Plain names and numbers."""
        return {
            "name": self.name,
            "key": self.key,
            "function": self.note.get("function"),
            "dataset": self.number_of.get("dataset"),
            "backbone": self.number_of.get("backbone"),
            "seed": self.number_of.get("seed"),
            "finished": self.finished,
            "fitting": self.fitting,
            "epoch": len(self.note.get("history", ())) if self.finished else self.epoch and self.epoch[0],
            "epochs": None if self.finished else self.epoch and self.epoch[1],
            "seconds": self.note.get("seconds"),
            "device": self.note.get("device"),
            "bytes": self.bytes,
            "used": _utc(self.used),
        }


@dataclass(frozen=True, kw_only=True)
class Cache:
    """What a folder holds."""

    root: Path
    recipes: tuple[KeptRecipe, ...]
    stages: tuple[KeptStage, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain names and numbers."""
        return {
            "cache": str(self.root),
            "clips": [recipe.to_json() for recipe in self.recipes],
            "stages": [stage.to_json() for stage in self.stages],
            "bytes": sum(recipe.bytes for recipe in self.recipes) + sum(stage.bytes for stage in self.stages),
        }


def read_cache(root: Path) -> Cache:
    """What lies in `root`, latest used first. ElrError where that is no cache folder.

    Entries that are links, or not of the names that a cache gives, are left out.
    """
    if not root.is_dir():
        raise ElrError(f"there is no cache folder {root}; name another with --cache")
    entries = {name: _folders(root / name) for name in ("clips", "stages")}
    recipes = [path for path in entries["clips"] if RECIPE.fullmatch(path.name)]
    stages = [path for path in entries["stages"] if STAGE.fullmatch(path.name)]
    parts = [name for name in entries if _plain(root / name)]
    strange = any(path for name in parts for path in (root / name).iterdir())
    known = parts or _plain(root / "counts")  # counts/: those of `suite show`
    if not known or (strange and not recipes and not stages):
        raise ElrError(f"{root} is no cache of elrbench: it has no clips/ or stages/ as one has; name it with --cache")
    return Cache(
        root=root,
        recipes=tuple(sorted(map(_recipe, recipes), key=lambda one: -one.used)),
        stages=tuple(sorted(map(_stage, stages), key=lambda one: -one.used)),
    )


@contextmanager
def held(lock: Path) -> Iterator[bool]:
    """Whether the lock was free, and is held within the block; it is made where it is not there."""
    try:
        with FileLock(lock, timeout=0):
            yield True
    except Timeout:
        yield False


def _recipe(path: Path) -> KeptRecipe:
    try:
        numbers = json.loads((path / "recipe.json").read_bytes())
    except (OSError, ValueError):
        numbers = {}
    files = tuple(sorted(file for folder in _folders(path) for file in _clips(folder)))
    return KeptRecipe(
        key=path.name,
        path=path,
        numbers=numbers if isinstance(numbers, dict) else {},
        files=files,
        halves=sum(file.suffix == ".tmp" for file in files),
        bytes=sum(map(_bytes, files)),
        used=_changed(path / "recipe.json", path),
    )


def _clips(folder: Path) -> list[Path]:
    """Clip files in one of a recipe's folders, each named by what their contents begin with."""
    with os.scandir(folder) as entries:
        found = [(CLIP.fullmatch(entry.name), entry) for entry in entries if entry.is_file(follow_symlinks=False)]
    return [Path(entry.path) for name, entry in found if name is not None and name[1] == folder.name]


def stage_files(path: Path) -> list[Path]:
    """The stage's own files, its lock left out."""
    named = [path / name for name in STAGE_FILES]
    return [file for file in (*named, *path.glob(f".*{PART}")) if file.is_file() and not file.is_symlink()]


def _stage(path: Path) -> KeptStage:
    found = STAGE.fullmatch(path.name)
    assert found is not None
    files = stage_files(path)
    note = read_note(path)
    fitting = False
    if note is None and (path / LOCK).is_file():
        with contextlib.suppress(OSError), held(path / LOCK) as free:  # OSError: another user's cache
            fitting = not free
    return KeptStage(
        name=found[1],
        key=found[2],
        path=path,
        note=note or read_note(path, BEGUN) or {},
        finished=note is not None,
        fitting=fitting,
        epoch=None if note is not None else _epoch(path / CHECKPOINT),
        bytes=sum(map(_bytes, files)),
        used=_changed(*(path / name for name in (NOTE, CHECKPOINT, BEGUN)), path),
    )


def _epoch(checkpoint: Path) -> tuple[int, int | None] | None:
    """(the last epoch finished, from 1; of how many), of a stage's last loop."""
    if not checkpoint.is_file():
        return None
    from benchmark_core.training.stage_folder import read_checkpoint

    saved = read_checkpoint(checkpoint, lazily=True)
    if saved is None or not saved.get("loops"):
        return None
    last = saved["loops"][-1]
    return int(last["epoch"]) + 1, last.get("of")


def _folders(path: Path) -> list[Path]:
    """The real folders in a real folder."""
    if not _plain(path):
        return []
    with os.scandir(path) as entries:
        return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]


def _plain(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _changed(*paths: Path) -> float:
    """When the first of `paths` that is there was changed."""
    for path in paths:
        with contextlib.suppress(OSError):
            return path.lstat().st_mtime
    return 0.0


def _bytes(file: Path) -> int:
    try:
        return file.lstat().st_size
    except OSError:  # a run has renamed or removed it since
        return 0


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
