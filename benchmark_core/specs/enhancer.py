"""The spec of an enhancer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from benchmark_core.specs.option import Value
from benchmark_core.specs.spec import NOTHING, Spec, defaults
from benchmark_core.specs.target import Target

if TYPE_CHECKING:
    from torch import nn

    from benchmark_core.specs.published import Published

NO_ENHANCER = "none"  # the enhancer that leaves views as they are; also written where a network has no enhancer


@dataclass(frozen=True, kw_only=True)
class EnhancerSpec(Spec):
    """A network or interpolation that brings a low view to network size.

    factory: `build(low, size, options) -> nn.Module`, mapping float (N, 3, h, w) in [0, 1] to (N, 3, H, W). `low` is
        (h, w), or None if clips differ in size. With `frames` > 1 the module maps
        (N, 3, frames, h, w) to (N, 3, frames, H, W).
    fit: `fit(training, module)`, if it is trained. Plans with equal numbers share its stages. The weights are fixed
        afterwards, unless its option `train` is set. In `fit`, `training.options` are the enhancer's options.
    needs_high: `fit` reads high views of the training clips.
    check: as in `MethodSpec`.
    recognizer_options: options that shape the module; the others do not change its cost. None: all of them.
    flow: for a trained enhancer, the name of an enhancer without parameters that enlarges frames for optical flow.
    public: `public(module) -> nn.Module`, the part of the module whose weights public checkpoints contain. A checkpoint
        then replaces `fit`, and so does the recognizer of a run with the same enhancer. The plan names the file in the
        option `weights`, which such an enhancer must declare with the default "fit" (`benchmark_core.weights_file`).
    public_optional: names of parts that a public checkpoint may lack or have in addition, such as a training branch.
    files: name -> checkpoint, added by `--enhancer-weights`; plugins leave it empty.
    published: settings that `elrbench cost --all` measures; if empty, from 12x16 to 96x128.
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
    public_optional: tuple[str, ...] = ()
    files: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    published: tuple[Published, ...] = ()

    def under(self, options: Mapping[str, Value]) -> EnhancerSpec:
        """Return the spec for given options: with a checkpoint instead of `fit`, it needs no high views."""
        given = self.public is not None and options["weights"] != "fit"
        return replace(self, needs_high=False) if given else self

    def build(
        self, low: tuple[int, int] | None, size: tuple[int, int], options: Mapping[str, Value] = NOTHING
    ) -> nn.Module:
        """Return the module from low size (h, w), or any size if None, to network size (H, W)."""
        from torch import nn

        built = self.load(self.factory)(low, size, defaults(self) | dict(options))
        return self.returned("factory", built, nn.Module)
