"""Fitted pieces that runs share: a key, a folder, a lock, a checkpoint to go on from, and what it cost."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from safetensors.torch import load_file, save
from torch import nn

from benchmark_core.atomic import sweep_parts, unwritable, write_whole
from benchmark_core.names import file_name
from benchmark_core.training.keys import StageKey
from benchmark_core.training.stage_files import BEGUN, CHECKPOINT, LOCK, NOTE, WEIGHTS, damage, read_note


class StageFolder:
    """`stages/NAME-DIGEST/`: weights and note once finished; until then the last epoch's checkpoint."""

    def __init__(self, root: Path, key: StageKey) -> None:
        self.key = key
        self.path = root / "stages" / f"{file_name(key.name)}-{key.digest}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time works here; a second waits and then finds the stage finished.

        RunFailed where nothing can be written.
        """
        lock = FileLock(self.path / LOCK)
        while not lock.is_locked:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                lock.acquire()
            except FileNotFoundError:  # `cache clear` removed the folder in between
                continue
            except OSError as error:
                raise unwritable(self.path, error) from error
            if not (self.path / LOCK).exists():  # likewise, while this process waited
                lock.release()
        try:
            yield
        finally:
            lock.release()

    def finished(self) -> dict[str, Any] | None:
        """The note, where the stage is finished and its weights are whole."""
        note = read_note(self.path)
        return note if note is not None and damage(self.path, note) is None else None

    def restore(self, module: nn.Module) -> None:
        """The finished weights, strictly."""
        module.load_state_dict(load_file(self.path / WEIGHTS))
        with contextlib.suppress(OSError):  # another user's cache
            os.utime(self.path / NOTE)  # last used
            self._drop_checkpoint()  # of a process that was killed just before it would have

    def begin(self) -> None:
        """Notes what is being fitted, and sweeps away what a killed process left half written."""
        sweep_parts(self.path)
        write_whole(self.path / BEGUN, _json(self._what()), durable=False)

    def finish(self, module: nn.Module, note: Mapping[str, Any]) -> None:
        """Weights first, then the note that makes them count, then the checkpoint goes."""
        content = packed(module)
        write_whole(self.path / WEIGHTS, content)
        digest = hashlib.sha256(content).hexdigest()
        write_whole(self.path / NOTE, _json({**note, "bytes": len(content), "sha256": digest, **self._what()}))
        self._drop_checkpoint()

    def _drop_checkpoint(self) -> None:
        for name in (CHECKPOINT, BEGUN):
            (self.path / name).unlink(missing_ok=True)

    def _what(self) -> dict[str, Any]:
        return {
            "key": self.key.digest,
            "name": self.key.name,
            "function": self.key.function,
            "revision": self.key.revision,
            "numbers": dict(sorted(self.key.numbers.items())),
        }

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Replaces the checkpoint in one step."""
        content = io.BytesIO()
        torch.save(dict(state), content)
        write_whole(self.path / CHECKPOINT, content.getvalue(), durable=False)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """The last epoch's state; None where there is none or it is torn."""
        return read_checkpoint(self.path / CHECKPOINT)


def read_checkpoint(path: Path, *, lazily: bool = False) -> dict[str, Any] | None:
    """What `save_checkpoint` wrote; None where there is no such file or it is torn.

    lazily: tensors stay on the disk until they are looked at.
    """
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu", mmap=lazily)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, KeyError, ValueError, AttributeError):
        return None
    return state


def packed(module: nn.Module) -> bytes:
    """The module's state as safetensors."""
    state = {key: value.detach().contiguous().cpu() for key, value in module.state_dict().items()}
    return save(state)


def _json(plain: Mapping[str, Any]) -> bytes:
    """Keys keep their order: a log of a stage that was reused is that of the run that fitted it, to the byte."""
    return json.dumps(plain, indent=1).encode()
