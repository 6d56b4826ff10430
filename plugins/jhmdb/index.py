"""Lists JHMDB's clips and folds; opens no video."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmark_core.clips.index import Clip, Fold, Index, VideoFile
from benchmark_core.errors import ElrError
from benchmark_core.specs import Value
from elrbench_plugins.jhmdb import CLASSES, JHMDB

VIDEOS = "ReCompress_Videos"
SPLITS = "splits"


def read(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """The clips that the protocol's folds train or test on; listed files that are absent go to `missing`.

    Raises ElrError where the folder, a list or every listed clip is missing, or a line cannot be read.
    """
    if root is None:
        raise ElrError(f"jhmdb needs its folder: --data ROOT, under which lie {JHMDB.layout}")
    for folder in (root / VIDEOS, root / SPLITS):
        if not folder.is_dir():
            raise ElrError(f"jhmdb: there is no folder {folder}; expected under {root}: {JHMDB.layout}")
    on_disk = {name: _videos(root / VIDEOS / name) for name in CLASSES}
    if not any(on_disk.values()):
        raise ElrError(f"jhmdb: no .avi file is under {root / VIDEOS}; expected under {root}: {JHMDB.layout}")
    clips: dict[str, Clip] = {}
    folds: dict[str, Fold] = {}
    missing: dict[str, None] = {}
    for number in JHMDB.protocols[protocol].folds:
        parts: dict[str, list[str]] = {"1": [], "2": []}
        for target, name in enumerate(CLASSES):
            for file, part in _listed(root / SPLITS / f"{name}_test_split{number}.txt"):
                if part == "0":
                    continue
                path = on_disk[name].get(file) or on_disk[name].get(_plain(file))
                if path is None:
                    missing[f"{name}/{file}"] = None
                    continue
                clip = Clip(
                    id=f"{name}/{path.stem}", source=VideoFile(path), target=target, group=source_video(path.stem, name)
                )
                clips[clip.id] = clip
                parts[part].append(clip.id)
        folds[number] = Fold(train=tuple(parts["1"]), test=tuple(parts["2"]))
    if not clips:
        first = next(iter(missing), "-")
        raise ElrError(f"jhmdb: none of the {len(missing)} listed clips is under {root / VIDEOS} (first: {first})")
    files = {path for videos in on_disk.values() for path in videos.values()}
    return Index(clips=tuple(clips.values()), folds=folds, missing=tuple(missing), unlisted=len(files) - len(clips))


def source_video(stem: str, name: str) -> str:
    """The film that a clip was cut from: HMDB51 puts its title before `_CLASS_`, then six tags of body, camera, people,
    viewpoint, quality and number.
    """
    found = re.fullmatch(rf"(.+)_{re.escape(name)}_[a-z]+_[a-z]+_np\d+_[a-z]+_[a-z]+_\d+", stem)
    return found[1] if found else stem


def _videos(folder: Path) -> dict[str, Path]:
    """Files by name, and by name with its punctuation levelled where that is still one file's alone."""
    if not folder.is_dir():
        return {}
    files = {path.name: path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".avi"}
    levelled: dict[str, list[Path]] = {}
    for name, path in files.items():
        levelled.setdefault(_plain(name), []).append(path)
    return {plain: paths[0] for plain, paths in levelled.items() if len(paths) == 1} | files


def _plain(name: str) -> str:
    """HMDB51's lists and JHMDB's files differ in characters such as `(`, `!` and `-`."""
    return re.sub(r"[^A-Za-z0-9.]", "_", name)


def _listed(path: Path) -> Iterator[tuple[str, str]]:
    """(file name, "0" | "1" | "2") of each line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise ElrError(f"jhmdb: the list {path} cannot be read: {error}; expected: {JHMDB.layout}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        file, _, part = line.strip().rpartition(" ")
        if part not in ("0", "1", "2") or not file.strip() or "/" in file or "\\" in file:
            raise ElrError(f"jhmdb: {path.name} line {number} is not 'FILE 0|1|2': {line.strip()!r}")
        yield file.strip(), part
