"""Where models are shared: a Hugging Face repository, or a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from benchmark_core.errors import ElrError
from elrbench_plugins.commands.hub.manifest import MANIFEST
from elrbench_plugins.storage.remote_folder import Progress, RemoteFolder, download, open_folder, read

SCHEME = "hf://"
OF_A_PLACE = (".gitattributes", ".gitignore")  # files that Hugging Face and git keep in a repository
MOST = 1000  # files that are listed: a model has four, and somebody may name a large folder


class Place(Protocol):
    """A place for one model.

    shown: its name for messages. revision: a name for exactly these files, "" if the place has none.
    """

    shown: str
    revision: str

    def files(self) -> Mapping[str, int]:
        """Return the size of each file; none if the place does not exist yet."""

    def read(self, name: str, limit: int) -> bytes:
        """Return a small file."""

    def download(self, name: str, target: Path, size: int, progress: Progress) -> str:
        """Copy a file of `size` bytes to `target`. Return its sha256."""

    def publish(self, files: Mapping[str, Path], remove: Sequence[str], message: str, progress: Progress) -> str:
        """Write all files, the manifest last, and remove others. Return the new revision."""


def open_place(text: str, *, upload: bool, public: bool = False, message: str | None = None) -> Place:
    """Return the place that `text` names. upload: to write there. public, message: of an upload to Hugging Face.

    Raises ElrError if `text` is no valid name, or a folder is given with an option that only Hugging Face has.
    """
    if text.startswith(SCHEME):
        from elrbench_plugins.commands.hub.hugging_face import Repository

        return Repository.parse(text, upload=upload, public=public)
    for flag, given in (("--public", public), ("--message", message is not None)):
        if given:
            raise ElrError(f"{flag} is for Hugging Face (hf://OWNER/NAME), and {text} is a folder; remove {flag}")
    return FolderPlace(open_folder(text))


class FolderPlace:
    """A folder, see `Place`."""

    revision = ""

    def __init__(self, folder: RemoteFolder) -> None:
        self.folder = folder
        self.shown = folder.shown

    def files(self) -> Mapping[str, int]:
        """Return the size of each file, of the first `MOST` in a folder that is not one of a model."""
        return self.folder.files(MOST)

    def read(self, name: str, limit: int) -> bytes:
        """Return a small file."""
        return read(self.folder, name, limit)

    def download(self, name: str, target: Path, size: int, progress: Progress) -> str:
        """Copy a file. Return its sha256."""
        return download(self.folder, name, target, size, progress)

    def publish(self, files: Mapping[str, Path], remove: Sequence[str], message: str, progress: Progress) -> str:
        """Remove the old manifest, write the files, then the new manifest: an interrupted upload has none."""
        self.folder.remove(MANIFEST)
        for name, path in files.items():
            if name != MANIFEST:
                self.folder.upload(name, path, replace=True)
                progress(path.stat().st_size)
        for name in remove:
            self.folder.remove(name)
        self.folder.upload(MANIFEST, files[MANIFEST], replace=True)
        progress(files[MANIFEST].stat().st_size)
        return ""
