"""What modules of plugins may declare about themselves. A plain `nn.Module` declares nothing and gets the defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class HeadInput(Protocol):
    """A head that declares its input: pooled features, or with `pooled = False` the last stage maps."""

    pooled: bool


@runtime_checkable
class ForegroundEnhancer(Protocol):
    """An enhancer that weights pixels by how much they belong to the foreground; reports show the weights."""

    def attention(self, low: Tensor) -> Tensor:
        """Map (N, 3, [frames,] h, w) in [0, 1] to weights (N, 1, [frames,] H, W) in [0, 1]."""


@runtime_checkable
class Levelled(Protocol):
    """A backbone that declares its levels, for learning rates by layer, freezing, and training of the last levels.

    Without it, a level is a child of the backbone (`benchmark_core.training.levels`). A backbone that wraps another
    network as one child declares them.
    """

    def parameter_levels(self) -> Sequence[nn.Module]:
        """Return modules without common parameters, from input to output, without the classifier."""


@runtime_checkable
class NotExportable(Protocol):
    """A module that cannot become part of an exported file, such as an ONNX graph.

    not_exportable: the reason, which completes "it cannot be exported because …".
    """

    not_exportable: str


@runtime_checkable
class RgbOnly(Protocol):
    """A network whose input cannot have channels other than red, green and blue.

    rgb_only: the reason, which completes "it takes red, green and blue alone: …".
    """

    rgb_only: str


@runtime_checkable
class SizedByTraining(Protocol):
    """A module with buffers whose length training determines, such as the support vectors of an SVM.

    `load_state_dict` must call `fit_to`, for example in `register_load_state_dict_pre_hook`. The lengths of what is
    loaded then replace the module's; all other shapes must be equal.
    """

    def fit_to(self, state: Mapping[str, Tensor]) -> None:
        """Give these buffers the lengths that they have in `state`, whose names are relative to this module."""


def fit_to_state(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Call `fit_to` of each part of `module` that declares it. state: tensors by their name in `module`."""
    for name, part in module.named_modules():
        if isinstance(part, SizedByTraining):
            prefix = f"{name}." if name else ""
            part.fit_to({key.removeprefix(prefix): each for key, each in state.items() if key.startswith(prefix)})


def sized_by_training(module: nn.Module) -> bool:
    """Return whether a part of `module` has buffers whose length training determines."""
    return any(isinstance(part, SizedByTraining) for part in module.modules())


def takes_maps(head: nn.Module) -> bool:
    """Return whether `head` takes stage maps (B, K, C, [T,] h, w) instead of pooled features (B, K, F)."""
    return isinstance(head, HeadInput) and not head.pooled
