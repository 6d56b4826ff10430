"""Lists the clips of TinyVIRAT's releases and of sets in their format; opens no video.

An entry's `dim` is not read: sources disagree on its order, and the video tells its own size.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from benchmark_core.errors import ElrError, unknown
from benchmark_core.specs import DatasetSpec, Value
from benchmark_core.specs.index import Clip, Fold, Index, VideoFile
from elrbench_plugins.tinyvirat import CLASSES, TINYVIRAT, TINYVIRAT_V2, VIRAT_CROPS


@dataclass(frozen=True)
class Part:
    """A list under the root, and the folder in videos/ that its paths start from."""

    file: str
    folder: str


def read_first(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """TinyVIRAT as first released."""
    return _read(TINYVIRAT, root, Part("tiny_train.json", "train"), Part("tiny_test.json", "test"))


def read_second(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """The challenge's release: its test clips, where their list is there, are the pool."""
    train, val = Part("tiny_train_v2.json", "train"), Part("tiny_val_v2.json", "val")
    return _read(TINYVIRAT_V2, root, train, val, pool=Part("tiny_test_v2_public.json", "test"))


def read_crops(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Larger crops in the same format."""
    return _read(VIRAT_CROPS, root, Part("crops_train.json", "train"), Part("crops_test.json", "test"))


def _read(spec: DatasetSpec, root: Path | None, train: Part, test: Part, pool: Part | None = None) -> Index:
    """The clips of two labelled parts, and of an unlabelled one. A clip's id is FOLDER/PATH without its suffix.

    Labelled clips whose video is absent go to `missing`. The pool is listed whole, whatever lies on the disk: the index
    then does not depend on which videos were downloaded, and predicting names an absent one.
    Raises ElrError where a list is missing, an entry cannot be used, or no labelled video is there and no pool listed.
    """
    if root is None:
        raise ElrError(f"{spec.name} needs its folder: --data ROOT, under which lie {spec.layout}")
    clips: dict[str, Clip] = {}
    missing: dict[str, tuple[int, ...]] = {}
    parts: dict[Part, list[str]] = {train: [], test: []}
    for part, ids in parts.items():
        for clip in _clips(spec, root, part, labelled=True):
            assert isinstance(clip.source, VideoFile) and isinstance(clip.target, tuple)
            if not os.path.isfile(clip.source.path):  # unlike Path's, it takes a name too long for a file
                missing[clip.id] = clip.target
                continue
            clips[clip.id] = clip
            ids.append(clip.id)
    unlabelled = []
    if pool is not None and (root / pool.file).is_file():
        unlabelled = list(_clips(spec, root, pool, labelled=False))
    if not clips and not unlabelled:
        first = next(iter(missing), "-")
        raise ElrError(
            f"{spec.name}: none of the {len(missing)} listed clips is under {root / 'videos'} (first: {first}); "
            f"expected: {spec.layout}"
        )
    return Index(
        clips=(*clips.values(), *unlabelled),
        folds={"1": Fold(train=tuple(parts[train]), test=tuple(parts[test]))},
        missing=tuple(missing),
        missing_targets=missing,
        unlabelled=tuple(clip.id for clip in unlabelled),
    )


def _clips(spec: DatasetSpec, root: Path, part: Part, *, labelled: bool) -> Iterator[Clip]:
    listed = set()
    for where, entry in _entries(spec, root / part.file):
        path = _path(where, entry.get("path"))
        name = str(part.folder / path.with_suffix(""))
        if name in listed:
            raise ElrError(f"{where} lists {path} a second time; remove one of the two")
        listed.add(name)
        yield Clip(
            id=name,
            source=VideoFile(root / "videos" / part.folder / path),
            target=_target(where, entry.get("label")) if labelled else None,
            group=str(entry.get("video_id", "")),
        )


def _entries(spec: DatasetSpec, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(what an error calls it, entry) of a list, bare or under `tubes`."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ElrError(f"{spec.name}: the list {path} cannot be read: {reason}; expected: {spec.layout}") from error
    entries = content.get("tubes") if isinstance(content, dict) else content
    if not isinstance(entries, list) or not entries:
        raise ElrError(f"{spec.name}: {path} holds no list of clips, bare or under 'tubes'; expected: {spec.layout}")
    for number, entry in enumerate(entries, start=1):
        where = f"{spec.name}: entry {number} of {path.name}"
        if not isinstance(entry, dict):
            raise ElrError(f"{where} is not an object with 'path' and 'label' but {str(entry)[:40]!r}")
        yield where, entry


def _path(where: str, text: object) -> PurePosixPath:
    """A path below the videos' folder, and never above it."""
    path = PurePosixPath(text) if isinstance(text, str) else PurePosixPath()
    if not path.name or path.is_absolute() or ".." in path.parts or set(str(path)) & set("\\\0"):
        raise ElrError(f"{where} has the path {text!r}, which does not lead to a file below videos/; correct the list")
    return path


def _target(where: str, labels: object) -> tuple[int, ...]:
    """Class numbers, in order, each once."""
    if not isinstance(labels, list) or not labels:
        raise ElrError(f"{where} has the label {labels!r}, where a list of at least one class is due; correct the list")
    for label in labels:
        if label not in CLASSES:
            raise ElrError(f"{where}: {unknown('class', str(label), CLASSES)}")
    return tuple(sorted({CLASSES.index(label) for label in labels}))
