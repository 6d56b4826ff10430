"""`array:PATH`: labelled clips of a thermal or other sensor array, as NPY files or tables of numbers."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from benchmark_core.clips.array_frames import npy_values
from benchmark_core.clips.bad_clip import BadClip
from benchmark_core.errors import ElrError
from benchmark_core.names import folder_dataset_name
from benchmark_core.specs import Value
from benchmark_core.specs.index import ArrayFrames, Index
from elrbench import DatasetSpec
from elrbench_plugins.folder import ARRAY
from elrbench_plugins.folder.labelled import LabelledFolder

TABLES = (".csv", ".tsv", ".txt")
SIZE = "size.txt"  # HxW of the frames of tables


def at(path: Path) -> DatasetSpec:
    """Return the dataset at `path`, with its classes and the size of its frames.

    Raises ElrError if there is no class, the layout is another one, or the size of the frames is not known.
    """
    labelled = _labelled(path, (1, 1), 0.0, 1.0)
    classes = labelled.classes()
    size = _size(path, labelled.index(classes))
    return replace(
        ARRAY,
        name=folder_dataset_name(ARRAY.name, path.name),
        summary=f"clips of a {size[0]}x{size[1]} array, {len(classes)} classes",
        classes=classes,
        recorded_size=size,
        index=functools.partial(read, classes=classes, size=size),
        at=None,
    )


def read(
    root: Path | None,
    protocol: str,
    options: Mapping[str, Value],
    *,
    classes: tuple[str, ...] = (),
    size: tuple[int, int] = (1, 1),
) -> Index:
    """Return the clips of the fold; see `LabelledFolder.index`. Raises ElrError if the layout is another one."""
    if root is None:
        raise ElrError(f"dataset 'array' needs a folder: write array:/data/clips; expected layout: {ARRAY.layout}")
    coldest, hottest = float(options["coldest"]), float(options["hottest"])
    if coldest >= hottest:
        raise ElrError(f"dataset.coldest={coldest} is not below dataset.hottest={hottest}; change one of them")
    return _labelled(root, size, coldest, hottest).index(classes)


def _labelled(root: Path, size: tuple[int, int], coldest: float, hottest: float) -> LabelledFolder:
    def clip_at(path: Path) -> ArrayFrames | None:
        if path.suffix not in (".npy", *TABLES) or not path.is_file():
            return None
        return ArrayFrames(path=path, shape=size, coldest=coldest, hottest=hottest)

    return LabelledFolder(root=root, template=ARRAY.name, layout=ARRAY.layout, clip_at=clip_at, found=clip_at)


def _size(root: Path, index: Index) -> tuple[int, int]:
    """Return (rows, columns): of `size.txt` or, without tables, of the first NPY file."""
    if (root / SIZE).is_file():
        text = (root / SIZE).read_text(encoding="utf-8", errors="replace").strip()
        if not (found := re.fullmatch(r"([1-9]\d{0,2})x([1-9]\d{0,2})", text)):
            raise ElrError(f"array:{root}: {SIZE} holds {text[:40]!r}, not HxW such as 24x32")
        return int(found[1]), int(found[2])
    paths = [clip.source.path for clip in index.clips if isinstance(clip.source, ArrayFrames)]
    if any(path.suffix in TABLES for path in paths) or not paths:
        raise ElrError(f"array:{root}: write the size of a frame, such as 24x32, into {SIZE} in this folder")
    for path in paths:
        try:
            rows, columns = npy_values(path).shape[1:]
        except BadClip:
            continue  # reported with its name when it is decoded
        return int(rows), int(columns)
    raise ElrError(f"array:{root}: none of its {len(paths)} NPY files can be read; expected layout: {ARRAY.layout}")
