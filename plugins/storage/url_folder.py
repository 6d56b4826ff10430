"""A folder at a URL that fsspec understands: object stores, SFTP, memory, and others whose package is installed."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from benchmark_core.atomic import PART
from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.extras import how_to_install
from elrbench_plugins.storage.remote_folder import is_part, quietly, reaching, without_password

# Stores in which a file appears when its upload is complete. Elsewhere it is written under another name and renamed.
WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "oci", "tos", "r2"})


class UrlFolder:
    """See `RemoteFolder`. Credentials are those that the file system's package finds."""

    def __init__(self, url: str) -> None:
        self.shown = without_password(url.rstrip("/"))
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise ElrError(f"{self.shown} needs {how_to_install('fsspec', 'hub')}") from error
        try:
            with reaching(self.shown):
                self._fs, root = url_to_fs(url)
        except RunFailed as error:
            cause = error.__cause__
            if isinstance(cause, ImportError):
                raise ElrError(f"{self.shown} needs a package that is not installed: {cause}") from error
            if isinstance(cause, ValueError):
                raise ElrError(f"{self.shown} is not a URL of a known file system ({cause})") from error
            raise
        self._root = str(root).rstrip("/")
        names = self._fs.protocol
        self._whole = bool(WHOLE & set([names] if isinstance(names, str) else names))

    def files(self, most: int = 0) -> dict[str, int]:
        """Return the size of each file by name."""
        with reaching(self.shown):
            self._fs.invalidate_cache()
            try:
                found: dict[str, dict[str, Any]] = self._fs.find(self._root, detail=True)
            except FileNotFoundError:  # of some file systems, if there is no file with this prefix yet
                return {}
            if len(found) == 1 and next(iter(found)).rstrip("/") == self._root:
                raise ElrError(f"{self.shown} is a file; pass the folder that holds it")
            names = {posixpath.relpath(path, self._root or "/"): info for path, info in found.items()}
            return {
                name: int(info["size"]) for name, info in names.items() if info["type"] == "file" and not is_part(name)
            }

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file for reading."""
        with reaching(f"{self.shown}/{name}"):
            file = self._fs.open(self._path(name), "rb")
        with file:
            yield file

    def upload(self, name: str, source: Path, *, replace: bool = False) -> bool:
        """Copy `source` to `name`; False if it exists. Two uploads at once: the later one stays."""
        target = self._path(name)
        with reaching(f"{self.shown}/{name}"):
            if not replace and self._fs.exists(target):
                return False
            self._fs.makedirs(posixpath.dirname(target), exist_ok=True)
            if self._whole:
                self._fs.put_file(str(source), target)
            elif not self._rename(source, target, replace=replace):
                return False
            self._fs.invalidate_cache(posixpath.dirname(target))
            found = self._fs.info(target)["size"]
        if found != source.stat().st_size:
            raise RunFailed(f"{self.shown}/{name} has {found} bytes after its upload, not {source.stat().st_size}")
        return True

    def _rename(self, source: Path, target: str, *, replace: bool) -> bool:
        """Upload under a hidden name, and rename. False if the name was taken in the meantime and must be kept."""
        part = posixpath.join(posixpath.dirname(target), f".{uuid4().hex}{PART}")
        try:
            self._fs.put_file(str(source), part)
            if self._fs.exists(target):
                if not replace:
                    self._fs.rm_file(part)
                    return False
                self._fs.rm_file(target)  # some file systems do not rename onto a file
            self._fs.mv(part, target)
        except BaseException:
            quietly(lambda: self._fs.rm_file(part))
            raise
        return True

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        with reaching(f"{self.shown}/{name}"):
            if self._fs.exists(self._path(name)):
                self._fs.rm_file(self._path(name))
            self._fs.invalidate_cache()

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"
