"""The enhancer module of a recognizer: views in [0, 1] outside, [-1, 1] inside the networks.

Example::

    enhance = super_resolution((14, 14), (112, 112), {"scale": 0, "native_input": "by-size"})
    enhance(torch.rand(2, 3, 16, 14, 14))  # (2, 3, 16, 112, 112)
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.functional import interpolate

from benchmark_core.specs import Value
from elrbench_plugins.dvsr.network import Attention, Dvsr
from elrbench_plugins.dvsr.scales import Size, scale_for, scales_of

FRAMES = 16


def signed(view: Tensor) -> Tensor:
    """Map [0, 1] to [-1, 1]."""
    return view * 2 - 1


def unsigned(view: Tensor) -> Tensor:
    """Map [-1, 1] to [0, 1] and clamp."""
    return ((view + 1) / 2).clamp(0, 1)


def resized(view: Tensor, size: Size) -> Tensor:
    """Resize (N, 3, T, h, w) in [0, 1] bicubically to (N, 3, T, *size) in [0, 1], with antialiasing."""
    if view.shape[-2:] == size:
        return view
    flat = view.transpose(1, 2).flatten(0, 1)  # (N*T, 3, h, w)
    flat = interpolate(flat, size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
    return flat.unflatten(0, (view.shape[0], -1)).transpose(1, 2)


class SuperResolution(nn.Module):
    """Enlarge float (N, 3, 16, h, w) in [0, 1] to (N, 3, 16, H, W) in [0, 1].

    size: (H, W). scales: one network each. A view is enlarged by the smallest scale that reaches H x W from its size.
    A network's input size is (H, W) / scale; a view of another size is first resized to it, bicubically.
    """

    def __init__(self, size: Size, scales: tuple[int, ...]) -> None:
        super().__init__()
        self.frames = FRAMES
        self.size = size
        self.scales = scales
        self.networks = nn.ModuleDict({f"x{scale}": Dvsr(scale) for scale in scales})
        for scale in scales:
            self.network(scale).rgb_proj[:-1].requires_grad_(False)  # projections of earlier steps are not used

    def network(self, scale: int) -> Dvsr:
        """Return the network with this scale."""
        found = self.networks[f"x{scale}"]
        assert isinstance(found, Dvsr)
        return found

    def scale_of(self, low: Tensor) -> int:
        """Return the scale for a view (..., h, w)."""
        return scale_for((low.shape[-2], low.shape[-1]), self.size, self.scales)

    def prepared(self, low: Tensor, scale: int) -> Tensor:
        """Return the input of the network with this scale: (N, 3, 16, H / scale, W / scale) in [-1, 1]."""
        return signed(resized(low, (self.size[0] // scale, self.size[1] // scale)))

    def forward(self, low: Tensor) -> Tensor:
        """Return the view at network size, (N, 3, 16, H, W) in [0, 1]."""
        scale = self.scale_of(low)
        return unsigned(self.network(scale)(self.prepared(low, scale)))

    def extra_repr(self) -> str:
        """Return the text that `print` shows."""
        return f"size={self.size}, scales={self.scales}"


class Attended(nn.Module):
    """A `SuperResolution` and one attention branch per network. The deployed output does not use the branches."""

    def __init__(self, size: Size, scales: tuple[int, ...]) -> None:
        super().__init__()
        self.frames = FRAMES
        self.super_resolution = SuperResolution(size, scales)
        self.attentions = nn.ModuleDict({f"x{scale}": Attention(scale) for scale in scales})
        self.attentions.requires_grad_(False)  # not used by forward

    def forward(self, low: Tensor) -> Tensor:
        """Return the view at network size, (N, 3, 16, H, W) in [0, 1]."""
        view: Tensor = self.super_resolution(low)
        return view

    def attention(self, low: Tensor) -> Tensor:
        """Return the importance of each pixel, (N, 1, 16, H, W) in (0, 1), of (N, 3, 16, h, w) in [0, 1]."""
        scale = self.super_resolution.scale_of(low)
        features = self.super_resolution.network(scale).features(self.super_resolution.prepared(low, scale))
        weight: Tensor = self.attentions[f"x{scale}"](features)
        return weight


class PublicLayout(nn.Module):
    """A network and, optionally, its attention branch, with the parameter names of the authors' checkpoints."""

    def __init__(self, *networks: nn.Module) -> None:
        super().__init__()
        for network in networks:
            for name, child in network.named_children():
                self.add_module(name, child)


def public_part(module: SuperResolution | Attended) -> PublicLayout:
    """Return the part whose weights a checkpoint of the authors holds: one network and its attention branch.

    The module has one network: `check` refuses plans with a checkpoint for two.
    """
    if isinstance(module, Attended):
        (scale,) = module.super_resolution.scales
        return PublicLayout(module.super_resolution.network(scale), module.attentions[f"x{scale}"])
    (scale,) = module.scales
    return PublicLayout(module.network(scale))


def super_resolution(low: Size | None, size: Size, options: Mapping[str, Value]) -> SuperResolution:
    """Build the enhancer from (h, w), or None for clips of any size, to (H, W). options: `scale`, `native_input`."""
    return SuperResolution(size, scales_of(low, size, options))


def attended(low: Size | None, size: Size, options: Mapping[str, Value]) -> Attended:
    """As `super_resolution`, with the attention branch; the network's initial weights are the same."""
    return Attended(size, scales_of(low, size, options))
