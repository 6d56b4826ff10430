"""Check the pickles of a PyTorch checkpoint before they are unpickled: compressed data and deep nesting."""

from __future__ import annotations

import io
import pickletools
import zipfile

MOST = 50_000  # tuples: a tensor takes four or five. A key of 200,000 nested tuples crashes Python


def check_pickles(content: bytes) -> None:
    """Raise ValueError if a checkpoint unpacks to more than its size, or its pickles build too many tuples."""
    pickles, parts = 5, [content]  # before PyTorch 1.6: five pickles, then the tensors
    if content.startswith(b"PK\3\4"):
        archive = zipfile.ZipFile(io.BytesIO(content))
        if sum(entry.file_size for entry in archive.infolist()) > len(content):  # PyTorch compresses nothing
            raise ValueError(f"it unpacks to more than its {len(content)} bytes")
        pickles, parts = 1, [archive.read(entry) for entry in archive.infolist() if entry.filename.endswith(".pkl")]
    for part in parts:
        stream, tuples = io.BytesIO(part), 0
        for _ in range(pickles):
            if stream.tell() < len(part):
                tuples += sum(operation.name.startswith("TUPLE") for operation, _, _ in pickletools.genops(stream))
        if tuples > MOST:
            raise ValueError(f"it has {tuples} tuples, too many for tensors")
