"""Clips and folds, as listed by a dataset. Listing decodes nothing."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from benchmark_core.specs.target import Target


@dataclass(frozen=True, init=False, slots=True)
class VideoFile:
    """A clip stored as one video file: `VideoFile(path)`.

    whole: frames are resized whole, whatever their aspect, instead of cropped: the actor fills them (`whole=True`).
    The path is stored as two texts, and clips of one folder share the first: many `Path`s would take too much memory.
    """

    folder: str
    name: str
    whole: bool

    def __init__(self, path: Path, whole: bool = False) -> None:
        folder, name = os.path.split(path)
        object.__setattr__(self, "folder", sys.intern(folder))
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "whole", whole)

    @property
    def path(self) -> Path:
        """Path of the file."""
        return Path(self.folder, self.name)

    def __reduce__(self) -> tuple[type[VideoFile], tuple[Path, bool]]:
        return type(self), (self.path, self.whole)


@dataclass(frozen=True, slots=True)
class FrameFolder:
    """A clip stored as pictures in a folder. `names`: the file names in order."""

    path: Path
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FrameFolders:
    """A clip that several cameras recorded at once, one folder each: their pictures are side by side, in this order.

    All folders have as many pictures, of the same height and format.
    """

    parts: tuple[FrameFolder, ...]

    @property
    def path(self) -> Path:
        """Path of the first camera's folder."""
        return self.parts[0].path


@dataclass(frozen=True, kw_only=True, slots=True)
class TableFrames:
    """A clip stored as rows of a CSV table, one frame per row: temperatures of a thermal array.

    first, last: row numbers from 0, both included. prefix: start of the column names, such as `P` for `P000` to `P255`.
    shape: (rows, columns) of a frame. coldest, hottest: values that become grey levels 0 and 255.
    """

    path: Path
    first: int
    last: int
    prefix: str
    shape: tuple[int, int]
    coldest: float
    hottest: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ArrayFrames:
    """A clip of a sensor array: an NPY file (N, rows, columns), or lines of numbers, one frame per line.

    shape: (rows, columns) of a frame. coldest, hottest: values that become grey levels 0 and 255.
    """

    path: Path
    shape: tuple[int, int]
    coldest: float
    hottest: float


@dataclass(frozen=True, slots=True)
class Drawn:
    """A clip drawn by code: `render(key) -> Iterator[Frames]`. `key`: a JSON text with version, seed and clip."""

    render: Target
    key: str


Source: TypeAlias = VideoFile | FrameFolder | FrameFolders | TableFrames | ArrayFrames | Drawn


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """One video.

    id: unique in its dataset. target: class number; a tuple of class numbers if multi-label; None if unlabelled.
    source: a `VideoFile`, a `FrameFolder` of pictures, `FrameFolders` of several cameras, `TableFrames` (rows of a CSV
        table), `ArrayFrames` (an NPY file or lines of numbers), or `Drawn` (frames that code draws).
    group: the subject, or the film that the clip was cut from; validation splits keep groups together.
    action: name of the action, if the target is something else, such as the person. A guess that knows nothing but this
        name is scored next to the recognizer.
    """

    id: str
    source: Source
    target: int | tuple[int, ...] | None
    group: str = ""
    action: str = ""

    @property
    def labels(self) -> tuple[int, ...]:
        """Class numbers; empty if unlabelled."""
        target = () if self.target is None else self.target
        return (target,) if isinstance(target, int) else target


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Ids of the training clips and of the test clips."""

    train: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Index:
    """All clips of a protocol, and its folds: fold name -> `Fold`.

    missing: listed files that are not on disk; they are in no fold. missing_targets: their targets, if the lists state
        them. unlabelled: ids of clips without labels. contents: a digest of the files, for datasets whose ids are only
        file names. unlisted: number of files that no list names. notes: lines to show to the user.
    """

    clips: tuple[Clip, ...]
    folds: Mapping[str, Fold]
    missing: tuple[str, ...] = ()
    missing_targets: Mapping[str, int | tuple[int, ...]] = field(default_factory=dict)
    unlabelled: tuple[str, ...] = ()
    contents: str = ""
    unlisted: int = 0
    notes: tuple[str, ...] = ()

    @cached_property
    def by_id(self) -> Mapping[str, Clip]:
        """Clip id -> clip."""
        return {clip.id: clip for clip in self.clips}

    def split(self, fold: str, part: str) -> tuple[Clip, ...]:
        """Return the clips of a fold's "train" or "test" part, in listed order."""
        return tuple(self.by_id[key] for key in getattr(self.folds[fold], part))

    def digest(self) -> str:
        """Return 16 hex digits over each clip's id, target, group and action, folds, `contents`, keys, and `whole`."""
        whole = [clip.id for clip in self.clips if isinstance(clip.source, VideoFile) and clip.source.whole]
        listing = [
            [
                clip.id,
                clip.target,
                clip.group,
                clip.source.key if isinstance(clip.source, Drawn) else "",
                *([clip.action] if clip.action else []),
            ]
            for clip in sorted(self.clips, key=lambda clip: clip.id)
        ]
        folds = {name: [sorted(fold.train), sorted(fold.test)] for name, fold in self.folds.items()}
        plain = [listing, folds, *([self.contents] if self.contents else []), *([sorted(whole)] if whole else [])]
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]
