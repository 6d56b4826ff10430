"""The clip store: each clip is decoded once per content and recipe, and read as memory-mapped frames ever after.

| under the root               | what                                                 |
|------------------------------|------------------------------------------------------|
| clips/RECIPE/recipe.json     | the recipe's numbers                                 |
| clips/RECIPE/CC/CONTENT.clip | one file per clip; CC are the content's first digits |
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmark_core.clips import clipfile
from benchmark_core.clips.decode import BadClip, decode
from benchmark_core.clips.index import Clip, Source, VideoFile
from benchmark_core.clips.recipes import Recipe, named
from benchmark_core.errors import ElrError, RunFailed

Progress = Callable[[int, int], None]  # clips done, clips in all


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
        self._digests: dict[tuple[str, int, int], str] = {}  # (path, size, mtime in ns) -> content

    def content_key(self, source: Source) -> str:
        """sha256 of the file's bytes, or of a drawn clip's code and key. BadClip where the file cannot be read."""
        if not isinstance(source, VideoFile):
            return hashlib.sha256(f"drawn {named(source.render)} {source.key}".encode()).hexdigest()
        try:
            stat = source.path.stat()
            known = str(source.path), stat.st_size, stat.st_mtime_ns
            if known not in self._digests:
                with source.path.open("rb") as file:
                    digest = hashlib.sha256()
                    while block := file.read(1 << 20):
                        digest.update(block)
                self._digests[known] = digest.hexdigest()
        except OSError as error:
            raise BadClip(str(source.path), error.strerror or str(error)) from error
        return self._digests[known]

    def path(self, content: str, recipe: Recipe) -> Path:
        """Where a content's file of a recipe lies."""
        return self.root / "clips" / recipe.key / content[:2] / f"{content}.clip"

    def reader(self, recipe: Recipe) -> ClipReader:
        """Random access to what `ensure` made by one recipe."""
        return ClipReader(self, recipe)

    def ensure(
        self,
        clips: Sequence[Clip],
        recipes: Iterable[Recipe],
        bad_clips: str = "fail",
        progress: Progress | None = None,
        workers: int | None = None,
    ) -> StoreReport:
        """Make what is missing; one decode of a clip feeds all its missing recipes. What exists is kept.

        bad_clips: "fail" or "skip". progress: called in this thread, first with the clips that need no work.
        workers: clips decoded at a time, each in a thread (decoding, matrix products and compression leave the
        interpreter's lock); the number of cores, at most 8, by default.
        Raises BadClip for a clip that cannot be decoded unless `bad_clips` is "skip", RunFailed where nothing can be
        written; either way complete files stay and the next call goes on from them.
        """
        began = time.monotonic()
        wanted = {recipe.key: recipe for recipe in recipes}
        bad: dict[str, str] = {}
        todo: dict[str, tuple[Clip, list[Recipe]]] = {}  # by content: clips of one content are made once
        owners: dict[str, list[str]] = {}
        for clip in clips:
            try:
                content = self.content_key(clip.source)
            except BadClip as error:
                bad[clip.id] = self._refuse(clip, error, bad_clips)
                continue
            owners.setdefault(content, []).append(clip.id)
            if content not in todo:
                missing = [one for one in wanted.values() if clipfile.read_header(self.path(content, one)) is None]
                todo[content] = clip, missing
        jobs = {content: job for content, job in todo.items() if job[1]}
        done = len(bad) + sum(len(owners[content]) for content in todo if content not in jobs)
        reused = done - len(bad)
        if progress is not None:
            progress(done, len(clips))
        if jobs:
            self._describe(wanted.values())
        with closing(self._work(jobs, workers or min(8, os.cpu_count() or 1))) as results:
            for content, failure in results:
                if failure is not None:
                    reason = self._refuse(jobs[content][0], failure, bad_clips)
                    bad.update(dict.fromkeys(owners[content], reason))
                done += len(owners[content])
                if progress is not None:
                    progress(done, len(clips))
        listed = tuple((clip.id, bad[clip.id]) for clip in clips if clip.id in bad)
        return StoreReport(
            bad=listed, built=len(clips) - reused - len(listed), reused=reused, seconds=time.monotonic() - began
        )

    def _refuse(self, clip: Clip, error: BadClip, bad_clips: str) -> str:
        if bad_clips == "skip":
            return error.reason
        advice = "--bad-clips skip leaves such clips out and lists them"
        raise BadClip(f"clip '{clip.id}' ({error.where})", f"{error.reason}; {advice}") from error

    def _work(
        self, jobs: dict[str, tuple[Clip, list[Recipe]]], workers: int
    ) -> Generator[tuple[str, BadClip | None], None, None]:
        """Contents as they are done, with what made them fail; at most a few wait in line, so an error stops soon."""
        if workers <= 1:
            for content, (clip, recipes) in jobs.items():
                yield content, self._build(clip, content, recipes)
            return
        waiting = iter(jobs.items())
        running: dict[Future[BadClip | None], str] = {}
        with ThreadPoolExecutor(workers) as pool:
            try:
                while True:
                    for content, (clip, recipes) in waiting:
                        running[pool.submit(self._build, clip, content, recipes)] = content
                        if len(running) >= 2 * workers:
                            break
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        yield running.pop(future), future.result()
            finally:
                for future in running:
                    future.cancel()

    def _build(self, clip: Clip, content: str, recipes: list[Recipe]) -> BadClip | None:
        """Decode one clip into all `recipes`; nothing is left of those that were not completed."""
        seed = int(content[:16], 16)
        writers: list[clipfile.Writer] = []
        try:
            for recipe in recipes:
                codec: clipfile.Codec = "raw" if recipe.kind == "low" else "difference-zlib"
                writers.append(clipfile.Writer(self.path(content, recipe), codec))
            for frames in decode(clip.source):
                for recipe, writer in zip(recipes, writers, strict=True):
                    made = recipe.make(frames, seed)
                    try:
                        writer.add(made)
                    except ValueError as error:
                        raise BadClip(clip.id, str(error)) from error
            for writer in writers:
                writer.close()
        except BadClip as error:
            return error
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            for writer in writers:
                writer.abort()
        return None

    def _describe(self, recipes: Iterable[Recipe]) -> None:
        for recipe in recipes:
            path = self.root / "clips" / recipe.key / "recipe.json"
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
                temporary.write_text(json.dumps(recipe.numbers(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
                os.replace(temporary, path)
            except OSError as error:
                raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> RunFailed:
        if error.errno == errno.ENOSPC:
            return RunFailed(
                f"no space is left for the clip store under {self.root}; free some or name another cache folder "
                "(what is complete is kept)"
            )
        return RunFailed(f"the clip store under {self.root} cannot be written: {error.strerror or error}")


class ClipReader:
    """Frames of one recipe."""

    def __init__(self, store: ClipStore, recipe: Recipe) -> None:
        self.store = store
        self.recipe = recipe
        self._open: dict[str, tuple[Path, clipfile.Header]] = {}  # by clip id

    def frames(self, clip: Clip, numbers: Sequence[int]) -> npt.NDArray[np.uint8]:
        """uint8 (n, 3, rows, columns) of the frames numbered."""
        path, header = self._find(clip)
        return clipfile.read_frames(path, header, numbers)

    def count(self, clip: Clip) -> int:
        """Frames that the clip has."""
        return self._find(clip)[1].frames

    def size(self, clip: Clip) -> tuple[int, int]:
        """(rows, columns) of its frames."""
        return self._find(clip)[1].shape[1:]

    def _find(self, clip: Clip) -> tuple[Path, clipfile.Header]:
        if clip.id not in self._open:
            path = self.store.path(self.store.content_key(clip.source), self.recipe)
            header = clipfile.read_header(path)
            if header is None:
                raise ElrError(
                    f"clip '{clip.id}' is not in the clip store ({path}); something removed it while in use: run again"
                )
            self._open[clip.id] = path, header
        return self._open[clip.id]
