"""Verify a cache folder: read every frame of every clip and every weight of every stage."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from av.error import FFmpegError

from benchmark_core.canonical import digest_of
from benchmark_core.clips import clipfile
from benchmark_core.progress import Reporter
from benchmark_core.training.stage_files import CHECKPOINT, NOTE, WEIGHTS, damage, open_checkpoint
from elrbench_plugins.commands.cache.clearing import remove_clips, remove_stage, removing
from elrbench_plugins.commands.cache.contents import Cache, StoredFormat, StoredStage


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A broken clip or stage. removed: whether it was removed, so that the next run makes it again."""

    path: Path
    reason: str
    removed: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return plain names."""
        return {"path": str(self.path), "reason": self.reason, "removed": self.removed}


@dataclass(frozen=True, kw_only=True)
class CacheReport:
    """What was read. busy: stages that were not read because another process is training them."""

    clips: int
    stages: int
    busy: tuple[str, ...]
    broken: tuple[Broken, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        broken = [one.to_json() for one in self.broken]
        return {"clips": self.clips, "stages": self.stages, "busy": list(self.busy), "broken": broken}


def verify(cache: Cache, *, reporter: Reporter, remove: bool = False) -> CacheReport:
    """Read every complete clip and every stage that no process is training.

    remove: remove what is broken, unless another process holds its lock.
    """
    broken = []
    with reporter.steps("clips", sum(one.clips for one in cache.formats)) as advance:
        for stored in cache.formats:
            if reason := format_fault(stored):
                broken.append(_removed(stored, stored.path / "recipe.json", reason, remove))
            for file in stored.files:
                if file.suffix == ".clip":
                    if (reason := clip_fault(file)) and file.exists():
                        broken.append(_removed(stored, file, reason, remove))
                    advance(1)
    read = [stage for stage in cache.stages if not stage.in_training]
    with reporter.steps("stages", len(read)) as advance:
        for stage in read:
            if reason := "; ".join(_stage_faults(stage)):
                with removing(cache.root):
                    gone = remove and remove_stage(stage)
                broken.append(Broken(path=stage.path, reason=reason, removed=bool(gone)))
            advance(1)
    return CacheReport(
        clips=sum(one.clips for one in cache.formats),
        stages=len(read),
        busy=tuple(stage.folder for stage in cache.stages if stage.in_training),
        broken=tuple(broken),
    )


def clip_fault(path: Path) -> str | None:
    """Read a whole clip file and decode every frame. Return what is wrong with it, or None.

    For raw frames of older versions, which have no checksum, only the length of the file is checked.
    """
    header = clipfile.read_header(path)
    if header is None:
        return "truncated, or not a clip file"
    try:
        if header.checksum not in (None, clipfile.checksum(path)):
            return "damaged: its checksum does not match"
        for number in range(header.frames):
            clipfile.read_frames(path, header, [number])
    except (OSError, FFmpegError, ValueError, zlib.error) as error:
        return f"cannot be read: {error}"
    return None


def _removed(stored: StoredFormat, file: Path, reason: str, remove: bool) -> Broken:
    with removing(file.parent):
        gone = remove and bool(remove_clips(stored, [file]).files)
    return Broken(path=file, reason=reason, removed=gone)


def format_fault(stored: StoredFormat) -> str | None:
    """Return how the numbers of a format differ from those that its key stands for; None if they do not."""
    if not (stored.path / "recipe.json").is_file():  # the next run that uses the format writes it
        return None
    if digest_of(stored.numbers) != stored.key:
        return "its numbers do not match its key"
    return None


def _stage_faults(stage: StoredStage) -> Iterator[str]:
    if (stage.path / NOTE).exists() and not stage.finished:
        yield f"its {NOTE} cannot be read"
    if stage.finished:
        found = damage(stage.path, stage.note) or _weights_fault(stage.path / WEIGHTS)
        if found:
            yield found
    elif (stage.path / CHECKPOINT).exists():
        try:
            with open_checkpoint(stage.path / CHECKPOINT, stage.key):
                pass
        except (OSError, ValueError) as error:
            yield f"its {CHECKPOINT} {error}"


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
            return f"its weight {name} is not finite"
    return None
