"""The folder of a stage, which runs share: lock, checkpoint, weights and note."""

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
    """`stages/NAME-DIGEST/`: weights and note when finished; before that, the checkpoint of the last epoch."""

    def __init__(self, root: Path, key: StageKey) -> None:
        self.key = key
        self.path = root / "stages" / f"{file_name(key.name)}-{key.digest}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process at a time work in the folder; a second process waits, and then finds the stage finished.

        Raises RunFailed if the folder cannot be written.
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
            if not (self.path / LOCK).exists():  # `cache clear` removed it while this process waited
                lock.release()
        try:
            yield
        finally:
            lock.release()

    def finished(self) -> dict[str, Any] | None:
        """Return the note; None if the stage is not finished or its weights are damaged."""
        note = read_note(self.path)
        return note if note is not None and damage(self.path, note) is None else None

    def restore(self, module: nn.Module) -> None:
        """Load the finished weights into `module`, strictly."""
        module.load_state_dict(load_file(self.path / WEIGHTS))
        with contextlib.suppress(OSError):  # the cache may belong to another user
            os.utime(self.path / NOTE)  # last used
            self._drop_checkpoint()  # of a process that was killed before it removed it

    def begin(self) -> None:
        """Write down which stage is trained here, and remove partial files of killed processes."""
        sweep_parts(self.path)
        write_whole(self.path / BEGUN, _json(self._what()), durable=False)

    def finish(self, module: nn.Module, note: Mapping[str, Any]) -> None:
        """Write the weights, then the note, which marks the stage as finished; then remove the checkpoint."""
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
        """Replace the checkpoint atomically."""
        content = io.BytesIO()
        torch.save(dict(state), content)
        write_whole(self.path / CHECKPOINT, content.getvalue(), durable=False)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """Return the state after the last epoch; None if there is no checkpoint or it is damaged."""
        return read_checkpoint(self.path / CHECKPOINT)


def read_checkpoint(path: Path, *, lazily: bool = False) -> dict[str, Any] | None:
    """Return what `save_checkpoint` wrote; None if the file is absent or damaged.

    lazily: map the file, and read a tensor from the disk when it is used.
    """
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu", mmap=lazily)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, KeyError, ValueError, AttributeError):
        return None
    return state


def packed(module: nn.Module) -> bytes:
    """Return the module's state as the bytes of a safetensors file."""
    state = {key: value.detach().contiguous().cpu() for key, value in module.state_dict().items()}
    return save(state)


def _json(plain: Mapping[str, Any]) -> bytes:
    """Return JSON with keys in their order, so that a reused stage has the log of its training byte for byte."""
    return json.dumps(plain, indent=1).encode()
