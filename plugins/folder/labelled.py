"""Labelled clips in folders: classes are folders; folders or lists split them into train and test. Opens no clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmark_core.errors import ElrError
from benchmark_core.specs.index import ArrayFrames, Clip, Fold, FrameFolder, Index, VideoFile
from elrbench_plugins.dataset_lists import read_lines
from elrbench_plugins.folder.files import contents, entries, shown

PARTS = ("train", "test")
Listed = Iterator[tuple[str, str, str]]  # class, clip, part
Stored = VideoFile | FrameFolder | ArrayFrames


@dataclass(frozen=True, kw_only=True)
class LabelledFolder:
    """A folder of labelled clips.

    template: name of the dataset's template, for errors. layout: what the folder contains.
    clip_at: a path -> the clip there, or None. found: the same for files that no list names.
    """

    root: Path
    template: str
    layout: str
    clip_at: Callable[[Path], Stored | None]
    found: Callable[[Path], Stored | None]

    def classes(self) -> tuple[str, ...]:
        """Return the classes: the folders, or the names in the lists, sorted.

        Raises ElrError if there is no class, or the layout is another one.
        """
        named = self._class_folders() if self._by_parts() else self._lists()
        classes = tuple(sorted({found[0] for found in named}))
        if not classes:
            raise self._error(f"there is no class in it; expected layout: {self.layout}")
        hard = [name for name in classes if not name.isprintable() or not _is_text(name)]
        if hard:
            raise self._error(f"{hard[0]!r} cannot be a class name; use printable characters")
        return classes

    def index(self, classes: tuple[str, ...]) -> Index:
        """Return the clips of the fold. Listed clips that do not exist are `missing`; other files count as unlisted.

        Raises ElrError if the layout is another one, or a line of a list cannot be read.
        """
        numbers = {name: number for number, name in enumerate(classes)}
        found = _Found()
        if self._by_parts():
            for name, folder in self._class_folders():
                for path in entries(folder):
                    source = self.found(path)
                    if source is None:
                        found.unlisted += 1
                    else:
                        found.add(
                            shown((folder.parent.name, name, path.name)), source, numbers[name], folder.parent.name
                        )
            return found.index()
        for name, clip, part in self._lists():
            key, source = shown((name, clip)), self.clip_at(self.root / name / clip)
            if key in found.clips or key in found.missing:
                raise self._error(f"'{key}' is listed twice; list it once, as train or as test")
            if source is None:
                found.missing[key] = numbers[name]
            else:
                found.add(key, source, numbers[name], part)
        folders = [self.root / name for name in classes if (self.root / name).is_dir()]
        on_disk = {shown((folder.name, path.name)) for folder in folders for path in entries(folder)}
        found.unlisted = len(on_disk - found.clips.keys())
        return found.index()

    def _by_parts(self) -> bool:
        """Whether the split is by folders train/ and test/, without lists."""
        folders = [part for part in PARTS if (self.root / part).is_dir()]
        lists = [name for name in ("split.txt", "train.txt", "test.txt") if (self.root / name).is_file()]
        if folders and lists:
            raise self._error(f"both {folders[0]}/ and {lists[0]} define the split; remove one of them")
        if len(folders) == 1:
            other = PARTS[1 - PARTS.index(folders[0])]
            raise self._error(f"{folders[0]}/ exists but {other}/ does not; expected layout: {self.layout}")
        return bool(folders)

    def _class_folders(self) -> Iterator[tuple[str, Path]]:
        """Yield (class, folder) of train/, then of test/, each sorted."""
        for part in PARTS:
            yield from ((path.name, path) for path in entries(self.root / part) if path.is_dir())

    def _lists(self) -> Listed:
        """Yield (class, clip, part) of each line."""
        whole, halves = self.root / "split.txt", [self.root / f"{part}.txt" for part in PARTS]
        found = [path for path in halves if path.is_file()]
        if whole.is_file() == bool(found):
            state = f"split.txt and {found[0].name} both define" if found else "no folder or list defines"
            raise self._error(f"{state} the train/test split; expected layout: {self.layout}")
        where = f"{self.template}:{self.root}"
        if whole.is_file():
            for number, line in read_lines(whole, where, self.layout):
                clip, _, part = line.rpartition(" ")
                if part not in PARTS:
                    raise self._error(f"split.txt line {number} does not end in ' train' or ' test': {line!r}")
                yield *self._named(whole, number, clip.strip()), part
            return
        for path, part in zip(halves, PARTS, strict=True):
            for number, line in read_lines(path, where, self.layout):
                yield *self._named(path, number, line), part

    def _named(self, path: Path, number: int, text: str) -> tuple[str, str]:
        """Return (class, clip) of CLASS/CLIP: two plain names, so that no line leads out of the folder."""
        name, slash, clip = text.partition("/")
        if not slash or "/" in clip or "\\" in text or "\0" in text or {name, clip} & {"", ".", ".."}:
            raise self._error(f"{path.name} line {number} is not CLASS/CLIP: {text!r}")
        return name, clip

    def _error(self, text: str) -> ElrError:
        return ElrError(f"{self.template}:{self.root}: {text}")


@dataclass
class _Found:
    clips: dict[str, Clip] = field(default_factory=dict)
    parts: dict[str, list[str]] = field(default_factory=lambda: {part: [] for part in PARTS})
    missing: dict[str, int] = field(default_factory=dict)
    unlisted: int = 0

    def add(self, key: str, source: Stored, target: int, part: str) -> None:
        self.clips[key] = Clip(id=key, source=source, target=target)
        self.parts[part].append(key)

    def index(self) -> Index:
        return Index(
            clips=tuple(self.clips.values()),
            folds={"1": Fold(train=tuple(self.parts["train"]), test=tuple(self.parts["test"]))},
            missing=tuple(self.missing),
            missing_targets=self.missing,
            contents=contents((clip.id, clip.source) for clip in self.clips.values()),  # type: ignore[misc]
            unlisted=self.unlisted,
        )


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
