"""Copy clips and stages from a shared folder into a cache. Everything is verified before a run can see it."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import Timeout

from benchmark_core.atomic import PART, write_whole
from benchmark_core.canonical import digest_of
from benchmark_core.clips import clipfile
from benchmark_core.clips.locks import holds_reader_lock, locked
from benchmark_core.clips.store import SOURCE
from benchmark_core.errors import ElrError, RunFailed, unknown
from benchmark_core.file_lock import Wait, acquire
from benchmark_core.progress import Reporter
from benchmark_core.training.stage_files import BEGUN, CHECKPOINT, LOCK, NOTE, WEIGHTS, read_note
from elrbench_plugins.commands.cache.pushing import RECIPE
from elrbench_plugins.commands.cache.sharing import PRESENT, Copied, Moved, in_threads, other_source_text, stage_fault
from elrbench_plugins.storage.remote_folder import RemoteFolder, download, read

CLIP = re.compile(r"clips/([0-9a-f]{16})/([0-9a-f]{2})/\2[0-9a-f]+\.clip")
DESCRIBED = re.compile(rf"clips/([0-9a-f]{{16}})/{re.escape(RECIPE)}")
STAGE = re.compile(rf"stages/([A-Za-z0-9_,=-][A-Za-z0-9._,=-]*-[0-9a-f]{{16}})/{re.escape(NOTE)}")
POLL = 0.2  # s between two looks at a lock that another process holds
LARGEST = 64 << 20  # bytes of a note, which has the history of a training


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to copy: clips, stages; of formats and stages only those named. Empty: all."""

    clips: bool
    stages: bool
    formats: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def of_formats(self, found: list[str]) -> list[str]:
        """Return the wanted keys of formats. ElrError for a key that no format has."""
        for key in self.formats:
            if not any(one.startswith(key) for one in found):
                raise unknown("stored format", key, found)
        return [one for one in found if self.clips and (not self.formats or one.startswith(self.formats))]

    def of_stages(self, found: list[str]) -> list[str]:
        """Return the wanted stages, NAME-KEY. ElrError for a name that no stage has."""
        calls = {one: (one, one[:-17], one[-16:]) for one in found}  # NAME-KEY, NAME, KEY
        for name in self.names:
            if not any(name in each for each in calls.values()):
                raise unknown("stage", name, {each[1] for each in calls.values()})
        return [one for one in found if self.stages and (not self.names or set(self.names) & set(calls[one]))]


@holds_reader_lock
def pull(folder: RemoteFolder, wanted: Wanted, *, cache: Path, reporter: Reporter) -> Moved:
    """Copy what the cache lacks. A stage that another process trains is left out.

    Raises ElrError if `folder` holds no clips and no stages, RunFailed if it cannot be reached or the cache cannot be
    written; complete files stay in the cache.
    """
    there = folder.files()
    formats = sorted(found[1] for name in there if (found := DESCRIBED.fullmatch(name)))
    stages = sorted(found[1] for name in there if (found := STAGE.fullmatch(name)))
    if not formats and not stages:
        raise ElrError(f"{folder.shown} holds no clips and no stages; check the name, or fill it: elrbench cache push")
    moved = Moved()
    usable = set()
    for key in wanted.of_formats(formats):
        try:
            _describe(key, folder, there, cache, reporter)
            usable.add(key)
        except RunFailed:  # the folder cannot be reached
            raise
        except ElrError as error:
            moved.faults.append(str(error))
    clips = sorted(name for name in there if (found := CLIP.fullmatch(name)) and found[1] in usable)
    for done in in_threads(lambda name: _pull_clip(name, folder, there, cache, reporter), clips, reporter, "clips"):
        moved.count("clips", done)
    names = wanted.of_stages(stages)
    for done in in_threads(lambda name: _pull_stage(name, folder, there, cache), names, reporter, "stages"):
        moved.count("stages", done)
    return moved


def _describe(key: str, folder: RemoteFolder, there: Mapping[str, int], cache: Path, reporter: Reporter) -> None:
    """Write the files that describe a format, if the cache has none. ElrError if they are of another format."""
    name = f"clips/{key}/{RECIPE}"
    content = read(folder, name, LARGEST)
    if _digest(content) != key:
        raise ElrError(f"{folder.shown}/{name}: its numbers do not match its key, so its clips are not used")
    source = f"clips/{key}/{SOURCE}"
    noted = read(folder, source, LARGEST) if source in there else b""
    path = cache / "clips" / key
    with locked(cache, "recipes", wait=Wait(f"the list of stored formats in {cache}", reporter.warn)):
        if (path / RECIPE).is_file():
            own = (path / SOURCE).read_bytes() if (path / SOURCE).is_file() else b""
            if own and noted and own != noted:
                reporter.warn(other_source_text(key, folder))
            return
        if noted:
            write_whole(path / SOURCE, noted)
        write_whole(path / RECIPE, content)


def _digest(content: bytes) -> str:
    """Return the key of a format's numbers, "" if they are not JSON."""
    try:
        return digest_of(json.loads(content))
    except (ValueError, RecursionError):
        return ""


def _pull_clip(name: str, folder: RemoteFolder, there: Mapping[str, int], cache: Path, reporter: Reporter) -> Copied:
    """Copy one clip under the lock of its content, so that no other process makes it at the same time."""
    target = cache / name
    if target.exists():
        return PRESENT
    with locked(cache, target.parent.name, wait=Wait(f"clip {target.stem[:12]}", reporter.warn)):
        if target.exists():
            return PRESENT
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + clipfile.TEMPORARY)
        try:
            download(folder, name, part, there[name])
            header = clipfile.read_header(part)
            if header is None or header.checksum is None or clipfile.checksum(part) != header.checksum:
                return Copied(fault=f"{folder.shown}/{name}: damaged, so it is not used; remove it and push it again")
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
    return Copied(bytes=header.length)


def _pull_stage(name: str, folder: RemoteFolder, there: Mapping[str, int], cache: Path) -> Copied:
    """Copy one stage under its lock, the note last."""
    path = cache / "stages" / name
    if read_note(path) is not None:
        return PRESENT
    where = f"{folder.shown}/stages/{name}"
    content = read(folder, f"stages/{name}/{NOTE}", LARGEST)
    try:
        note: Any = json.loads(content)
    except (ValueError, RecursionError):
        note = None
    if not isinstance(note, dict) or (fault := stage_fault(note, name)):
        return Copied(fault=f"{where}: {fault if isinstance(note, dict) else 'its stage.json is damaged'}; not used")
    weights = f"stages/{name}/{note['sha256']}.safetensors"
    if there.get(weights) != note["bytes"]:
        return Copied(fault=f"{where}: its weights are missing or have another size; not used")
    with _stage_lock(path) as free:
        if not free:
            return Copied(fault=f"stage {name}: another process is training it, so it is not copied")
        if read_note(path) is not None:
            return PRESENT
        handle, temporary = tempfile.mkstemp(dir=path, prefix=".", suffix=PART)
        os.close(handle)
        part = Path(temporary)
        try:
            digest = download(folder, weights, part, note["bytes"])
            if digest != note["sha256"]:
                return Copied(fault=f"{where}: its weights are damaged (another sha256); not used")
            if not _is_safetensors(part):
                return Copied(fault=f"{where}: its weights are not a safetensors file; not used")
            part.chmod(0o644)
            part.replace(path / WEIGHTS)
        finally:
            part.unlink(missing_ok=True)
        write_whole(path / NOTE, content)
        for left in (CHECKPOINT, BEGUN):
            (path / left).unlink(missing_ok=True)
    return Copied(bytes=note["bytes"])


@contextmanager
def _stage_lock(path: Path) -> Iterator[bool]:
    """Hold the lock of a stage and yield True. Yield False if another process trains it; wait if it only copies it."""
    while True:
        path.mkdir(parents=True, exist_ok=True)
        try:
            taken = acquire(path / LOCK, timeout=POLL)
        except Timeout:
            if not (path / BEGUN).exists():
                continue
            yield False
            return
        except FileNotFoundError:  # 'cache clear' removed the folder in between
            continue
        with taken:
            if (path / LOCK).exists():  # else 'cache clear' removed it before it was taken
                yield True
                return


def _is_safetensors(path: Path) -> bool:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy"):
            return True
    except (OSError, SafetensorError):
        return False
