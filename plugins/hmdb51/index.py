"""List the clips and folds of HMDB51. No video is opened."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmark_core.errors import ElrError
from benchmark_core.specs import DatasetSpec, Value
from benchmark_core.specs.index import Clip, Fold, Index, VideoFile
from elrbench_plugins.dataset_lists import files_by_name, find, levelled, read_lines
from elrbench_plugins.hmdb51 import HMDB51

VIDEOS = "hmdb51_org"
SPLITS = "testTrainMulti_7030_splits"


def read(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the clips of the protocol's folds, named as in the lists; see `read_splits`."""
    return read_splits(HMDB51, root, VIDEOS, SPLITS, protocol, lambda listed, path: Path(listed).stem, level_name)


def level_name(name: str) -> str:
    """Remove a prefix that some copies have and the lists do not."""
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
    """Return the clips of `root/videos/CLASS/*.avi`, split as `root/splits/CLASS_test_splitN.txt` say.

    name_of: (name in the list, file) -> name of the clip within its class. level: see `files_by_name`.
    Listed files that do not exist are in `missing` of the index.
    Raises ElrError if the folder, a list or all listed clips are missing, or a line cannot be read.
    """
    if root is None:
        raise ElrError(f"dataset '{spec.name}' needs its files: pass --data DIR; expected in it: {spec.layout}")
    for folder in (root / videos, root / splits):
        if not folder.is_dir():
            raise ElrError(f"{spec.name}: the folder {folder} does not exist; expected in {root}: {spec.layout}")
    on_disk = {name: files_by_name(root / videos / name, level=level) for name in spec.classes}
    if not any(on_disk.values()):
        raise ElrError(f"{spec.name}: there is no .avi file in {root / videos}; expected in {root}: {spec.layout}")
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
            f"{spec.name}: none of the {len(missing)} listed clips is in {root / videos} (first: {first}); "
            f"expected in {root}: {spec.layout}"
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
    """Yield (file name, "0" unused | "1" train | "2" test) of each line. Raises ElrError for a bad line or none."""
    empty = True
    for number, line in read_lines(path, spec.name, spec.layout):
        file, _, part = line.rpartition(" ")
        file = file.strip()
        if part not in ("0", "1", "2") or not file or "/" in file or "\\" in file:
            raise ElrError(f"{spec.name}: {path.name} line {number} is not 'FILE 0|1|2': {line!r}")
        empty = False
        yield file, part
    if empty:
        raise ElrError(
            f"{spec.name}: the list {path} is empty; expected one line 'FILE 0|1|2' for each clip. Download it again"
        )


def source_video(stem: str, name: str) -> str:
    """Return the film that a clip was cut from: the part of the file name before `_CLASS_`.

    Six tags follow the class: body, camera, people, viewpoint, quality, number.
    """
    found = re.fullmatch(rf"(.+)_{re.escape(name)}_[a-z]+_[a-z]+_np\d+_[a-z]+_[a-z]+_\d+", stem)
    return found[1] if found else stem
