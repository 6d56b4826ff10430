"""List the clips and folds of UCF101. No video is opened."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmark_core.errors import ElrError, unknown
from benchmark_core.specs import Value
from benchmark_core.specs.index import Clip, Fold, Index, VideoFile
from elrbench_plugins.dataset_lists import files_by_name, find, levelled, read_lines
from elrbench_plugins.ucf101 import CLASSES, UCF101

VIDEOS = "UCF-101"
LISTS = "ucfTrainTestlist"
NUMBERS = {name.casefold(): number for number, name in enumerate(CLASSES)}


def read(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the clips of the protocol's folds. Listed files that do not exist are in `missing`.

    Case is ignored in the names of classes and files: lists and folders differ in HandstandPushups and
    HandStandPushups. Ids have the spelling of `CLASSES`. The group of a clip is the video that it was cut from,
    `CLASS/gNN`.
    Raises ElrError if the folder, a list or every listed clip is missing, or a line cannot be read.
    """
    if root is None:
        raise ElrError(f"dataset 'ucf101' needs its files: pass --data DIR; expected in it: {UCF101.layout}")
    for folder in (root / VIDEOS, root / LISTS):
        if not folder.is_dir():
            raise ElrError(f"ucf101: the folder {folder} does not exist; expected in {root}: {UCF101.layout}")
    on_disk = _files(root / VIDEOS)
    if not any(on_disk):
        raise ElrError(f"ucf101: there is no .avi file in {root / VIDEOS}; expected in {root}: {UCF101.layout}")
    clips: dict[str, Clip] = {}
    folds: dict[str, Fold] = {}
    missing: dict[str, int] = {}
    for number in UCF101.protocols[protocol].folds:
        parts: dict[str, list[str]] = {"train": [], "test": []}
        for part, ids in parts.items():
            for target, file in listed(root / LISTS / f"{part}list0{number}.txt"):
                path = find(file, on_disk[target], _level)
                if path is None:
                    missing[f"{CLASSES[target]}/{file}"] = target
                    continue
                stem, group = name_of(Path(file).stem, CLASSES[target])
                clip = Clip(
                    id=f"{CLASSES[target]}/{stem}",
                    source=VideoFile(path),
                    target=target,
                    group=f"{CLASSES[target]}/{group}",
                )
                clips[clip.id] = clip
                ids.append(clip.id)
        folds[number] = Fold(train=tuple(parts["train"]), test=tuple(parts["test"]))
    if not clips:
        first = next(iter(missing), "-")
        raise ElrError(
            f"ucf101: none of the {len(missing)} listed clips is in {root / VIDEOS} (first: {first}); "
            f"expected in {root}: {UCF101.layout}"
        )
    files = {path for found in on_disk for path in found.values()}
    return Index(
        clips=tuple(clips.values()),
        folds=folds,
        missing=tuple(missing),
        missing_targets=missing,
        unlisted=len(files) - len(clips),
    )


def listed(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (class number from 0, file name) of each line. A class number in the line, from 1, must agree."""
    for number, line in read_lines(path, "ucf101", UCF101.layout):
        found = re.fullmatch(r"([^/\\]+)/([^/\\]+\.avi)(?:\s+(\d+))?", line, flags=re.IGNORECASE)
        if not found:
            raise ElrError(
                f"ucf101: {path.name} line {number} is not 'CLASS/FILE.avi' or 'CLASS/FILE.avi NUMBER': {line!r}"
            )
        target = NUMBERS.get(found[1].casefold())
        if target is None:
            raise ElrError(f"ucf101: {path.name} line {number}: {unknown('class', found[1], CLASSES)}")
        if found[3] and int(found[3]) != target + 1:
            raise ElrError(
                f"ucf101: {path.name} line {number} gives class {CLASSES[target]} the number {found[3]}, "
                f"but it is {target + 1} in classInd.txt"
            )
        yield target, found[2]


def name_of(stem: str, name: str) -> tuple[str, str]:
    """Return (clip name with its class spelled as `name`, source video) of `v_CLASS_gNN_cNN`."""
    found = re.fullmatch(r"v_(\w+)_(g\d+)_(c\d+)", stem)
    if not found or found[1].casefold() != name.casefold():
        return stem, stem
    return f"v_{name}_{found[2]}_{found[3]}", found[2]


def _level(name: str) -> str:
    return levelled(name).casefold()


def _files(folder: Path) -> list[dict[str, Path]]:
    """Return the files of each class by name. Folders of one class may differ in case, even on one disk."""
    on_disk: list[dict[str, Path]] = [{} for _ in CLASSES]
    for path in sorted(folder.iterdir()):
        if path.name.casefold() in NUMBERS:
            on_disk[NUMBERS[path.name.casefold()]] |= files_by_name(path, level=_level)
    return on_disk
