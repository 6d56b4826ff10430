"""The files of a model: a folder that `save_pretrained` wrote. Nothing in it is executed, and no pickle is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmark_core.canonical import digest_of
from benchmark_core.errors import ElrError
from benchmark_core.names import file_name
from benchmark_core.regular_file import read_regular

CONFIG = "config.json"
# Where processors keep the mean and the deviation of the colours, the one of video first.
PROCESSORS = ("video_preprocessor_config.json", "preprocessor_config.json", "processor_config.json")
WEIGHTS = ".safetensors"
INDEX = ".safetensors.index.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
LIMIT = 4_000_000  # bytes of a JSON file


class ModelFiles(Protocol):
    """The files of one model.

    name: of the model in plans, which stands for exactly these files. shown: for errors.
    """

    name: str
    shown: str

    def names(self) -> Iterable[str]:
        """Return the names of the files."""

    def read(self, name: str) -> bytes:
        """Return a small file."""

    def folder(self) -> Path:
        """Return a folder with the configuration and the weights. Raises ElrError if they are not those of `name`."""


@dataclass(frozen=True)
class LocalModel:
    """A model in a folder; see `ModelFiles`. Its name ends with a digest of the files that are read."""

    path: Path
    name: str
    shown: str

    @classmethod
    def open(cls, path: Path, shown: str) -> LocalModel:
        """Return the model. Reads all its weights once, for the digest."""
        return cls(path, f"{file_name(path.name)}@{_digest(path)}", shown)

    def names(self) -> Iterable[str]:
        """Return the names of the files in the folder itself."""
        return [each.name for each in sorted(self.path.iterdir()) if each.is_file()]

    def read(self, name: str) -> bytes:
        """Return a file."""
        return read_regular(self.path / name)

    def folder(self) -> Path:
        """Return the folder. Raises ElrError if its files have changed."""
        if not self.name.endswith(f"@{_digest(self.path)}"):
            raise ElrError(f"{self.shown}: its files have changed since the plan was made; run the command again")
        return self.path


def _digest(path: Path) -> str:
    """Return 16 hex digits of the names and contents of the files that are read."""
    found = {}
    for each in sorted(path.iterdir()):
        if each.is_file() and (each.name in (CONFIG, *PROCESSORS) or each.name.endswith((WEIGHTS, INDEX))):
            with each.open("rb") as file:
                found[each.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digest_of(found)


def check_files(model: ModelFiles) -> None:
    """Raise ElrError unless the model has a configuration and weights as safetensors."""
    names = set(model.names())
    if CONFIG not in names:
        raise ElrError(f"{model.shown} has no {CONFIG}; pass a folder that model.save_pretrained(FOLDER) wrote")
    if any(name.endswith(WEIGHTS) for name in names):
        return
    pickled = sorted(name for name in names if name.endswith(PICKLES))
    if pickled:
        raise ElrError(
            f"{model.shown} has pickled weights alone ({pickled[0]}), which could run code when loaded; if you trust "
            f"them, load them elsewhere, save the model as {WEIGHTS} and pass that folder"
        )
    raise ElrError(f"{model.shown} has no weights (*{WEIGHTS}); save the model with model.save_pretrained(FOLDER)")


def read_json(model: ModelFiles, name: str) -> dict[str, Any]:
    """Return a JSON object. Raises ElrError if the file is none, or if it names code of its own."""
    content = model.read(name)
    try:
        if len(content) > LIMIT:
            raise ValueError(f"it has more than {LIMIT:,} bytes")
        plain = json.loads(content)
        if not isinstance(plain, dict):
            raise ValueError("it is not an object")
    except (ValueError, RecursionError) as error:
        raise ElrError(f"{model.shown}: {name} is not a JSON configuration ({error}); save the model again") from error
    if code := _remote_code(plain):
        raise ElrError(
            f"{model.shown} needs code of its own (auto_map in {name}: {code}), which is never run; use a model whose "
            "network is part of transformers"
        )
    return plain


def _remote_code(plain: Mapping[str, Any]) -> str:
    """Return what an `auto_map` at any depth names, or ""."""
    for key, value in plain.items():
        if key == "auto_map" and value:
            first = next(iter(value.values())) if isinstance(value, Mapping) else value
            return str(first)[:80]
        if isinstance(value, Mapping) and (found := _remote_code(value)):
            return found
    return ""
