"""Remove a selection from a cache folder: file by file, under locks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_core.clips.locks import CLEARING
from benchmark_core.errors import RunFailed, unknown
from benchmark_core.file_lock import Wait, acquire
from benchmark_core.progress import SILENT, Reporter
from benchmark_core.training.stage_files import BEGUN, CHECKPOINT, LOCK, NOTE, read_note
from elrbench_plugins.commands.cache.contents import (
    Cache,
    StoredFormat,
    StoredStage,
    changed,
    held,
    read_cache,
    stage_files,
)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What to remove.

    clips, stages, counts: the parts of the cache. before: only what was last used before this time, in s since 1970.
    names: stages by NAME, KEY or NAME-KEY. formats: stored formats by the first digits of their keys.
    unfinished: only unfinished stages.
    """

    clips: bool = False
    stages: bool = False
    counts: bool = False
    before: float | None = None
    names: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    unfinished: bool = False

    def of(self, cache: Cache) -> Cache:
        """Return the selected part of `cache`. Raises ElrError for an unknown name or key."""
        for name in self.names:
            if not any(_is_called(stage, name) for stage in cache.stages):
                raise unknown("stage", name, {stage.name for stage in cache.stages}, "elrbench cache ls")
        for key in self.formats:
            if not any(one.key.startswith(key) for one in cache.formats):
                raise unknown("stored format", key, (one.key for one in cache.formats), "elrbench cache ls")
        formats = [
            one
            for one in cache.formats
            if self.clips
            and (not self.formats or one.key.startswith(self.formats))
            and (self.before is None or one.used < self.before)
        ]
        stages = [
            stage
            for stage in cache.stages
            if self.stages
            and (not self.names or any(_is_called(stage, name) for name in self.names))
            and (self.before is None or stage.used < self.before)
            and not (self.unfinished and stage.finished)
        ]
        counts = [
            file
            for file in cache.counts
            if self.counts and (self.before is None or file.lstat().st_mtime < self.before)
        ]
        return Cache(root=cache.root, formats=tuple(formats), stages=tuple(stages), counts=tuple(counts))

    def spares(self, *used: Path, note: Path | None = None) -> str:
        """Return why what was selected is kept now, "" if it is not. Call it under the lock that its users take.

        used: files whose first existing one changes at each use. note: a stage's folder, whose note marks its end.
        """
        if self.unfinished and note is not None and read_note(note) is not None:
            return "another process has finished it since it was listed"
        if self.before is not None and changed(*used) >= self.before:
            return "it was used since it was listed"
        return ""


@dataclass(frozen=True, kw_only=True)
class Freed:
    """What was removed: number of files and bytes. kept: what was kept, and why."""

    files: int = 0
    bytes: int = 0
    kept: tuple[str, ...] = ()

    def __add__(self, other: Freed) -> Freed:
        return Freed(files=self.files + other.files, bytes=self.bytes + other.bytes, kept=self.kept + other.kept)

    def to_json(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        return {"files": self.files, "bytes": self.bytes, "kept": list(self.kept)}


def clear(selected: Cache, reporter: Reporter = SILENT, selection: Selection | None = None) -> Freed:
    """Remove the selected part of a cache.

    A stage that another process is training is kept. All clips are kept while a process trains, prepares or tests.
    selection: by which `selected` was chosen; what it would not select any more, because another process has finished
        or used it, is kept. None: remove all of `selected`.
    Raises RunFailed if the cache cannot be written.
    """
    with removing(selected.root):
        return _clear(selected, reporter, selection or Selection())


@contextmanager
def removing(root: Path) -> Iterator[None]:
    """Raise RunFailed if a file in the folder `root` of a cache cannot be removed within the block."""
    try:
        yield
    except OSError as error:
        raise RunFailed(
            f"nothing can be removed from {root} ({error.strerror or error}); run this command as a user who can write "
            "to the cache"
        ) from error


def _clear(selected: Cache, reporter: Reporter, selection: Selection) -> Freed:
    freed = _unlink(selected.counts)
    _drop_folders({file.parent for file in selected.counts})
    for stage in selected.stages:
        gone = remove_stage(stage, selection)
        freed += gone or Freed(kept=(f"stage {stage.folder}: another process is training it",))
    if selected.formats:
        with clearing_lock(selected.root, reporter) as free:
            busy = next(
                (f" to train {stage.folder}" for stage in read_cache(selected.root).stages if stage.in_training), ""
            )
            for one in selected.formats:
                if busy or not free:
                    freed += Freed(kept=(f"clips {one.key}: another process reads clips{busy}",))
                    continue
                if why := selection.spares(one.path / "recipe.json"):
                    freed += Freed(kept=(f"clips {one.key}: {why}",))
                    continue
                freed += remove_clips(one, one.files)
                if not any(file.exists() for file in one.files):
                    freed += _unlink([one.path / "recipe.json", one.path / "source.json"])
                    _drop_folders([*one.path.glob("[0-9a-f][0-9a-f]"), one.path])
    return freed


@contextmanager
def clearing_lock(root: Path, reporter: Reporter = SILENT) -> Iterator[bool]:
    """Yield whether no process reads clips of the store under `root`. Within the block, none can start to read."""
    with acquire(root / CLEARING, Wait(f"{root}, from which clips are being removed", reporter.warn)):
        yield all([_abandoned(path) for path in (root / "locks").glob("reading-*.lock")])


def _abandoned(path: Path) -> bool:
    """Whether the process that made the reader lock is gone; if so, remove its file."""
    with held(path) as free:
        if free:
            path.unlink(missing_ok=True)
    return free


def remove_stage(stage: StoredStage, selection: Selection | None = None) -> Freed | None:
    """Remove a stage's files, and its folder if it is then empty. Return None if another process holds its lock.

    selection: see `clear`.
    """
    if not stage.path.is_dir():
        return Freed()
    with held(stage.path / LOCK) as free:
        if not free:
            return None
        used = [stage.path / name for name in (NOTE, CHECKPOINT, BEGUN)]
        if selection is not None and (why := selection.spares(*used, note=stage.path)):
            return Freed(kept=(f"stage {stage.folder}: {why}",))
        freed = _unlink(stage_files(stage.path))
        (stage.path / LOCK).unlink(missing_ok=True)
        _drop_folders([stage.path])
    return freed


def remove_clips(stored: StoredFormat, files: Sequence[Path]) -> Freed:
    """Remove those of `files` that no process is writing."""
    locks = stored.path.parent.parent / "locks"
    locks.mkdir(exist_ok=True)
    freed = Freed()
    for digits in sorted({file.parent.name for file in files}):
        with held(locks / f"{digits if len(digits) == 2 else 'recipes'}.lock") as free:
            part = [file for file in files if file.parent.name == digits]
            freed += (
                _unlink(part)
                if free
                else Freed(kept=(f"clips {stored.key}/{digits}: another process is writing them",))
            )
    return freed


def _is_called(stage: StoredStage, name: str) -> bool:
    return name in (stage.name, stage.key, stage.folder)


def _unlink(files: Iterable[Path]) -> Freed:
    freed = Freed()
    for file in files:
        with contextlib.suppress(FileNotFoundError):
            size = file.lstat().st_size
            file.unlink()
            freed += Freed(files=1, bytes=size)
    return freed


def _drop_folders(folders: Iterable[Path]) -> None:
    """Remove folders that are empty; a folder with other files is kept."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
