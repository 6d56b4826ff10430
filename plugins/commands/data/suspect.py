"""Signs of damage in clips that can be decoded: messages and marks of the decoder, and truncated files.

FFmpeg conceals damage: it logs a line, fills the damaged blocks, and returns frames. A damaged byte that still decodes
to a valid picture leaves no sign.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import av.logging

from benchmark_core.tables.markup import one_line

STREAMED = (0, 0xFFFFFFFF)  # sizes that writers leave in a file in which they could not seek

_lock = threading.Lock()
_watching = 0  # clips, in all threads


class Signs:
    """Signs of damage of one clip, including what FFmpeg logs in this thread while the context manager is entered.

    The log is a setting of the whole process: it is on while at least one thread listens. PyAV hands a message to the
    thread that caused it. The decoder has no threads of its own.
    """

    def __init__(self) -> None:
        self._capture = av.logging.Capture(local=True)
        self._first = ""
        self._count = 0

    def __enter__(self) -> Signs:
        _listen(1)
        self._capture.__enter__()
        return self

    def __exit__(self, *failed: object) -> None:
        self._capture.__exit__(None, None, None)
        _listen(-1)

    def add(self, sign: str) -> None:
        """Count a sign, after the messages that were logged before it."""
        self.read_log()
        self._count_one(sign)

    def read_log(self) -> None:
        """Count the messages since the last call, so that they do not fill the memory."""
        for _, name, message in self._capture.logs:
            self._count_one(f"{name}: {message}")
        self._capture.logs.clear()

    def _count_one(self, sign: str) -> None:
        self._first = self._first or " ".join(one_line(sign).split())
        self._count += 1

    def text(self) -> str:
        """Return the first sign and the number of signs, in one line; empty if there is none."""
        self.read_log()
        return f"{self._first} (the first of {self._count} signs)" if self._count > 1 else self._first


def _listen(change: int) -> None:
    """Switch the log on for the first thread and off after the last."""
    global _watching
    with _lock:
        _watching += change
        av.logging.set_skip_repeated(not _watching)  # else equal messages of two threads would count once
        av.logging.set_level(av.logging.WARNING if _watching else None)


def truncation(path: Path) -> str:
    """Return the stated and the real size of a truncated RIFF (AVI) or ISO media (MP4, MOV) file; else empty."""
    try:
        length = path.stat().st_size
        with path.open("rb") as file:
            end = next((end for end in _ends(file, length) if end > length), length)
    except (OSError, ValueError):
        return ""  # decoding the clip says why
    return f"the file is truncated: its header states {end} bytes, but it has {length}" if end > length else ""


def _ends(file: IO[bytes], length: int) -> Iterator[int]:
    """Yield the end of each part that a file consists of, as the part's header states it."""
    head = file.read(12)
    if head[:4] == b"RIFF" and len(head) == 12:
        size = struct.unpack("<I", head[4:8])[0]
        yield 0 if size in STREAMED else 8 + size
    elif head[4:8] == b"ftyp":
        start = 0
        while start < length:
            file.seek(start)
            head = file.read(16)
            size = struct.unpack(">I", head[:4])[0] if len(head) >= 8 else 0
            if size == 1 and len(head) == 16:
                size = struct.unpack(">Q", head[8:])[0]
            if size < 8:  # 0: up to the end of the file
                return
            yield start + size
            start += size
