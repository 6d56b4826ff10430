"""Names of the files in a stage's folder, `stages/NAME-DIGEST/`, and how to read them without a network."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

MAGIC = b"elrbench checkpoint "  # then the sha256 of what follows the line, a line of JSON, and what `torch.save` wrote
FIRST_LINE = len(MAGIC) + 65  # bytes: 64 hex digits and a line feed
NOTE = "stage.json"  # key, time and history; written last
WEIGHTS = "module.safetensors"
CHECKPOINT = "checkpoint.pt"  # state after the last finished epoch; removed when the stage is finished
BEGUN = "begun.json"  # the key, while the stage is trained
LOCK = "lock"


def read_note(folder: Path, name: str = NOTE) -> dict[str, Any] | None:
    """Return `stage.json` (or `begun.json`); None if it is absent or not a JSON object."""
    try:
        note = json.loads((folder / name).read_bytes())
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) else None


def pack_checkpoint(head: Mapping[str, Any], save: Callable[[IO[bytes]], object]) -> memoryview:
    """Return a checkpoint with `head`: `key` of its stage, last `epoch` (from 1), and `of`, the number of epochs."""
    file = io.BytesIO()
    file.write(bytes(FIRST_LINE) + json.dumps(head).encode() + b"\n")
    save(file)
    content = file.getbuffer()
    content[:FIRST_LINE] = MAGIC + hashlib.sha256(content[FIRST_LINE:]).hexdigest().encode() + b"\n"
    return content


@contextmanager
def open_checkpoint(path: Path, key: str) -> Iterator[IO[bytes]]:
    """Open the checkpoint of the stage `key` at the bytes of `torch.save`. ValueError says why it cannot be used."""
    if path.exists() and not path.is_file():
        raise ValueError("is not a file")
    with path.open("rb") as file:
        first = file.read(FIRST_LINE)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if not first.startswith(MAGIC):
            raise ValueError("has no checksum: an older version or another program wrote it")
        if first != MAGIC + digest.encode() + b"\n":
            raise ValueError("is damaged: its sha256 is not that of its content")
        file.seek(FIRST_LINE)
        if (found := json.loads(file.readline())["key"]) != key:
            raise ValueError(f"is that of another stage ({found})")
        yield file


def damage(folder: Path, note: dict[str, Any]) -> str | None:
    """Return what a run cannot read of `note`, or how the weights differ from those that it describes; None if sound.

    Notes of older versions have no digest; only the size of their weights is checked.
    """
    if fault := note_fault(note):
        return fault
    path = folder / WEIGHTS
    if not path.is_file():
        return f"its {WEIGHTS} is missing"
    size = path.stat().st_size
    if size != note.get("bytes"):
        return f"its {WEIGHTS} has {size} bytes, expected {note.get('bytes')}"
    if note.get("sha256") not in (None, hashlib.sha256(path.read_bytes()).hexdigest()):
        return f"its {WEIGHTS} differs from what was written: the sha256 is another"
    return None


def note_fault(note: Mapping[str, Any]) -> str | None:
    """Return which field that a run reads of a finished stage's note is missing or has another type; None if none."""
    fits = {
        "seconds": _is_amount(note.get("seconds")),
        "updates": _is_amount(note.get("updates")) and isinstance(note["updates"], int),
        "history": _are_rows(note.get("history")),
        "device": isinstance(note.get("device"), str),
        "notes": _is_list(note.get("notes", []), str),
        "validation": _is_validation(note.get("validation", {"rows": []})),
    }
    wrong = next((key for key, fine in fits.items() if not fine), None)
    return None if wrong is None else f"its {NOTE} has no valid '{wrong}'"


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _is_list(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _are_rows(value: Any) -> bool:
    """Whether `value` is a list of objects with numbers alone."""
    return _is_list(value, dict) and all(isinstance(each, int | float) for row in value for each in row.values())


def _is_validation(value: Any) -> bool:
    return isinstance(value, dict) and _are_rows(value.get("rows")) and all("epoch" in row for row in value["rows"])
