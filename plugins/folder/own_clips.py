"""`folder:PATH`: labelled videos and folders of pictures. No video is opened."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from benchmark_core.errors import ElrError
from benchmark_core.names import folder_dataset_name
from benchmark_core.specs import Value
from benchmark_core.specs.index import FrameFolder, Index, VideoFile
from elrbench import DatasetSpec
from elrbench_plugins.folder import FOLDER
from elrbench_plugins.folder.files import clip_at, is_video
from elrbench_plugins.folder.labelled import LabelledFolder


def at(path: Path) -> DatasetSpec:
    """Return the dataset at `path`. Its classes are the folders, or the names in the lists, sorted.

    Raises ElrError if there is no class, or the layout is another one.
    """
    classes = _labelled(path).classes()
    return replace(
        FOLDER,
        name=folder_dataset_name(FOLDER.name, path.name),
        summary=f"your own clips, {len(classes)} classes",
        classes=classes,
        index=functools.partial(read, classes=classes),
        at=None,
    )


def read(root: Path | None, protocol: str, options: Mapping[str, Value], *, classes: tuple[str, ...] = ()) -> Index:
    """Return the clips of the fold; see `LabelledFolder.index`. Raises ElrError if the layout is another one."""
    if root is None:
        raise ElrError(f"dataset 'folder' needs a folder: write folder:/data/clips; expected layout: {FOLDER.layout}")
    return _labelled(root).index(classes)


def _labelled(root: Path) -> LabelledFolder:
    return LabelledFolder(root=root, template=FOLDER.name, layout=FOLDER.layout, clip_at=clip_at, found=_found)


def _found(path: Path) -> VideoFile | FrameFolder | None:
    return clip_at(path) if is_video(path) or path.is_dir() else None
