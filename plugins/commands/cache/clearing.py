"""Taking things out of a cache folder: what was selected, under its lock, file by file, and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_core.clips.locks import clearing_lock
from benchmark_core.errors import RunFailed, unknown
from benchmark_core.training.stage_files import LOCK
from elrbench_plugins.commands.cache.contents import Cache, KeptRecipe, KeptStage, held, read_cache, stage_files


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What to take out.

    clips, stages: which of the two. before: only what was last used before then, in seconds since 1970. names: stages
    by NAME, KEY or NAME-KEY. recipes: by the first digits of their keys. unfinished: of stages only these.
    """

    clips: bool = False
    stages: bool = False
    before: float | None = None
    names: tuple[str, ...] = ()
    recipes: tuple[str, ...] = ()
    unfinished: bool = False

    def of(self, cache: Cache) -> Cache:
        """What it selects. ElrError where a name or key is of nothing that is there."""
        for name in self.names:
            if not any(_goes_by(stage, name) for stage in cache.stages):
                raise unknown("stage", name, {stage.name for stage in cache.stages})
        for key in self.recipes:
            if not any(recipe.key.startswith(key) for recipe in cache.recipes):
                raise unknown("recipe", key, (recipe.key for recipe in cache.recipes))
        recipes = [
            recipe
            for recipe in cache.recipes
            if self.clips
            and (not self.recipes or recipe.key.startswith(self.recipes))
            and (self.before is None or recipe.used < self.before)
        ]
        stages = [
            stage
            for stage in cache.stages
            if self.stages
            and (not self.names or any(_goes_by(stage, name) for name in self.names))
            and (self.before is None or stage.used < self.before)
            and not (self.unfinished and stage.finished)
        ]
        return Cache(root=cache.root, recipes=tuple(recipes), stages=tuple(stages))


@dataclass(frozen=True, kw_only=True)
class Freed:
    """What went: files, and their bytes. kept: what stayed, and why."""

    files: int = 0
    bytes: int = 0
    kept: tuple[str, ...] = ()

    def __add__(self, other: Freed) -> Freed:
        return Freed(files=self.files + other.files, bytes=self.bytes + other.bytes, kept=self.kept + other.kept)

    def to_json(self) -> dict[str, Any]:
        """Plain names and numbers."""
        return {"files": self.files, "bytes": self.bytes, "kept": list(self.kept)}


def clear(components: Cache) -> Freed:
    """Removes what was chosen of a cache.

    A stage that a process is fitting stays; so do all clips while there is one, or a run that prepares or tests.
    """
    freed = Freed()
    for stage in components.stages:
        gone = remove_stage(stage)
        freed += gone or Freed(kept=(f"stage {stage.folder}: another process is fitting it",))
    if components.recipes:
        with clearing_lock(components.root) as free:
            busy = next(
                (f" to fit {stage.folder}" for stage in read_cache(components.root).stages if stage.fitting), ""
            )
            for recipe in components.recipes:
                if busy or not free:
                    freed += Freed(kept=(f"clips {recipe.key}: another process reads clips{busy}",))
                    continue
                freed += remove_clips(recipe, recipe.files)
                if not any(file.exists() for file in recipe.files):
                    freed += _unlink([recipe.path / "recipe.json", recipe.path / "source.json"])
                    _drop_folders([*recipe.path.glob("[0-9a-f][0-9a-f]"), recipe.path])
    return freed


def remove_stage(stage: KeptStage) -> Freed | None:
    """Its files, then its folder where that is then empty. None where another process holds its lock."""
    if not stage.path.is_dir():
        return Freed()
    with held(stage.path / LOCK) as free:
        if not free:
            return None
        freed = _unlink(stage_files(stage.path))
        (stage.path / LOCK).unlink(missing_ok=True)
        _drop_folders([stage.path])
    return freed


def remove_clips(recipe: KeptRecipe, files: Sequence[Path]) -> Freed:
    """Those of `files` that no process is making."""
    locks = recipe.path.parent.parent / "locks"
    locks.mkdir(exist_ok=True)
    freed = Freed()
    for digits in sorted({file.parent.name for file in files}):
        with held(locks / f"{digits if len(digits) == 2 else 'recipes'}.lock") as free:
            part = [file for file in files if file.parent.name == digits]
            freed += _unlink(part) if free else Freed(kept=(f"clips {recipe.key}/{digits}: being made",))
    return freed


def _goes_by(stage: KeptStage, name: str) -> bool:
    return name in (stage.name, stage.key, stage.folder)


def _unlink(files: Iterable[Path]) -> Freed:
    freed = Freed()
    for file in files:
        with contextlib.suppress(FileNotFoundError):
            size = file.lstat().st_size
            try:
                file.unlink()
            except PermissionError as error:
                raise RunFailed(f"{file} cannot be removed: {error.strerror}; it is another user's") from error
            freed += Freed(files=1, bytes=size)
    return freed


def _drop_folders(folders: Iterable[Path]) -> None:
    """Those that are empty: what is not the cache's own stays, and so does the folder around it."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
