"""Check the pickles of a PyTorch checkpoint before they are unpickled: compressed data and deep nesting."""

from __future__ import annotations

import io
import pickletools
import zipfile
from typing import IO

MOST = 50_000  # tuples: a tensor takes four or five. A key of 200,000 nested tuples crashes Python
_TUPLES = ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3")


def check_pickles(content: bytes) -> None:
    """Raise ValueError if a checkpoint unpacks to more than its size, or its pickles build too many tuples."""
    if not content.startswith(b"PK\3\4"):  # before PyTorch 1.6: five pickles, then the tensors
        stream = io.BytesIO(content)
        for _ in range(5):
            if stream.tell() < len(content):
                _check_tuples(stream)
        return
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
        if size > len(content):  # PyTorch compresses nothing
            raise ValueError(f"its {len(content)} bytes unpack to {size}")
        for entry in archive.infolist():
            if entry.filename.endswith(".pkl"):
                _check_tuples(archive.open(entry))


def _check_tuples(stream: IO[bytes]) -> None:
    found = sum(operation.name in _TUPLES for operation, _, _ in pickletools.genops(stream))
    if found > MOST:
        raise ValueError(f"it has {found} tuples, too many for tensors")
