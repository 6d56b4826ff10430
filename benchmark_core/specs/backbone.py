"""What a backbone says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from benchmark_core.specs.option import Value
from benchmark_core.specs.spec import NOTHING, Spec, defaults
from benchmark_core.specs.target import Target, resolve

if TYPE_CHECKING:
    from torch import nn

    from benchmark_core.specs.published import Published


@dataclass(frozen=True, kw_only=True)
class BackboneSpec(Spec):
    """A published network.

    factory: `build(classes, options) -> nn.Module` with the public checkpoints' key names, offering
        `forward_features(x) -> list of stage maps` for x (N, 3, H, W) or (N, 3, T, H, W),
        `pool(map) -> (N, F)` of the last map, `get_classifier() -> nn.Module` from F to classes, and `num_features`.
    weights: initialisations by name ("imagenet"), each `load(module) -> None` in place; "scratch" is always there, and
        a file of the user's is added under the name that its plan holds (`benchmark_core.weights_file`).
    mean, std: what its weights expect of pixels in [0, 1].
    published: what `elrbench cost --all` measures it in; a usual size, 101 classes, where there is nothing.
    """

    kind: ClassVar[str] = "backbone"
    factory: Target
    dims: Literal[2, 3] = 2
    modality: str = "rgb"
    sampling: str = "4x1"
    stages: tuple[str, ...] = ()  # names of the tapped stage maps, in order
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    smallest: int = 8  # pixels of the shorter side below which a stage map would vanish
    weights: Mapping[str, Target] = field(default_factory=lambda: NOTHING)
    default_weights: str = "scratch"
    published: tuple[Published, ...] = ()

    def build(self, classes: int, options: Mapping[str, Value] = NOTHING) -> nn.Module:
        """The network with a classifier for `classes`, freshly initialised."""
        built: nn.Module = resolve(self.factory)(classes, defaults(self) | dict(options))
        return built
