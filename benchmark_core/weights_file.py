"""A public checkpoint on this machine: `--weights FILE` initialises a backbone, `--enhancer-weights FILE` stands in for
fitting an enhancer.

A plan holds `file:STEM@DIGEST`, of the file's name and of what is in it, and never a path; where the file lies is
remembered by the catalog, as folders of clips are.
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
from benchmark_core.specs import resolve

SUFFIXES = (".safetensors", ".pth", ".pt")
PREFIX = "file:"


@dataclass(frozen=True)
class WeightsFile:
    """digest: the first 16 hex digits of the sha256 of its bytes, when it was named."""

    path: Path
    digest: str

    def __call__(self, module: Any, *, backbone: str = "", channels: int = 3) -> str:
        """Loads it into a backbone's module, and says what of it matched; see `benchmark_core.networks.checkpoint`."""
        said: str = resolve("benchmark_core.networks.checkpoint:load_checkpoint")(
            module, self, backbone=backbone or type(module).__name__, channels=channels
        )
        return said

    def read(self) -> bytes:
        """Its bytes. ElrError where they are not those of `digest` any more."""
        content = _read(self.path)
        if digest_of_bytes(content) != self.digest:
            raise ElrError(f"the weights {self.path} have changed since the plan was made; start again")
        return content


def place_weights(catalog: Catalog, text: str) -> tuple[Catalog, str]:
    """Adds the file `text` to what every backbone may be initialised from, under the name that plans hold.

    A name that some backbone declares comes back as it is, and so does what is neither: resolving the plan says what
    is known. Raises ElrError where a path leads to no file that could be a checkpoint, or a plan's name is given
    without its file.
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


def place_enhancer_weights(catalog: Catalog, text: str) -> tuple[Catalog, str]:
    """Adds the file `text` to what every enhancer with public checkpoints may take instead of being fitted.

    What comes back with the catalog is the name that plans hold, as the enhancer's option `weights`.
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
    """The checkpoint at the path `text`, and the name that plans hold. flag: what gives it, for errors.

    Raises ElrError where the path leads to no file that could be one.
    """
    path = Path(text).expanduser()
    if text.startswith(PREFIX) and not path.is_file():
        raise ElrError(f"{flag} {text} is what a plan calls a file; give the file itself: {flag} PATH")
    if path.is_dir():
        raise ElrError(f"{flag} {text} is a folder; name the checkpoint in it, one of {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise ElrError(f"{flag} {text}: there is no such file")
    if path.suffix not in SUFFIXES:
        raise ElrError(f"{flag} {text} is not a checkpoint by its name, which ends in one of {', '.join(SUFFIXES)}")
    file = WeightsFile(path=path.resolve(), digest=digest_of_bytes(_read(path)))
    return f"{PREFIX}{file_name(path.stem)}@{file.digest}", file


def digest_of_bytes(content: bytes) -> str:
    """16 hex digits."""
    return hashlib.sha256(content).hexdigest()[:16]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ElrError(f"the weights {path} cannot be read: {error.strerror or error}") from error
