"""What lies in a stage's folder, and reading it without a network: `stages/NAME-DIGEST/`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

NOTE = "stage.json"  # what it is, what it cost and how it went; written last
WEIGHTS = "module.safetensors"
CHECKPOINT = "checkpoint.pt"  # the last finished epoch, until the stage is finished
BEGUN = "begun.json"  # what it is, from when its fitting began
LOCK = "lock"


def read_note(folder: Path, name: str = NOTE) -> dict[str, Any] | None:
    """`stage.json` (or `begun.json`); None where it is absent or no note."""
    try:
        note = json.loads((folder / name).read_bytes())
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) else None


def damage(folder: Path, note: dict[str, Any]) -> str | None:
    """What is wrong with the weights beside `note`; None where they are those that were written.

    A note of an older version has no digest, and its weights are held against their size alone.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        return f"its {WEIGHTS} is not there"
    size = path.stat().st_size
    if size != note.get("bytes"):
        return f"its {WEIGHTS} has {size} bytes, not {note.get('bytes')}"
    if note.get("sha256") not in (None, hashlib.sha256(path.read_bytes()).hexdigest()):
        return f"the bytes of its {WEIGHTS} are not those that were written"
    return None
