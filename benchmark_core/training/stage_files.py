"""Names of the files in a stage's folder, `stages/NAME-DIGEST/`, and how to read them without a network."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

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


def damage(folder: Path, note: dict[str, Any]) -> str | None:
    """Return how the weights differ from those that `note` describes; None if they do not.

    Notes of older versions have no digest; only the size of their weights is checked.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        return f"its {WEIGHTS} is missing"
    size = path.stat().st_size
    if size != note.get("bytes"):
        return f"its {WEIGHTS} has {size} bytes, expected {note.get('bytes')}"
    if note.get("sha256") not in (None, hashlib.sha256(path.read_bytes()).hexdigest()):
        return f"its {WEIGHTS} differs from what was written: the sha256 is another"
    return None
