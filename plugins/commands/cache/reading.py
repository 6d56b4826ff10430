"""Everything in a cache folder read again: clips frame by frame, stages weight by weight."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_core.canonical import digest_of
from benchmark_core.clips.clipfile import fault
from benchmark_core.progress import Reporter
from benchmark_core.training.stage_files import CHECKPOINT, NOTE, WEIGHTS, damage
from elrbench_plugins.commands.cache.clearing import remove_clips, remove_stage
from elrbench_plugins.commands.cache.contents import Cache, KeptRecipe, KeptStage


@dataclass(frozen=True, kw_only=True)
class Broken:
    """One thing that is not as it was written. removed: taken away, so that the next run makes it anew."""

    path: Path
    reason: str
    removed: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain names."""
        return {"path": str(self.path), "reason": self.reason, "removed": self.removed}


@dataclass(frozen=True, kw_only=True)
class CacheReport:
    """What was read. busy: stages that another process is fitting, which were left alone."""

    clips: int
    stages: int
    busy: tuple[str, ...]
    broken: tuple[Broken, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain names and numbers."""
        broken = [one.to_json() for one in self.broken]
        return {"clips": self.clips, "stages": self.stages, "busy": list(self.busy), "broken": broken}


def verify(cache: Cache, *, reporter: Reporter, remove: bool = False) -> CacheReport:
    """Reads every whole clip and every stage that nobody is fitting.

    remove: what is broken goes at once, under its lock; where another process holds that, it stays.
    """
    broken = []
    with reporter.steps("clips", sum(recipe.clips for recipe in cache.recipes)) as advance:
        for recipe in cache.recipes:
            if reason := _recipe_fault(recipe):
                broken.append(_removed(recipe, recipe.path / "recipe.json", reason, remove))
            for file in recipe.files:
                if file.suffix == ".clip":
                    if (reason := fault(file)) and file.exists():
                        broken.append(_removed(recipe, file, reason, remove))
                    advance(1)
    read = [stage for stage in cache.stages if not stage.fitting]
    with reporter.steps("stages", len(read)) as advance:
        for stage in read:
            if reason := "; ".join(_stage_faults(stage)):
                gone = remove and remove_stage(stage)
                broken.append(Broken(path=stage.path, reason=reason, removed=bool(gone)))
            advance(1)
    return CacheReport(
        clips=sum(recipe.clips for recipe in cache.recipes),
        stages=len(read),
        busy=tuple(stage.folder for stage in cache.stages if stage.fitting),
        broken=tuple(broken),
    )


def _removed(recipe: KeptRecipe, file: Path, reason: str, remove: bool) -> Broken:
    gone = remove and bool(remove_clips(recipe, [file]).files)
    return Broken(path=file, reason=reason, removed=gone)


def _recipe_fault(recipe: KeptRecipe) -> str | None:
    if not (recipe.path / "recipe.json").is_file():  # the next run to ask for it writes it
        return None
    if digest_of(recipe.numbers) != recipe.key:
        return "its numbers are not those of its key"
    return None


def _stage_faults(stage: KeptStage) -> Iterator[str]:
    if (stage.path / NOTE).exists() and not stage.finished:
        yield f"its {NOTE} cannot be read"
    if stage.finished:
        fault = damage(stage.path, stage.note) or _weights_fault(stage.path / WEIGHTS)
        if fault:
            yield fault
    elif (stage.path / CHECKPOINT).exists() and stage.epoch is None:
        yield f"its {CHECKPOINT} cannot be read"


def _weights_fault(path: Path) -> str | None:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = load_file(path)
    except (OSError, SafetensorError, RuntimeError) as error:
        return f"its {path.name} cannot be read: {error}"
    for name, value in weights.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            return f"its {name} is not finite"
    return None
