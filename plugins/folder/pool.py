"""`videos:PATH`: every video in a folder, without labels. No video is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from benchmark_core.errors import ElrError
from benchmark_core.names import folder_dataset_name
from benchmark_core.specs import Value
from benchmark_core.specs.index import Clip, Index, VideoFile
from elrbench import DatasetSpec
from elrbench_plugins.folder import VIDEOS
from elrbench_plugins.folder.files import VIDEOS as VIDEO_SUFFIXES
from elrbench_plugins.folder.files import is_video, shown


def at(path: Path) -> DatasetSpec:
    """Return the unlabelled dataset at `path`."""
    return replace(VIDEOS, name=folder_dataset_name(VIDEOS.name, path.name), summary="clips without labels", at=None)


def read(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return all videos under `root`, or the one video that `root` is, in no fold. ElrError if there is none."""
    if root is None:
        raise ElrError("dataset 'videos' needs a folder: write videos:/data/clips")
    clips = []
    unlisted = 0
    folder = root.parent if root.is_file() else root
    for path in [root] if root.is_file() else walk(root):
        if is_video(path):
            name = shown(path.relative_to(folder).parts)
            clips.append(Clip(id=name, source=VideoFile(path), target=None))
        else:
            unlisted += 1
    if not clips and root.is_file():
        raise ElrError(f"videos:{root}: the file is not a video; known suffixes: {' '.join(sorted(VIDEO_SUFFIXES))}")
    if not clips:
        raise ElrError(f"videos:{root}: there is no video in it, at any depth")
    return Index(clips=tuple(clips), folds={}, unlabelled=tuple(clip.id for clip in clips), unlisted=unlisted)


def walk(root: Path) -> Iterator[Path]:
    """Yield the files in `root` in an order that depends on names only.

    Symlinks to folders are followed, but no folder is entered twice. Folders come before symlinks, so that files of
    `root` itself keep their own path.
    """
    seen: set[tuple[int, int]] = set()
    waiting = [root]
    links: list[Path] = []
    while waiting or links:
        folder = waiting.pop() if waiting else links.pop(0)
        try:
            state = folder.stat()
            if (state.st_dev, state.st_ino) in seen:
                continue
            seen.add((state.st_dev, state.st_ino))
            with os.scandir(folder) as scanned:
                inside = sorted((one for one in scanned if not one.name.startswith(".")), key=lambda one: one.name)
        except OSError as error:
            raise ElrError(f"videos:{root}: the folder {folder} cannot be listed: {error.strerror or error}") from error
        below = []
        for entry in inside:
            path = folder / entry.name
            if entry.is_dir(follow_symlinks=False):
                below.append(path)
            elif entry.is_symlink() and path.is_dir():
                links.append(path)
            else:
                yield path
        waiting += reversed(below)
