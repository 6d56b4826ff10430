"""What stands in a recognizer: the networks at [-1, 1] within, views in [0, 1] without.

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
    """[0, 1] to [-1, 1]."""
    return view * 2 - 1


def unsigned(view: Tensor) -> Tensor:
    """About [-1, 1] to [0, 1], clamped."""
    return ((view + 1) / 2).clamp(0, 1)


def resized(view: Tensor, size: Size) -> Tensor:
    """Bicubic, (N, 3, T, h, w) in [0, 1] to (N, 3, T, *size) in [0, 1]; its kernel widens along sides that shrink."""
    if view.shape[-2:] == size:
        return view
    flat = view.transpose(1, 2).flatten(0, 1)  # (N*T, 3, h, w)
    flat = interpolate(flat, size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
    return flat.unflatten(0, (view.shape[0], -1)).transpose(1, 2)


class SuperResolution(nn.Module):
    """float (N, 3, 16, h, w) in [0, 1] to (N, 3, 16, H, W) in [0, 1].

    size: (H, W). scales: of its networks; of several, a view is enlarged by the smallest that reaches H x W from it.
    A view of another size than a network's own, (H, W) / scale, is first brought to that bicubically.
    """

    def __init__(self, size: Size, scales: tuple[int, ...]) -> None:
        super().__init__()
        self.frames = FRAMES
        self.size = size
        self.scales = scales
        self.networks = nn.ModuleDict({f"x{scale}": Dvsr(scale) for scale in scales})
        for scale in scales:
            self.network(scale).rgb_proj[:-1].requires_grad_(False)  # of earlier steps: not on the way

    def network(self, scale: int) -> Dvsr:
        """The one by `scale`."""
        found = self.networks[f"x{scale}"]
        assert isinstance(found, Dvsr)
        return found

    def scale_of(self, low: Tensor) -> int:
        """By which (…, h, w) is enlarged."""
        return scale_for((low.shape[-2], low.shape[-1]), self.size, self.scales)

    def prepared(self, low: Tensor, scale: int) -> Tensor:
        """(N, 3, 16, h, w) in [0, 1] as the network by `scale` takes it: of its size, in [-1, 1]."""
        return signed(resized(low, (self.size[0] // scale, self.size[1] // scale)))

    def forward(self, low: Tensor) -> Tensor:
        """The view at network size."""
        scale = self.scale_of(low)
        return unsigned(self.network(scale)(self.prepared(low, scale)))

    def extra_repr(self) -> str:
        """Shown by print."""
        return f"size={self.size}, scales={self.scales}"


class Attended(nn.Module):
    """A `SuperResolution` with an attention branch for each of its networks; what is deployed does without them."""

    def __init__(self, size: Size, scales: tuple[int, ...]) -> None:
        super().__init__()
        self.frames = FRAMES
        self.super_resolution = SuperResolution(size, scales)
        self.attentions = nn.ModuleDict({f"x{scale}": Attention(scale) for scale in scales})
        self.attentions.requires_grad_(False)  # not on the way

    def forward(self, low: Tensor) -> Tensor:
        """(N, 3, 16, h, w) in [0, 1] to (N, 3, 16, H, W) in [0, 1]."""
        seen: Tensor = self.super_resolution(low)
        return seen

    def attention(self, low: Tensor) -> Tensor:
        """How much each pixel matters: (N, 3, 16, h, w) in [0, 1] to (N, 1, 16, H, W) in (0, 1)."""
        scale = self.super_resolution.scale_of(low)
        features = self.super_resolution.network(scale).features(self.super_resolution.prepared(low, scale))
        weight: Tensor = self.attentions[f"x{scale}"](features)
        return weight


def super_resolution(low: Size | None, size: Size, options: Mapping[str, Value]) -> SuperResolution:
    """From (h, w), or clips of any size, to (H, W). options: `scale`, `native_input`."""
    return SuperResolution(size, scales_of(low, size, options))


def attended(low: Size | None, size: Size, options: Mapping[str, Value]) -> Attended:
    """As `super_resolution`, with the attention branch; the same network's initial weights."""
    return Attended(size, scales_of(low, size, options))
