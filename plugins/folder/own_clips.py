"""`folder:PATH` and `low-folder:PATH`: labelled videos and folders of pictures. No video is opened."""

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
from elrbench_plugins.folder import FOLDER, LOW_FOLDER
from elrbench_plugins.folder.files import clip_at, is_video
from elrbench_plugins.folder.labelled import LabelledFolder


def at(path: Path) -> DatasetSpec:
    """Return the dataset at `path`. Its classes are the folders, or the names in the lists, sorted.

    Raises ElrError if there is no class, or the layout is another one.
    """
    return _at(path, FOLDER)


def at_low(path: Path) -> DatasetSpec:
    """Return the same of clips that were recorded at low size."""
    return _at(path, LOW_FOLDER)


def read(root: Path | None, protocol: str, options: Mapping[str, Value], *, classes: tuple[str, ...] = ()) -> Index:
    """Return the clips of the fold; see `LabelledFolder.index`. Raises ElrError if the layout is another one."""
    return _read(root, FOLDER, classes)


def read_low(root: Path | None, protocol: str, options: Mapping[str, Value], *, classes: tuple[str, ...] = ()) -> Index:
    """Return the same of clips that were recorded at low size."""
    return _read(root, LOW_FOLDER, classes)


def _at(path: Path, template: DatasetSpec) -> DatasetSpec:
    classes = _labelled(path, template).classes()
    return replace(
        template,
        name=folder_dataset_name(template.name, path.name),
        summary=f"your own clips, {len(classes)} classes",
        classes=classes,
        index=functools.partial(read if template is FOLDER else read_low, classes=classes),
        at=None,
    )


def _read(root: Path | None, template: DatasetSpec, classes: tuple[str, ...]) -> Index:
    if root is None:
        name, layout = template.name, template.layout
        raise ElrError(f"dataset '{name}' needs a folder: write {name}:/data/clips; expected layout: {layout}")
    return _labelled(root, template).index(classes)


def _labelled(root: Path, template: DatasetSpec) -> LabelledFolder:
    return LabelledFolder(root=root, template=template.name, layout=template.layout, clip_at=clip_at, found=_found)


def _found(path: Path) -> VideoFile | FrameFolder | None:
    return clip_at(path) if is_video(path) or path.is_dir() else None
