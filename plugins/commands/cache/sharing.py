"""Copy clips and stages between a cache and a shared folder, such as an object store. Nothing is ever overwritten.

| in the shared folder         | what                                                                            |
|------------------------------|---------------------------------------------------------------------------------|
| clips/KEY/…                  | as in a cache, see `benchmark_core.clips.store`; recipe.json before the clips   |
| stages/NAME-KEY/SHA256.safetensors | weights by their digest: two computers that trained a stage keep both     |
| stages/NAME-KEY/stage.json   | the note, which names the digest of its weights; written after them             |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from benchmark_core.errors import ElrError
from benchmark_core.progress import Reporter
from benchmark_core.training.stage_files import note_fault
from elrbench_plugins.storage.local_folder import LocalFolder
from elrbench_plugins.storage.remote_folder import RemoteFolder, open_folder

T = TypeVar("T")
WORKERS = 8  # files at a time: a request takes longer than its work


@dataclass(frozen=True, kw_only=True)
class Copied:
    """What became of one file or stage. bytes: copied; 0 if it was there. fault: why it was not copied, if so."""

    bytes: int = 0
    fault: str = ""


PRESENT = Copied()


@dataclass(kw_only=True)
class Moved:
    """What was copied.

    copied, present: numbers of clips and stages that were copied, or were there already. left_out: what was not shared
    and need not be. faults: what is broken, or could not be compared.
    """

    copied: dict[str, int] = field(default_factory=lambda: {"clips": 0, "stages": 0})
    present: dict[str, int] = field(default_factory=lambda: {"clips": 0, "stages": 0})
    bytes: int = 0
    left_out: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def count(self, kind: str, done: Copied) -> None:
        """Add one clip or stage."""
        if done.fault:
            self.faults.append(done.fault)
            return
        (self.copied if done.bytes else self.present)[kind] += 1
        self.bytes += done.bytes

    def to_json(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        kinds = {kind: {"copied": self.copied[kind], "present": self.present[kind]} for kind in self.copied}
        return {**kinds, "bytes": self.bytes, "left_out": self.left_out, "faults": self.faults}


def shared_folder(url: str, cache: Path) -> RemoteFolder:
    """Return the folder at a path or URL.

    ElrError if it is the cache itself, or a Hugging Face repository, where each file would be a commit.
    """
    if url.startswith("hf://"):
        raise ElrError(f"a cache cannot be shared at {url}: each file would be a commit; use an object store or folder")
    folder = open_folder(url)
    if isinstance(folder, LocalFolder) and folder.path.resolve() == cache.resolve():
        raise ElrError(f"{url} is the cache itself; pass another folder")
    return folder


def other_source_text(key: str, folder: RemoteFolder) -> str:
    """Return the warning about clips of one format that different code made."""
    return (
        f"clips {key} in {folder.shown} were made by other source code of the same degradation than those in the cache"
    )


def in_threads(work: Callable[[T], Copied], items: Sequence[T], reporter: Reporter, label: str) -> Iterable[Copied]:
    """Yield what `work` returns for each item, in order of completion. The first error ends it."""
    if not items:
        return
    with reporter.steps(label, len(items), unit=label) as advance, ThreadPoolExecutor(WORKERS) as pool:
        try:
            for done in as_completed([pool.submit(work, item) for item in items]):
                yield done.result()
                advance(1)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def stage_fault(note: dict[str, Any], folder: str) -> str:
    """Return what is wrong with the note of the stage in `folder`, NAME-KEY; "" if a run can use it for that stage."""
    from benchmark_core.canonical import digest_of
    from benchmark_core.names import file_name

    try:
        name, numbers = note["name"], dict(note["numbers"])
        digest = digest_of([name, note["function"], note["revision"], numbers])
        sized = isinstance(note["bytes"], int) and isinstance(note["sha256"], str) and len(note["sha256"]) == 64
        fits = folder == f"{file_name(name)}-{digest}" and note["key"] == digest and sized and note["sha256"].isalnum()
    except (KeyError, TypeError, ValueError, ElrError):
        return "its stage.json lacks what a stage is and what its weights are"
    return note_fault(note) or "" if fits else "its stage.json is that of another stage"
