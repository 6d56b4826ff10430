"""`folder:PATH`: classes are folders; folders or lists split them into train and test. No video is opened."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmark_core.errors import ElrError
from benchmark_core.names import folder_dataset_name
from benchmark_core.specs import Value
from benchmark_core.specs.index import Clip, Fold, FrameFolder, Index, VideoFile
from elrbench import DatasetSpec
from elrbench_plugins.dataset_lists import read_lines
from elrbench_plugins.folder import FOLDER
from elrbench_plugins.folder.files import clip_at, contents, entries, is_video, shown

PARTS = ("train", "test")
Listed = Iterator[tuple[str, str, str]]  # class, clip, part


def at(path: Path) -> DatasetSpec:
    """Return the dataset at `path`. Its classes are the folders, or the names in the lists, sorted.

    Raises ElrError if there is no class, or the layout is another one.
    """
    named = _class_folders(path) if _by_parts(path) else _lists(path)
    classes = tuple(sorted({found[0] for found in named}))
    if not classes:
        raise ElrError(f"folder:{path}: there is no class in it; expected layout: {FOLDER.layout}")
    hard = [name for name in classes if not name.isprintable() or not _is_text(name)]
    if hard:
        raise ElrError(f"folder:{path}: {hard[0]!r} cannot be a class name; use printable characters")
    return replace(
        FOLDER,
        name=folder_dataset_name(FOLDER.name, path.name),
        summary=f"your own clips, {len(classes)} classes",
        classes=classes,
        index=functools.partial(read, classes=classes),
        at=None,
    )


def read(root: Path | None, protocol: str, options: Mapping[str, Value], *, classes: tuple[str, ...] = ()) -> Index:
    """Return the clips of the fold. Listed clips that do not exist are in `missing`; other files count as unlisted.

    Raises ElrError if the layout is another one, or a line of a list cannot be read.
    """
    if root is None:
        raise ElrError(f"dataset 'folder' needs a folder: write folder:/data/clips; expected layout: {FOLDER.layout}")
    numbers = {name: number for number, name in enumerate(classes)}
    found = _Found()
    if _by_parts(root):
        for name, folder in _class_folders(root):
            found.walk(folder, name, folder.parent.name, numbers)
    else:
        found.take(root, _lists(root), numbers)
    return found.index()


@dataclass
class _Found:
    clips: dict[str, Clip] = field(default_factory=dict)
    parts: dict[str, list[str]] = field(default_factory=lambda: {part: [] for part in PARTS})
    missing: list[str] = field(default_factory=list)
    missing_targets: dict[str, int] = field(default_factory=dict)
    unlisted: int = 0

    def walk(self, folder: Path, name: str, part: str, numbers: Mapping[str, int]) -> None:
        """Add every clip in the folder of a class."""
        for path in entries(folder):
            source = clip_at(path) if is_video(path) or path.is_dir() else None
            if source is None:
                self.unlisted += 1
            else:
                self.add(shown((part, name, path.name)), source, numbers[name], part)

    def take(self, root: Path, listed: Listed, numbers: Mapping[str, int]) -> None:
        """Add the listed clips; count the other files of the class folders."""
        for name, clip, part in listed:
            key, source = shown((name, clip)), clip_at(root / name / clip)
            if key in self.clips or key in self.missing_targets:
                raise ElrError(f"folder:{root}: '{key}' is listed twice; list it once, as train or as test")
            if source is None:
                self.missing.append(key)
                self.missing_targets[key] = numbers[name]
            else:
                self.add(key, source, numbers[name], part)
        folders = [root / name for name in numbers if (root / name).is_dir()]
        on_disk = {shown((folder.name, path.name)) for folder in folders for path in entries(folder)}
        self.unlisted = len(on_disk - self.clips.keys())

    def add(self, key: str, source: VideoFile | FrameFolder, target: int, part: str) -> None:
        self.clips[key] = Clip(id=key, source=source, target=target)
        self.parts[part].append(key)

    def index(self) -> Index:
        sources = ((clip.id, clip.source) for clip in self.clips.values())
        return Index(
            clips=tuple(self.clips.values()),
            folds={"1": Fold(train=tuple(self.parts["train"]), test=tuple(self.parts["test"]))},
            missing=tuple(self.missing),
            missing_targets=self.missing_targets,
            contents=contents((key, source) for key, source in sources if isinstance(source, VideoFile | FrameFolder)),
            unlisted=self.unlisted,
        )


def _by_parts(root: Path) -> bool:
    """Whether the split is by folders train/ and test/, without lists."""
    folders = [part for part in PARTS if (root / part).is_dir()]
    lists = [name for name in ("split.txt", "train.txt", "test.txt") if (root / name).is_file()]
    if folders and lists:
        raise ElrError(f"folder:{root}: both {folders[0]}/ and {lists[0]} define the split; remove one of them")
    if len(folders) == 1:
        other = PARTS[1 - PARTS.index(folders[0])]
        raise ElrError(f"folder:{root}: {folders[0]}/ exists but {other}/ does not; expected layout: {FOLDER.layout}")
    return bool(folders)


def _class_folders(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield (class, folder) of train/, then of test/, each sorted."""
    for part in PARTS:
        yield from ((path.name, path) for path in entries(root / part) if path.is_dir())


def _lists(root: Path) -> Listed:
    """Yield (class, clip, part) of each line."""
    whole, halves = root / "split.txt", [root / f"{part}.txt" for part in PARTS]
    found = [path for path in halves if path.is_file()]
    if whole.is_file() == bool(found):
        state = f"split.txt and {found[0].name} both define" if found else "no folder or list defines"
        raise ElrError(f"folder:{root}: {state} the train/test split; expected layout: {FOLDER.layout}")
    if whole.is_file():
        for number, line in read_lines(whole, f"folder:{root}", FOLDER.layout):
            clip, _, part = line.rpartition(" ")
            if part not in PARTS:
                raise ElrError(f"folder:{root}: split.txt line {number} does not end in ' train' or ' test': {line!r}")
            yield *_named(root, whole, number, clip.strip()), part
        return
    for path, part in zip(halves, PARTS, strict=True):
        for number, line in read_lines(path, f"folder:{root}", FOLDER.layout):
            yield *_named(root, path, number, line), part


def _named(root: Path, path: Path, number: int, text: str) -> tuple[str, str]:
    """Return (class, clip) of CLASS/CLIP: two plain names, so that no line leads out of the folder."""
    name, slash, clip = text.partition("/")
    if not slash or "/" in clip or "\\" in text or "\0" in text or {name, clip} & {"", ".", ".."}:
        raise ElrError(f"folder:{root}: {path.name} line {number} is not CLASS/CLIP: {text!r}")
    return name, clip


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
