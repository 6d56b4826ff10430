"""Checkpoint files: `--weights FILE` initialises a backbone, `--enhancer-weights FILE` replaces training an enhancer.

A plan contains `file:STEM@DIGEST`, with the file's name and a digest of its bytes, and never a path. The catalog keeps
the path, as it keeps the folders of clips.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_core.catalog import Catalog, Section
from benchmark_core.errors import ElrError
from benchmark_core.names import file_name
from benchmark_core.regular_file import read_regular
from benchmark_core.specs import resolve

SUFFIXES = (".safetensors", ".pth", ".pt", ".tar")  # .tar: PyTorch's examples write .pth.tar
PREFIX = "file:"


@dataclass(frozen=True)
class WeightsFile:
    """A checkpoint file. digest: the first 16 hex digits of the sha256 of its bytes when the plan was made."""

    path: Path
    digest: str

    def __call__(self, module: Any, *, backbone: str = "", channels: int = 3, keep: bool = False) -> str:
        """Load it into a backbone; return a text on what matched (see `benchmark_core.networks.checkpoint`)."""
        report: str = resolve("benchmark_core.networks.checkpoint:load_checkpoint")(
            module, self, backbone=backbone or type(module).__name__, channels=channels, keep=keep
        )
        return report

    def read(self) -> bytes:
        """Return its bytes. Raises ElrError if they no longer match `digest`."""
        content = read_regular(self.path)
        if digest_of_bytes(content) != self.digest:
            raise ElrError(f"the weights {self.path} have changed since the plan was made; run the command again")
        return content


def add_weights(catalog: Catalog, text: str) -> tuple[Catalog, str]:
    """Add the checkpoint at the path `text` to the initialisations of every backbone.

    Returns the new catalog and the checkpoint's name in plans. Names that are not paths are returned unchanged:
    resolving the plan reports unknown names. Raises ElrError if a path is not a checkpoint, or if a plan's name of a
    file is given instead of the file.
    """
    backbones: Mapping[str, Any] = dict(catalog.backbones.items())
    path = Path(text).expanduser()
    if text == "scratch" or any(text in spec.weights for spec in backbones.values()):
        return catalog, text
    if not text.startswith(PREFIX) and not path.exists() and path.suffix not in SUFFIXES and len(path.parts) == 1:
        return catalog, text
    name, file = named_file("--weights", text)
    section = Section(
        catalog.backbones.kind,
        {key: dataclasses.replace(spec, weights={**spec.weights, name: file}) for key, spec in backbones.items()},
    )
    return dataclasses.replace(catalog, backbones=section), name


def add_enhancer_weights(catalog: Catalog, text: str) -> tuple[Catalog, str]:
    """Add the checkpoint at the path `text` to every enhancer that has public checkpoints, as a replacement of `fit`.

    Returns the new catalog and the checkpoint's name in plans, the value of the enhancer's option `weights`.
    """
    name, file = named_file("--enhancer-weights", text)
    specs: dict[str, Any] = dict(catalog.enhancers.items())
    for key, spec in specs.items():
        if spec.public is not None:
            option = spec.options["weights"]
            option = dataclasses.replace(option, choices=(*option.choices, name))
            specs[key] = dataclasses.replace(
                spec, options={**spec.options, "weights": option}, files={**spec.files, name: file}
            )
    return dataclasses.replace(catalog, enhancers=Section(catalog.enhancers.kind, specs)), name


def named_file(flag: str, text: str) -> tuple[str, WeightsFile]:
    """Return the checkpoint's name in plans, and the checkpoint at the path `text`. flag: option to name in errors.

    Raises ElrError if the path is not a checkpoint.
    """
    path = Path(text).expanduser()
    if text.startswith(PREFIX) and not path.is_file():
        raise ElrError(f"{flag} {text} is a file name from a plan; pass the path of the file: {flag} PATH")
    if path.is_dir():
        raise ElrError(f"{flag} {text} is a folder; pass a checkpoint in it, one of {', '.join(SUFFIXES)}")
    if not path.exists():
        raise ElrError(f"{flag} {text}: the file does not exist")
    if path.suffix not in SUFFIXES:
        raise ElrError(f"{flag} {text} is not a checkpoint: its name must end in one of {', '.join(SUFFIXES)}")
    file = WeightsFile(path=path.resolve(), digest=digest_of_bytes(read_regular(path)))
    return f"{PREFIX}{file_name(path.stem)}@{file.digest}", file


def digest_of_bytes(content: bytes) -> str:
    """Return 16 hex digits of the sha256."""
    return hashlib.sha256(content).hexdigest()[:16]
