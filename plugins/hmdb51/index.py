"""Lists HMDB51's clips and folds; opens no video."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmark_core.clips.lists import files_by_name, find, levelled, read_lines
from benchmark_core.errors import ElrError
from benchmark_core.specs import DatasetSpec, Value
from benchmark_core.specs.index import Clip, Fold, Index, VideoFile
from elrbench_plugins.hmdb51 import HMDB51

VIDEOS = "hmdb51_org"
SPLITS = "testTrainMulti_7030_splits"


def read(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """The clips that the protocol's folds train or test on, named as the lists name them; see `read_splits`."""
    return read_splits(HMDB51, root, VIDEOS, SPLITS, protocol, lambda listed, path: Path(listed).stem, _level)


def _level(name: str) -> str:
    """Some copies carry a prefix that the lists do not have."""
    return levelled(name.removeprefix("hmdb51_"))


def read_splits(
    spec: DatasetSpec,
    root: Path | None,
    videos: str,
    splits: str,
    protocol: str,
    name_of: Callable[[str, Path], str],
    level: Callable[[str], str] = levelled,
) -> Index:
    """Clips of `root/videos/CLASS/*.avi` in the parts that `root/splits/CLASS_test_splitN.txt` give them.

    name_of: a clip's name within its class, of what the list calls it and its file. level: see `files_by_name`.
    Listed files that are absent go to `missing`.
    Raises ElrError where the folder, a list or every listed clip is missing, or a line cannot be read.
    """
    if root is None:
        raise ElrError(f"{spec.name} needs its folder: --data ROOT, under which lie {spec.layout}")
    for folder in (root / videos, root / splits):
        if not folder.is_dir():
            raise ElrError(f"{spec.name}: there is no folder {folder}; expected under {root}: {spec.layout}")
    on_disk = {name: files_by_name(root / videos / name, level=level) for name in spec.classes}
    if not any(on_disk.values()):
        raise ElrError(f"{spec.name}: no .avi file is under {root / videos}; expected under {root}: {spec.layout}")
    clips: dict[str, Clip] = {}
    folds: dict[str, Fold] = {}
    missing: dict[str, int] = {}
    for number in spec.protocols[protocol].folds:
        parts: dict[str, list[str]] = {"1": [], "2": []}
        for target, name in enumerate(spec.classes):
            for file, part in listed(root / splits / f"{name}_test_split{number}.txt", spec):
                if part == "0":
                    continue
                path = find(file, on_disk[name], level)
                if path is None:
                    missing[f"{name}/{file}"] = target
                    continue
                stem = name_of(file, path)
                clip = Clip(id=f"{name}/{stem}", source=VideoFile(path), target=target, group=source_video(stem, name))
                clips[clip.id] = clip
                parts[part].append(clip.id)
        folds[number] = Fold(train=tuple(parts["1"]), test=tuple(parts["2"]))
    if not clips:
        first = next(iter(missing), "-")
        raise ElrError(
            f"{spec.name}: none of the {len(missing)} listed clips is under {root / videos} (first: {first})"
        )
    files = {path for found in on_disk.values() for path in found.values()}
    return Index(
        clips=tuple(clips.values()),
        folds=folds,
        missing=tuple(missing),
        missing_targets=missing,
        unlisted=len(files) - len(clips),
    )


def listed(path: Path, spec: DatasetSpec) -> Iterator[tuple[str, str]]:
    """(file name, "0" unused | "1" train | "2" test) of each line. ElrError where there is none, or it is not so."""
    empty = True
    for number, line in read_lines(path, spec.name, spec.layout):
        file, _, part = line.rpartition(" ")
        file = file.strip()
        if part not in ("0", "1", "2") or not file or "/" in file or "\\" in file:
            raise ElrError(f"{spec.name}: {path.name} line {number} is not 'FILE 0|1|2': {line!r}")
        empty = False
        yield file, part
    if empty:
        raise ElrError(f"{spec.name}: the list {path} is empty; a line 'FILE 0|1|2' a clip is due, get it anew")


def source_video(stem: str, name: str) -> str:
    """The film that a clip was cut from: HMDB51 puts its title before `_CLASS_`, then six tags of body, camera, people,
    viewpoint, quality and number.
    """
    found = re.fullmatch(rf"(.+)_{re.escape(name)}_[a-z]+_[a-z]+_np\d+_[a-z]+_[a-z]+_\d+", stem)
    return found[1] if found else stem
