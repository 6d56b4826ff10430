"""Clips and folds as a dataset lists them. Nothing is decoded here."""

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

    Kept as two texts, the folder shared by its clips: a hundred thousand `Path`s would weigh more than all else.
    """

    folder: str
    name: str

    def __init__(self, path: Path) -> None:
        folder, name = os.path.split(path)
        object.__setattr__(self, "folder", sys.intern(folder))
        object.__setattr__(self, "name", name)

    @property
    def path(self) -> Path:
        """Where the file is."""
        return Path(self.folder, self.name)

    def __reduce__(self) -> tuple[type[VideoFile], tuple[Path]]:
        return type(self), (self.path,)


@dataclass(frozen=True, slots=True)
class FrameFolder:
    """A clip stored as numbered pictures in a folder. `names`: its files in order."""

    path: Path
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TableFrames:
    """A clip stored as rows of a CSV table, one frame a row: a thermal array's temperatures.

    first, last: rows, counted from 0, both included. prefix: of the columns, `P000` to `P255`. shape: (rows, columns).
    coldest, hottest: what becomes grey level 0 and 255.
    """

    path: Path
    first: int
    last: int
    prefix: str
    shape: tuple[int, int]
    coldest: float
    hottest: float


@dataclass(frozen=True, slots=True)
class Drawn:
    """A clip drawn by code: `render(key) -> Iterator[Frames]`, `key` a JSON text that names version, seed and clip."""

    render: Target
    key: str


Source: TypeAlias = VideoFile | FrameFolder | TableFrames | Drawn


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """One video. `target`: a class number, several for multi-label, None without labels.

    group: its subject, or the film it was cut from.
    """

    id: str
    source: Source
    target: int | tuple[int, ...] | None
    group: str = ""


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Clip ids that train and that test."""

    train: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Index:
    """All clips of a protocol and its folds.

    missing: listed files that are not on disk (in no fold). missing_targets: what their clips' targets would be, where
    the lists tell. pool: ids of clips without labels. contents: a digest of the files, where ids are no more than names
    in someone's folder.
    """

    clips: tuple[Clip, ...]
    folds: Mapping[str, Fold]
    missing: tuple[str, ...] = ()
    missing_targets: Mapping[str, int | tuple[int, ...]] = field(default_factory=dict)
    unlabelled: tuple[str, ...] = ()
    contents: str = ""
    unlisted: int = 0
    notes: tuple[str, ...] = field(default=())

    @cached_property
    def by_id(self) -> Mapping[str, Clip]:
        """Clips by their id."""
        return {clip.id: clip for clip in self.clips}

    def split(self, fold: str, part: str) -> tuple[Clip, ...]:
        """The clips of one part ("train" or "test") of a fold, in listed order."""
        return tuple(self.by_id[key] for key in getattr(self.folds[fold], part))

    def digest(self) -> str:
        """sha256 over ids, targets, groups, folds, contents, what draws a drawn clip: equal digests list equal data."""
        listing = [
            [clip.id, clip.target, clip.group, clip.source.key if isinstance(clip.source, Drawn) else ""]
            for clip in sorted(self.clips, key=lambda clip: clip.id)
        ]
        folds = {name: [sorted(fold.train), sorted(fold.test)] for name, fold in self.folds.items()}
        plain = [listing, folds, self.contents] if self.contents else [listing, folds]
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]
