"""A folder at another place: a path on this machine, or a URL such as `s3://bucket/folder` (fsspec).

A file appears under its name only when it is complete, and by default only if there is none with that name.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Protocol

from benchmark_core.atomic import PART
from benchmark_core.errors import ElrError, RunFailed

BLOCK = 1 << 22  # bytes read at a time
PASSWORD = re.compile(r"(?<=://)([^/@:]*):[^/@]*@")  # of `sftp://user:password@host`

Progress = Callable[[int], None]  # bytes done since the last call


class RemoteFolder(Protocol):
    """Files by name relative to the folder, with `/` between parts. The folder itself need not exist.

    shown: path or URL for messages, without a password.
    All methods raise ElrError if a file does not exist, and RunFailed if the place cannot be reached or written.
    """

    shown: str

    def files(self, most: int = 0) -> dict[str, int]:
        """Return the size in bytes of each regular file. Links and unfinished uploads are left out.

        most: after this number of files the rest may be left out; 0: all files.
        """

    def open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Open a file for reading."""

    def upload(self, name: str, source: Path, *, replace: bool = False) -> bool:
        """Copy the file `source` to `name`. Returns False, and changes nothing, if `name` exists and not `replace`."""

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""


def open_folder(url: str) -> RemoteFolder:
    """Return the folder at a path or URL. Raises ElrError if it is not a URL of a file system that is installed."""
    if not url:
        raise ElrError("the name of the folder is empty; pass a path or a URL, such as s3://bucket/folder")
    scheme, colon, rest = url.partition("://")
    if not colon or (scheme in ("file", "local") and "::" not in url):
        from elrbench_plugins.storage.local_folder import LocalFolder

        return LocalFolder(Path(rest if colon else url).expanduser())
    from elrbench_plugins.storage.url_folder import UrlFolder

    return UrlFolder(url)


def without_password(url: str) -> str:
    """Return a URL for messages."""
    return PASSWORD.sub(r"\1:***@", url)


@contextmanager
def reaching(what: str) -> Iterator[None]:
    """Turn what a file system raises into one line. Its libraries share no class of errors."""
    try:
        yield
    except (ElrError, KeyboardInterrupt):
        raise
    except FileNotFoundError as error:
        raise ElrError(f"{what} does not exist") from error
    except Exception as error:
        text = getattr(error, "strerror", None) or " ".join(str(error).split())[:300] or "no reason is given"
        raise RunFailed(f"{what} cannot be reached or written ({type(error).__name__}: {text})") from error


def read(folder: RemoteFolder, name: str, limit: int) -> bytes:
    """Return the content of a small file. ElrError if it has more than `limit` bytes."""
    with folder.open(name) as file, reaching(f"{folder.shown}/{name}"):
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ElrError(f"{folder.shown}/{name} has more than {limit:,} bytes, so it is not what its name says")
    return content


def download(folder: RemoteFolder, name: str, target: Path, limit: int, progress: Progress = lambda done: None) -> str:
    """Copy a file to `target`, which is not moved into place here, and return the sha256 of what was written.

    limit: bytes that are expected; a longer file is cut off after them, so that its digest differs.
    """
    digest, left = hashlib.sha256(), limit + 1
    with target.open("wb") as out, folder.open(name) as file:
        while left > 0:
            with reaching(f"{folder.shown}/{name}"):
                block = file.read(min(BLOCK, left))
            if not block:
                break
            out.write(block)
            digest.update(block)
            left -= len(block)
            progress(len(block))
    return digest.hexdigest()


def is_part(name: str) -> bool:
    """Whether a file is an upload that was not finished."""
    last = name.rpartition("/")[2]
    return last.startswith(".") and last.endswith(PART)


def quietly(work: Callable[[], object]) -> None:
    """Clean up after a failure, whose error is more useful than one of the cleaning."""
    with contextlib.suppress(Exception):
        work()
