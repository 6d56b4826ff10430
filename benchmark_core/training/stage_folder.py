"""The folder of a stage, which runs share: lock, checkpoint, weights and note."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file, save
from torch import nn

from benchmark_core.atomic import READ_ONLY, read_only, sweep_parts, unwritable, write_whole
from benchmark_core.file_lock import Wait, acquire
from benchmark_core.names import file_name
from benchmark_core.progress import SILENT
from benchmark_core.training.keys import StageKey
from benchmark_core.training.stage_files import (
    BEGUN,
    CHECKPOINT,
    LOCK,
    NOTE,
    WEIGHTS,
    damage,
    open_checkpoint,
    pack_checkpoint,
    read_note,
)


class StageFolder:
    """`stages/NAME-DIGEST/`: weights and note when finished; before that, the checkpoint of the last epoch."""

    def __init__(self, root: Path, key: StageKey, warn: Callable[[str], None] = SILENT.warn) -> None:
        self.key = key
        self.warn = warn
        self.path = root / "stages" / f"{file_name(key.name)}-{key.digest}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process at a time work in the folder; a second process waits, and then finds the stage finished.

        A finished stage in a cache that this user can only read is used without a lock. Raises RunFailed if the folder
        must be written and cannot be.
        """
        wait = Wait(f"stage '{self.key.name}'", self.warn)
        taken: AbstractContextManager[object] | None = None
        while taken is None:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                lock = acquire(self.path / LOCK, wait)
                if (self.path / LOCK).exists():
                    taken = lock
                else:  # `cache clear` removed it while this process waited
                    lock.lock.release()
            except FileNotFoundError:  # `cache clear` removed the folder in between
                continue
            except OSError as error:
                if error.errno not in READ_ONLY:
                    raise unwritable(self.path, error) from error
                if self.finished() is None:
                    raise read_only(f"stage '{self.key.name}'", self.path, error) from error
                taken = nullcontext()
        with taken:
            yield

    def finished(self) -> dict[str, Any] | None:
        """Return the note, or None if the stage is not finished or damaged. Warns about damage."""
        note = read_note(self.path)
        reason = f"its {NOTE} cannot be read" if note is None else damage(self.path, note)
        if reason and (self.path / NOTE).exists():
            self.warn(f"stage '{self.key.name}' in the cache is damaged: {reason}; it is trained again")
        return None if reason else note

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
        """Replace the checkpoint atomically. `state["loops"]` ends with the running loop."""
        last = state["loops"][-1]
        head = {"key": self.key.digest, "epoch": last["epoch"] + 1, "of": last["of"]}
        write_whole(self.path / CHECKPOINT, pack_checkpoint(head, partial(torch.save, dict(state))))

    def load_checkpoint(self) -> dict[str, Any] | None:
        """Return the state after the last epoch, or None if there is none or it is damaged. Warns about damage."""
        path = self.path / CHECKPOINT
        try:
            with open_checkpoint(path, self.key.digest) as file:
                return cast("dict[str, Any]", torch.load(file, weights_only=True, map_location="cpu"))
        except FileNotFoundError:
            return None
        except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, KeyError, ValueError) as error:
            reason = error if isinstance(error, ValueError) else f"cannot be read ({error})"
        self.warn(f"stage '{self.key.name}': {path} {reason}; training starts again at the first epoch")
        return None


def packed(module: nn.Module) -> bytes:
    """Return the module's state as the bytes of a safetensors file."""
    state = {key: value.detach().contiguous().cpu() for key, value in module.state_dict().items()}
    return save(state)


def _json(plain: Mapping[str, Any]) -> bytes:
    """Return JSON with keys in their order, so that a reused stage has the log of its training byte for byte."""
    return json.dumps(plain, indent=1).encode()
