"""The spec of a backbone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from benchmark_core.errors import ElrError
from benchmark_core.specs.option import Value
from benchmark_core.specs.spec import NOTHING, Spec, defaults
from benchmark_core.specs.target import Target

if TYPE_CHECKING:
    from torch import nn

    from benchmark_core.specs.published import Published


@dataclass(frozen=True, kw_only=True)
class BackboneSpec(Spec):
    """A published network.

    factory: `build(classes, options) -> nn.Module` with the parameter names of the public checkpoints. The module has
        `forward_features(x) -> list of stage maps` for x (N, 3, H, W) or (N, 3, T, H, W), `pool(map) -> (N, F)` for the
        last map, `get_classifier() -> nn.Module` from F to classes, and `num_features` (F).
    dims: 2 for an image network, 3 for a video network. modality: "rgb" or "flow". sampling: default sampling.
    stages: names of the stage maps that methods may use, in order.
    mean, std: normalisation of pixels in [0, 1] that the weights expect.
    smallest: shorter side, in pixels, below which a stage map would be empty.
    native: it takes low views as they are. Its enhancer is `none`, its default size is the low size, and a teacher is
        another network by default.
    weights: initialisations by name, for example "imagenet"; each is `load(module) -> None`, in place. "scratch" always
        exists. A checkpoint of the user's is added under its name in the plan (`benchmark_core.weights_file`).
    default_weights: the initialisation used if the plan names none.
    published: settings that `elrbench cost --all` measures; if empty, a usual size and 101 classes.
    at: only for a template such as `hub:MODEL`: `at(text, options) -> BackboneSpec` for what follows `TEMPLATE:`. The
        spec's name is `TEMPLATE:` and a text that stands for exactly this network and its weights, such as a digest.
        Its options must suffice to build the network. `options` are those of a recorded plan, whose files may be
        absent: only its `weights` may need them. None: `text` is what the user named.
    source: what the user named, as `TEMPLATE:TEXT`; the catalog sets it, so that other processes find the same files.
        Empty for a backbone of a plugin and for one of a recorded plan.
    """

    kind: ClassVar[str] = "backbone"
    factory: Target
    dims: Literal[2, 3] = 2
    modality: str = "rgb"
    sampling: str = "4x1"
    stages: tuple[str, ...] = ()
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    smallest: int = 8
    native: bool = False
    weights: Mapping[str, Target] = field(default_factory=lambda: NOTHING)
    default_weights: str = "scratch"
    published: tuple[Published, ...] = ()
    at: Target | None = None
    source: str = field(default="", compare=False)

    def build(self, classes: int, options: Mapping[str, Value] = NOTHING) -> nn.Module:
        """Return the network with a classifier for `classes` classes, randomly initialised."""
        from torch import nn

        return self.returned("factory", self.code(self.factory)(classes, defaults(self) | dict(options)), nn.Module)

    def at_text(self, text: str, options: Mapping[str, Value] | None = None) -> BackboneSpec:
        """Return the backbone of a template that `text` names; see `at`. Raises ElrError if its name is another's."""
        assert self.at is not None
        found = (
            self.load(self.at) if options is None else self.code(self.at)
        )  # a recorded plan is read without the extra
        made = self.returned("at", found(text, options), BackboneSpec)
        if not made.name.startswith(f"{self.name}:") or made.at is not None:
            raise ElrError(f"{self}: at returned '{made.name}', which is not the name of a backbone of this template")
        return replace(made, plugin=self.plugin)
