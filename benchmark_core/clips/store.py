"""The clip store: each clip is decoded once per content and recipe, and read as memory-mapped frames ever after.

| under the root               | what                                                              |
|------------------------------|-------------------------------------------------------------------|
| clips/RECIPE/recipe.json     | the recipe's numbers                                              |
| clips/RECIPE/source.json     | digests of the degradation's source text when it was first made   |
| clips/RECIPE/CC/CONTENT.clip | one file per clip; CC are the content's first digits              |
| digests.sqlite               | contents of files by path, size and time: a memory, no more       |
| locks/CC.lock                | held while a clip of these digits is made; empty, may be deleted  |
| locks/reading-*.lock         | held by those who read clips: see `in_use`                        |
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from av.error import FFmpegError

from benchmark_core.clips import clipfile
from benchmark_core.clips.bad_clip import BadClip, BadClips
from benchmark_core.clips.build_queue import (
    BuildQueue,
    BuildResult,
    BuildTask,
    R,
    clip_path,
    decode_into,
    locked,
    sweep,
    unwritable,
)
from benchmark_core.clips.digests import Digests
from benchmark_core.clips.formats import Keyed, StoredFormat, named
from benchmark_core.clips.workers import Crew
from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.source_text import other_source, source_note
from benchmark_core.specs.index import Clip, Drawn, FrameFolder, Source, TableFrames

Progress = Callable[[int, int], None]  # clips done, clips in all

SECONDS_PER_CLIP = 300.0
SOURCE = "source.json"
KNOWN = 4096  # clips whose place a reader remembers: about 2 MB


@dataclass(frozen=True, kw_only=True)
class StoreReport:
    """What `ensure` found and did. bad: (clip id, reason) of clips left out. built, reused: numbers of clips."""

    bad: tuple[tuple[str, str], ...] = ()
    built: int = 0
    reused: int = 0
    seconds: float = 0.0


class ClipStore:
    """Decoded and degraded clips under one cache folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._digests = Digests(root / "digests.sqlite")
        self._readers: dict[str, ClipReader] = {}  # by the recipe's key

    def content_key(self, source: Source) -> str:
        """sha256 of the file's bytes, with the rows and range of a table's; of all its pictures' names and bytes;
        or of a drawn clip's code and key.

        BadClip where the file cannot be read.
        """
        if isinstance(source, Drawn):
            return hashlib.sha256(f"drawn {named(source.render)} {source.key}".encode()).hexdigest()
        if isinstance(source, TableFrames):
            numbers = dataclasses.asdict(source) | {"path": self._file_digest(source.path)}
            return hashlib.sha256(f"table {json.dumps(numbers, sort_keys=True)}".encode()).hexdigest()
        if isinstance(source, FrameFolder):
            return hashlib.sha256(f"pictures {json.dumps(self._pictures(source))}".encode()).hexdigest()
        return self._file_digest(source.path)

    def _pictures(self, source: FrameFolder) -> list[tuple[str, str]]:
        """(name, digest) of each picture."""
        found = []
        for name in source.names:
            try:
                found.append((name, self._file_digest(source.path / name)))
            except BadClip as error:
                raise BadClip(str(source.path), f"{name}: {error.reason}") from error
        return found

    def _file_digest(self, path: Path) -> str:
        try:
            return self._digests.of(path)
        except (OSError, ValueError) as error:  # ValueError: a zero byte in a name
            raise BadClip(str(path), getattr(error, "strerror", None) or str(error)) from error

    def path(self, content: str, fmt: Keyed) -> Path:
        """Where a content's file of a recipe lies."""
        return clip_path(self.root, content, fmt)

    def reader(self, fmt: Keyed) -> ClipReader:
        """Random access to what `ensure` made by one recipe; the same reader for all who ask."""
        return self._readers.setdefault(fmt.key, ClipReader(self, fmt))

    def ensure(
        self,
        clips: Sequence[Clip],
        formats: Iterable[StoredFormat],
        bad_clips: str = "fail",
        progress: Progress | None = None,
        workers: int | None = None,
        seconds_per_clip: float = SECONDS_PER_CLIP,
    ) -> StoreReport:
        """Make what is missing; one decode of a clip feeds all its missing recipes. What exists is kept.

        Any number of processes may do so at once: each clip is made by one of them, the others wait for it.
        bad_clips: "fail" or "skip". progress: called with clips done and clips in all, first with none done.
        workers: processes that work; the number of cores, at most 8, by default. The others are started when it turns
        out that there is work for many seconds.
        seconds_per_clip: a clip that takes longer counts as bad, so that none can hang a run.
        Raises BadClips, naming all that cannot be decoded, when all others are made, unless `bad_clips` is "skip";
        RunFailed where nothing can be written. Either way complete files stay and the next call goes on from them.
        """
        wanted = list({fmt.key: fmt for fmt in formats}.values())

        def build(task: BuildTask, missing: list[StoredFormat]) -> BuildResult:
            return decode_into(self.root, task, missing, seconds_per_clip)

        others = (workers or _cores()) - 1
        with Crew(self.root, clips, wanted, size=others, seconds=seconds_per_clip) as crew:
            began = time.monotonic()

            def follow(done: int, total: int) -> None:
                crew.consider(total - done, (time.monotonic() - began) / max(1, done - crew.built))
                if progress is not None:
                    progress(done, total)

            report = self.fill(clips, wanted, build, bad_clips=bad_clips, progress=follow, workers=1)
        made = min(crew.built, report.reused)
        return dataclasses.replace(report, built=report.built + made, reused=report.reused - made)

    def fill(
        self,
        clips: Sequence[Clip],
        formats: Sequence[R],
        build: Callable[[BuildTask, list[R]], BuildResult],
        *,
        bad_clips: str = "fail",
        progress: Progress | None = None,
        workers: int | None = None,
    ) -> StoreReport:
        """As `ensure`, by any `build` and in threads of this process: also for what is derived from stored clips."""
        began = time.monotonic()
        bad: dict[str, str] = {}
        counts = {"built": 0, "reused": 0}

        def contents() -> Iterator[tuple[Clip, str]]:
            for clip in clips:
                try:
                    yield clip, self.content_key(clip.source)
                except BadClip as error:
                    bad[clip.id] = error.reason

        def tell() -> None:
            if progress is not None:
                progress(len(bad) + sum(counts.values()), len(clips))

        tell()
        self._describe(formats)
        queue = BuildQueue(self.root, formats, build, workers=workers or _cores())
        for done, outcome in queue.outcomes(contents()):
            if isinstance(outcome, BadClip):
                bad.update(dict.fromkeys((clip.id for clip in done), outcome.reason))
            else:
                counts[outcome] += len(done)
            tell()
        self._digests.save()
        if counts["built"]:
            sweep(self.root, formats)
        listed = tuple((clip.id, bad[clip.id]) for clip in clips if clip.id in bad)
        if listed and bad_clips != "skip":
            raise BadClips(listed, len(clips))
        return StoreReport(bad=listed, built=counts["built"], reused=counts["reused"], seconds=time.monotonic() - began)

    def by_other_source(self, fmt: StoredFormat) -> bool:
        """Whether the recipe's first clips were made when its degradation had other source text."""
        try:
            note = json.loads((self.root / "clips" / fmt.key / SOURCE).read_bytes())
        except (OSError, ValueError):  # of an older version, or of a recipe without code
            return False
        return fmt.code is not None and isinstance(note, dict) and other_source(note, fmt.code)

    def help(
        self, clips: Sequence[Clip], formats: Sequence[StoredFormat], seconds: float, made: Callable[[], None]
    ) -> None:
        """What a process of a crew does: makes what no other makes or has made. `made` is called after each clip."""

        def build(task: BuildTask, missing: list[StoredFormat]) -> BuildResult:
            return decode_into(self.root, task, missing, seconds)

        def contents() -> Iterator[tuple[Clip, str]]:
            for clip in clips:
                with contextlib.suppress(BadClip):  # the process that leads finds it too, and lists it
                    yield clip, self.content_key(clip.source)

        for _, outcome in BuildQueue(self.root, formats, build, workers=1).outcomes(contents()):
            if outcome == "built":
                made()

    def _describe(self, formats: Iterable[Keyed]) -> None:
        """Write the recipes' numbers beside their clips, where they do not stand there yet, and who makes the first."""
        for fmt in formats:
            path = self.root / "clips" / fmt.key / "recipe.json"
            text = json.dumps(fmt.numbers(), indent=1, sort_keys=True) + "\n"
            try:
                if path.is_file() and path.read_text(encoding="utf-8") == text:
                    with contextlib.suppress(OSError):  # another user's cache
                        os.utime(path)  # last used
                    continue
                with locked(self.root, "recipes"):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    empty = not any(file.is_dir() for file in path.parent.iterdir())
                    if empty and isinstance(fmt, StoredFormat) and fmt.code is not None:
                        _write(path.with_name(SOURCE), json.dumps(source_note(fmt.code)))
                    _write(path, text)
            except OSError as error:
                raise unwritable(self.root, error) from error


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + clipfile.TEMPORARY)
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def _cores() -> int:
    return min(8, os.cpu_count() or 1)


class ClipReader:
    """Frames of one recipe."""

    def __init__(self, store: ClipStore, fmt: Keyed) -> None:
        self.store = store
        self.fmt = fmt
        self._known: dict[Source, tuple[str, clipfile.Header]] = {}  # content, header

    def frames(self, clip: Clip, numbers: Sequence[int]) -> npt.NDArray[np.uint8]:
        """uint8 (n, 3, rows, columns) of the frames numbered; of flow (n, 2, rows, columns)."""
        content, header = self._find(clip)
        path = self.store.path(content, self.fmt)
        try:
            return clipfile.read_frames(path, header, numbers)
        except FileNotFoundError as error:
            raise self._gone(clip, path) from error
        except (FFmpegError, ValueError, zlib.error) as error:
            raise RunFailed(
                f"clip '{clip.id}': its file in the clip store is damaged ({error}); delete {path} and run again"
            ) from error

    def count(self, clip: Clip) -> int:
        """Frames that the clip has."""
        return self._find(clip)[1].frames

    def size(self, clip: Clip) -> tuple[int, int]:
        """(rows, columns) of its frames."""
        return self._find(clip)[1].shape[1:]

    def _find(self, clip: Clip) -> tuple[str, clipfile.Header]:
        known = self._known.get(clip.source)
        if known is None:
            content = self.store.content_key(clip.source)
            path = self.store.path(content, self.fmt)
            header = clipfile.read_header(path)
            if header is None:
                raise self._gone(clip, path)
            known = content, header
            if len(self._known) < KNOWN:  # of a larger dataset the rest is looked up each time
                self._known[clip.source] = known
        return known

    def _gone(self, clip: Clip, path: Path) -> ElrError:
        return ElrError(
            f"clip '{clip.id}' is not in the clip store ({path}); something removed it while in use: run again"
        )
