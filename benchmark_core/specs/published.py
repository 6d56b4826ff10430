"""The settings that a network is published in: what `elrbench cost --all` measures it in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark_core.specs.option import Value

CLASSES = 101  # where nothing else is said: UCF101's


@dataclass(frozen=True, kw_only=True)
class Published:
    """One setting of a backbone or of an enhancer.

    size: (H, W) that a backbone sees, or that an enhancer makes. low: (h, w) that an enhancer gets, and no backbone.
    sampling: KxT of a backbone, its spec's own where empty; an enhancer gets as many frames as it takes at once.
    classes: of a backbone's classifier. options: of the component, where they are off their defaults.
    """

    size: tuple[int, int]
    low: tuple[int, int] | None = None
    sampling: str = ""
    classes: int = CLASSES
    options: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))

    def __str__(self) -> str:
        """`12x16 to 96x128 units=10`, `4x5 of 256x340 (101 classes)`."""
        options = [f"{key}={value}" for key, value in self.options.items()]
        if self.low is not None:
            return " ".join([_text(self.low), "to", _text(self.size), *options])
        sampled = f"{self.sampling} of {_text(self.size)}" if self.sampling else _text(self.size)
        return " ".join([f"{sampled} ({self.classes} classes)", *options])


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
