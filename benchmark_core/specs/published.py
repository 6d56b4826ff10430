"""Published settings of a network: `elrbench cost --all` measures it in each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark_core.specs.option import Value

CLASSES = 101  # by default: UCF101's


@dataclass(frozen=True, kw_only=True)
class Published:
    """One setting of a backbone or of an enhancer.

    size: (H, W), input of a backbone or output of an enhancer. low: (h, w), input of an enhancer; None for a backbone.
    sampling: KxT for a backbone; empty: the default of its spec. An enhancer gets as many frames as it takes at once.
    classes: number of classes of a backbone's classifier. options: options that differ from the component's defaults.
    """

    size: tuple[int, int]
    low: tuple[int, int] | None = None
    sampling: str = ""
    classes: int = CLASSES
    options: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))

    def __str__(self) -> str:
        """Text such as `12x16 to 96x128 units=10` or `4x5 of 256x340 (101 classes)`."""
        options = [f"{key}={value}" for key, value in self.options.items()]
        if self.low is not None:
            return " ".join([_text(self.low), "to", _text(self.size), *options])
        sampled = f"{self.sampling} of {_text(self.size)}" if self.sampling else _text(self.size)
        return " ".join([f"{sampled} ({self.classes} classes)", *options])


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
