"""What identifies a clip in the store: a digest of its content, whatever its file is called."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from pathlib import Path

from benchmark_core.clips.bad_clip import BadClip
from benchmark_core.clips.decode import first_turn
from benchmark_core.clips.digests import Digests
from benchmark_core.clips.display_matrix import AS_STORED
from benchmark_core.specs import ArrayFrames, Drawn, FrameFolder, FrameFolders, TableFrames
from benchmark_core.specs.index import Source
from benchmark_core.specs.target import target_name

MAY_BE_TURNED = re.compile(  # the beginning of an MP4 or MOV, a Matroska file, a JPEG with Exif data
    rb".{4}(ftyp|moov|wide|mdat|free|skip)|\x1aE\xdf\xa3|\xff\xd8.*Exif", re.DOTALL
)


class Contents:
    """Content keys of clips, with a file of known digests under a store's root."""

    def __init__(self, root: Path) -> None:
        self._digests = Digests(root / "digests.sqlite", display_key)

    def key(self, source: Source) -> str:
        """Return the sha256 of a clip's content, 64 hex digits. Raises BadClip if a file cannot be read.

        The content is: a video file's bytes; the names and bytes of a folder's pictures, or of several
        folders'; a table's or an array's bytes
        with the rows and the range of values; the code and the key of a drawn clip. `display_key` is part of a file's
        bytes.
        """
        if isinstance(source, Drawn):
            return hashlib.sha256(f"drawn {target_name(source.render)} {source.key}".encode()).hexdigest()
        if isinstance(source, TableFrames | ArrayFrames):
            kind = "table" if isinstance(source, TableFrames) else "frames of an array"
            numbers = dataclasses.asdict(source) | {"path": self._file_digest(source.path)}
            return hashlib.sha256(f"{kind} {json.dumps(numbers, sort_keys=True)}".encode()).hexdigest()
        if isinstance(source, FrameFolder):
            return hashlib.sha256(f"pictures {json.dumps(self._pictures(source))}".encode()).hexdigest()
        if isinstance(source, FrameFolders):
            folders = [self._pictures(part) for part in source.parts]
            return hashlib.sha256(f"side by side {json.dumps(folders)}".encode()).hexdigest()
        digest = self._file_digest(source.path)
        return hashlib.sha256(f"whole {digest}".encode()).hexdigest() if source.whole else digest

    def save(self) -> None:
        """Write the digests that were computed since the last call."""
        self._digests.save()

    def _pictures(self, source: FrameFolder) -> list[tuple[str, str]]:
        """Return (name, digest) of each picture."""
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


def display_key(path: Path) -> bytes:
    """Return bytes that identify how a file's first frame is turned; empty if it is shown as stored, as most are."""
    with path.open("rb") as file:
        if not MAY_BE_TURNED.match(file.read(1 << 16)):
            return b""
    turn = first_turn(path)
    return b"" if turn == AS_STORED else f"display {turn}".encode()
