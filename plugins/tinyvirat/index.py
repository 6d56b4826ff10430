"""List the clips of TinyVIRAT's releases and of datasets in their format. No video is opened.

An entry's `dim` is not read: its order differs between sources, and the video has its own size.
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
    """A list in the dataset's folder, and the folder in videos/ that its paths start from."""

    file: str
    folder: str


def read_first(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the index of TinyVIRAT as first released."""
    return _read(TINYVIRAT, root, Part("tiny_train.json", "train"), Part("tiny_test.json", "test"))


def read_second(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the index of the challenge's release. Its test clips are the pool, if their list exists."""
    train, val = Part("tiny_train_v2.json", "train"), Part("tiny_val_v2.json", "val")
    return _read(TINYVIRAT_V2, root, train, val, pool=Part("tiny_test_v2_public.json", "test"))


def read_crops(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the index of larger crops in the same format."""
    return _read(VIRAT_CROPS, root, Part("crops_train.json", "train"), Part("crops_test.json", "test"))


def _read(spec: DatasetSpec, root: Path | None, train: Part, test: Part, pool: Part | None = None) -> Index:
    """Return the clips of two labelled lists and an unlabelled one. A clip's id is FOLDER/PATH without its suffix.

    Labelled clips without a video are in `missing`. The pool has every listed clip, on disk or not: so the index does
    not depend on which videos were downloaded, and predicting reports an absent one.
    Raises ElrError if a list is missing, an entry cannot be used, or there is neither a labelled video nor a pool.
    """
    if root is None:
        raise ElrError(f"dataset '{spec.name}' needs its files: pass --data DIR; expected in it: {spec.layout}")
    clips: dict[str, Clip] = {}
    missing: dict[str, tuple[int, ...]] = {}
    parts: dict[Part, list[str]] = {train: [], test: []}
    for part, ids in parts.items():
        for clip in _clips(spec, root, part, labelled=True):
            assert isinstance(clip.source, VideoFile) and isinstance(clip.target, tuple)
            if not os.path.isfile(clip.source.path):  # unlike Path.is_file, this accepts a name that is too long
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
            f"{spec.name}: none of the {len(missing)} listed clips is in {root / 'videos'} (first: {first}); "
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
            raise ElrError(f"{where} lists {path} a second time; remove one of the two entries")
        listed.add(name)
        yield Clip(
            id=name,
            source=VideoFile(root / "videos" / part.folder / path),
            target=_target(where, entry.get("label")) if labelled else None,
            group=str(entry.get("video_id", "")),
        )


def _entries(spec: DatasetSpec, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (name in errors, entry) of a list, bare or under `tubes`."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ElrError(f"{spec.name}: the list {path} cannot be read: {reason}; expected: {spec.layout}") from error
    entries = content.get("tubes") if isinstance(content, dict) else content
    if not isinstance(entries, list) or not entries:
        raise ElrError(f"{spec.name}: {path} has no list of clips, bare or under 'tubes'; expected: {spec.layout}")
    for number, entry in enumerate(entries, start=1):
        where = f"{spec.name}: entry {number} of {path.name}"
        if not isinstance(entry, dict):
            raise ElrError(f"{where} is not an object with 'path' and 'label' but {str(entry)[:40]!r}")
        yield where, entry


def _path(where: str, text: object) -> PurePosixPath:
    """Return the path, which must be inside the folder of the videos."""
    path = PurePosixPath(text) if isinstance(text, str) else PurePosixPath()
    if not path.name or path.is_absolute() or ".." in path.parts or set(str(path)) & set("\\\0"):
        raise ElrError(f"{where} has the path {text!r}, which does not lead to a file in videos/; correct the list")
    return path


def _target(where: str, labels: object) -> tuple[int, ...]:
    """Return class numbers, sorted, each once."""
    if not isinstance(labels, list) or not labels:
        raise ElrError(
            f"{where} has the label {labels!r}, but a list of at least one class is expected; correct the list"
        )
    for label in labels:
        if label not in CLASSES:
            raise ElrError(f"{where}: {unknown('class', str(label), CLASSES)}")
    return tuple(sorted({CLASSES.index(label) for label in labels}))
