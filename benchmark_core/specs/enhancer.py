"""What an enhancer says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from benchmark_core.specs.option import Value
from benchmark_core.specs.spec import NOTHING, Spec, defaults
from benchmark_core.specs.target import Target

if TYPE_CHECKING:
    from torch import nn

    from benchmark_core.published import Published


@dataclass(frozen=True, kw_only=True)
class EnhancerSpec(Spec):
    """What brings a low view to the network's size.

    factory: `build(low, size, options) -> nn.Module` mapping float (N, 3, h, w) in [0, 1] to (N, 3, H, W). low is
        (h, w), or None where clips differ in size and each comes in its own. With `frames` > 1 the module maps
        (N, 3, frames, h, w) to (N, 3, frames, H, W).
    fit: `fit(training, module)`, where it is learnt; its stages are shared by all plans of equal numbers. The module
        stands still afterwards, unless its option `train` is set. While `fit` runs, `training.options` are the
        enhancer's.
    needs_high: `fit` reads high views of the training clips.
    check: as a method's.
    recognizer_options: the options that shape its module; others do not change what it costs. None: all of them.
    flow: name of the enhancer, one without parameters, that enlarges the frames of which optical flow is made, where
        this one is learnt and so cannot.
    public: `public(module) -> nn.Module`, the part of its module that public checkpoints are of. A file then stands in
        for `fit`, under the name that its plan holds as the option `weights`, which such an enhancer declares with
        "fit" as its default (`benchmark_core.weights_file`). files: those named so far.
    published: what `elrbench cost --all` measures it in; from 12x16 to 96x128 where there is nothing.
    """

    kind: ClassVar[str] = "enhancer"
    factory: Target
    frames: int = 1
    fit: Target | None = None
    needs_high: bool = False
    check: Target | None = None
    recognizer_options: tuple[str, ...] | None = None
    flow: str = ""
    public: Target | None = None
    files: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    published: tuple[Published, ...] = ()

    def under(self, options: Mapping[str, Value]) -> EnhancerSpec:
        """The enhancer as `options` make it: one that a file stands in for reads no high views."""
        given = self.public is not None and options["weights"] != "fit"
        return replace(self, needs_high=False) if given else self

    def build(
        self, low: tuple[int, int] | None, size: tuple[int, int], options: Mapping[str, Value] = NOTHING
    ) -> nn.Module:
        """The module from low size (h, w), or any where None, to network size (H, W)."""
        built: nn.Module = self.load(self.factory)(low, size, defaults(self) | dict(options))
        return built
