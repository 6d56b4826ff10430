"""The clip store: decode each clip once per content and format, then read its frames through a memory map.

| under the root            | what                                                                  |
|---------------------------|-----------------------------------------------------------------------|
| clips/KEY/recipe.json     | the numbers of a stored format; KEY is their digest                   |
| clips/KEY/source.json     | digests of the degradation's source text when its first clip was made |
| clips/KEY/CC/CONTENT.clip | one file per clip; CC are the first two digits of its content key     |
| digests.sqlite            | known digests of files by path, size and time; may be deleted         |
| locks/                    | see `benchmark_core.clips.locks`                                      |
"""

from __future__ import annotations

import contextlib
import dataclasses
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
    store_unwritable,
    sweep,
)
from benchmark_core.clips.contents import Contents
from benchmark_core.clips.formats import KeyedFormat, StoredFormat
from benchmark_core.clips.locks import locked
from benchmark_core.clips.workers import Workers
from benchmark_core.errors import RunFailed
from benchmark_core.file_lock import Wait
from benchmark_core.progress import SILENT, Reporter
from benchmark_core.source_text import other_source, source_note
from benchmark_core.specs import Clip
from benchmark_core.specs.index import Source

Progress = Callable[[int, int], None]  # clips done, clips in all

SECONDS_PER_CLIP = 300.0
SOURCE = "source.json"
KNOWN = 65_536  # clips whose content key and header a reader remembers: 37 MB


@dataclass(frozen=True, kw_only=True)
class StoreReport:
    """Result of `ensure`. bad: (clip id, reason) of clips left out. built, reused: numbers of clips."""

    bad: tuple[tuple[str, str], ...] = ()
    built: int = 0
    reused: int = 0
    seconds: float = 0.0


class ClipStore:
    """Decoded and degraded clips under one cache folder.

    reporter: takes a warning about each damaged clip, and about a wait for another process.
    """

    def __init__(self, root: Path, reporter: Reporter = SILENT) -> None:
        self.root = root
        self.reporter = reporter
        self._contents = Contents(root)
        self._readers: dict[str, ClipReader] = {}  # by the format's key

    def content_key(self, source: Source) -> str:
        """Return the sha256 of a clip's content (see `Contents.key`). Raises BadClip if a file cannot be read."""
        return self._contents.key(source)

    def path(self, content: str, stored_format: KeyedFormat) -> Path:
        """Return the path of a content's file in one format."""
        return clip_path(self.root, content, stored_format)

    def reader(self, stored_format: KeyedFormat) -> ClipReader:
        """Return random access to the clips stored in one format; the same reader on each call."""
        return self._readers.setdefault(stored_format.key, ClipReader(self, stored_format))

    def ensure(
        self,
        clips: Sequence[Clip],
        formats: Iterable[StoredFormat],
        bad_clips: str = "fail",
        progress: Progress | None = None,
        workers: int | None = None,
        seconds_per_clip: float = SECONDS_PER_CLIP,
    ) -> StoreReport:
        """Make the missing files of the clips in all formats, with one decode per clip. Existing files are kept.

        Several processes may call this at the same time: one process makes each clip, the others wait for it.

        Args:
            clips: the clips to store.
            formats: the formats to store them in.
            bad_clips: "fail" or "skip".
            progress: called with clips done and clips in all; the first call has none done.
            workers: number of processes; by default the number of cores, at most 8. All but the first start only if
                there is work for many seconds.
            seconds_per_clip: a clip that takes longer counts as bad, so that no clip can block a run.

        Raises:
            BadClips: clips that cannot be decoded, unless `bad_clips` is "skip"; raised after all others are made.
            RunFailed: the store cannot be written. In both cases complete files stay and the next call reuses them.
        """
        wanted = list({stored_format.key: stored_format for stored_format in formats}.values())

        def build(task: BuildTask, missing: list[StoredFormat]) -> BuildResult:
            return decode_into(self.root, task, missing, seconds_per_clip)

        others = (workers or _cores()) - 1
        with Workers(self.root, clips, wanted, size=others, seconds=seconds_per_clip) as helpers:
            began = time.monotonic()

            def follow(done: int, total: int) -> None:
                helpers.consider(total - done, (time.monotonic() - began) / max(1, done - helpers.built))
                if progress is not None:
                    progress(done, total)

            report = self.fill(clips, wanted, build, bad_clips=bad_clips, progress=follow, workers=1)
        made = min(helpers.built, report.reused)
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
        """Do what `ensure` does, with any `build` and in threads of this process; used for derived data, too."""
        began = time.monotonic()
        bad: dict[str, str] = {}
        counts = {"built": 0, "reused": 0}

        def contents() -> Iterator[tuple[Clip, str]]:
            for clip in clips:
                try:
                    yield clip, self.content_key(clip.source)
                except BadClip as error:
                    bad[clip.id] = error.reason

        def report_progress() -> None:
            if progress is not None:
                progress(len(bad) + sum(counts.values()), len(clips))

        report_progress()
        self._describe(formats)
        queue = BuildQueue(self.root, formats, build, workers=workers or _cores(), warn=self.reporter.warn)
        for done, outcome in queue.outcomes(contents()):
            if isinstance(outcome, BadClip):
                bad.update(dict.fromkeys((clip.id for clip in done), outcome.reason))
            else:
                counts[outcome] += len(done)
            report_progress()
        self._contents.save()
        if counts["built"]:
            sweep(self.root, formats)
        listed = tuple((clip.id, bad[clip.id]) for clip in clips if clip.id in bad)
        if listed and bad_clips != "skip":
            raise BadClips(listed, len(clips))
        return StoreReport(bad=listed, built=counts["built"], reused=counts["reused"], seconds=time.monotonic() - began)

    def by_other_source(self, stored_format: StoredFormat) -> bool:
        """Whether the first clips of a format were made when its degradation had other source text."""
        try:
            note = json.loads((self.root / "clips" / stored_format.key / SOURCE).read_bytes())
        except (OSError, ValueError):  # made by an older version, or a format without code
            return False
        return stored_format.code is not None and isinstance(note, dict) and other_source(note, stored_format.code)

    def _describe(self, formats: Iterable[KeyedFormat]) -> None:
        """Write the numbers of each format next to its clips, unless they are there, and a note of its source text."""
        for stored_format in formats:
            path = self.root / "clips" / stored_format.key / "recipe.json"
            text = json.dumps(stored_format.numbers(), indent=1, sort_keys=True) + "\n"
            try:
                if path.is_file() and path.read_bytes() == text.encode():
                    with contextlib.suppress(OSError):  # another user's cache
                        os.utime(path)  # time of last use
                    continue
                wait = Wait(f"the list of stored formats in {self.root}", self.reporter.warn)
                with locked(self.root, "recipes", wait=wait):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    empty = not any(file.is_dir() for file in path.parent.iterdir())
                    if empty and isinstance(stored_format, StoredFormat) and stored_format.code is not None:
                        _write(path.with_name(SOURCE), json.dumps(source_note(stored_format.code)))
                    _write(path, text)
            except OSError as error:
                what = f"the format {stored_format.key} ({stored_format.numbers()['kind']} views)"
                raise store_unwritable(self.root, error, what) from error


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + clipfile.TEMPORARY)
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def _cores() -> int:
    return min(8, os.cpu_count() or 1)


class ClipReader:
    """Random access to the frames of clips stored in one format."""

    def __init__(self, store: ClipStore, stored_format: KeyedFormat) -> None:
        self.store = store
        self.stored_format = stored_format
        self._known: dict[Source, tuple[str, clipfile.Header]] = {}  # content, header

    def frames(self, clip: Clip, numbers: Sequence[int]) -> npt.NDArray[np.uint8]:
        """Return the frames with these numbers: uint8 (n, 3, rows, columns); for flow (n, 2, rows, columns)."""
        content, header = self._find(clip)
        path = self.store.path(content, self.stored_format)
        try:
            return clipfile.read_frames(path, header, numbers)
        except FileNotFoundError as error:
            raise _gone(clip, path) from error
        except (FFmpegError, ValueError, zlib.error) as error:  # the checksum does not cover the shape in the header
            raise RunFailed(f"clip '{clip.id}': {path} cannot be decoded ({error}); delete it and run again") from error

    def count(self, clip: Clip) -> int:
        """Return the number of frames of the clip."""
        return self._find(clip)[1].frames

    def size(self, clip: Clip) -> tuple[int, int]:
        """Return (rows, columns) of the clip's frames."""
        return self._find(clip)[1].shape[1:]

    def _find(self, clip: Clip) -> tuple[str, clipfile.Header]:
        known = self._known.get(clip.source)
        if known is None:
            content = self.store.content_key(clip.source)
            path = self.store.path(content, self.stored_format)
            header = clipfile.checked_header(path)
            if header is None:
                raise _gone(clip, path)
            known = content, header
            if len(self._known) < KNOWN:  # the rest of a larger dataset is looked up on each access
                self._known[clip.source] = known
        return known


def _gone(clip: Clip, path: Path) -> RunFailed:
    return RunFailed(f"clip '{clip.id}' was removed from the clip store or damaged in it ({path}); run again")
