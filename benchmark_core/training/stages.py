"""Fitted pieces that runs share: a key, a folder, a lock, a checkpoint to go on from, and what it cost."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from safetensors.torch import load_file, save
from torch import nn

from benchmark_core.atomic import write_whole
from benchmark_core.names import file_name
from benchmark_core.training.keys import StageKey


class StageFolder:
    """`stages/NAME-DIGEST/`: `module.safetensors` and `stage.json` once finished, `checkpoint.pt` until then."""

    def __init__(self, root: Path, key: StageKey) -> None:
        self.key = key
        self.path = root / "stages" / f"{file_name(key.name)}-{key.digest}"
        self.path.mkdir(parents=True, exist_ok=True)

    @classmethod
    def peek(cls, root: Path, key: StageKey) -> dict[str, Any] | None:
        """`finished()` of a stage that may have no folder, without making one."""
        path = root / "stages" / f"{file_name(key.name)}-{key.digest}"
        return cls(root, key).finished() if path.is_dir() else None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time works here; a second waits and then finds the stage finished."""
        with FileLock(self.path / "lock"):
            yield

    def finished(self) -> dict[str, Any] | None:
        """`stage.json`, where the stage is finished and its weights are whole."""
        try:
            note: dict[str, Any] = json.loads((self.path / "stage.json").read_text())
        except (FileNotFoundError, ValueError):
            return None
        weights = self.path / "module.safetensors"
        whole = weights.is_file() and weights.stat().st_size == note.get("bytes")
        return note if whole else None

    def restore(self, module: nn.Module) -> None:
        """The finished weights, strictly."""
        module.load_state_dict(load_file(self.path / "module.safetensors"))

    def finish(self, module: nn.Module, note: Mapping[str, Any]) -> None:
        """Weights first, then the note that makes them count, then the checkpoint goes."""
        content = packed(module)
        write_whole(self.path / "module.safetensors", content)
        full = {
            **note,
            "bytes": len(content),
            "key": self.key.digest,
            "name": self.key.name,
            "function": self.key.function,
            "revision": self.key.revision,
            "numbers": dict(self.key.numbers),
        }
        write_whole(self.path / "stage.json", json.dumps(full, indent=1, sort_keys=True).encode())
        (self.path / "checkpoint.pt").unlink(missing_ok=True)

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Replaces the checkpoint in one step."""
        content = io.BytesIO()
        torch.save(dict(state), content)
        write_whole(self.path / "checkpoint.pt", content.getvalue(), durable=False)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """The last epoch's state; None where there is none or it is torn."""
        try:
            state: dict[str, Any] = torch.load(self.path / "checkpoint.pt", weights_only=True, map_location="cpu")
        except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, KeyError, ValueError, AttributeError):
            return None
        return state


def packed(module: nn.Module) -> bytes:
    """The module's state as safetensors."""
    state = {key: value.detach().contiguous().cpu() for key, value in module.state_dict().items()}
    return save(state)
