"""The deployed model: enhancer -> augmentation box -> backbone -> head. Low in, logits out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from benchmark_core.clips.augment import cut
from benchmark_core.clips.enhanced import Enhanced
from benchmark_core.clips.sampling import middle
from benchmark_core.errors import ElrError
from benchmark_core.specs import Value

Low: TypeAlias = Tensor | Sequence[Tensor]
PIECE = 8  # items that a learnt enhancer gets at a time where no gradient is asked for: bounds its memory


@dataclass
class Trace:
    """What one pass left behind, for methods that transfer it.

    image: what the backbone saw before normalisation, (B*K, 3, H, W) or (B*K, 3, T, H, W), in [0, 1]; flow is
    (B*K, 2, …) in [-1, 1].
    stages: the backbone's stage maps, each (B*K, C_i, [T_i,] h_i, w_i).
    features: pooled, (B, K, F), or (B, K, C, [T,] h, w) for a head that takes them so. logits: (B, C).
    taps: whatever the head names.
    """

    image: Tensor
    stages: list[Tensor]
    features: Tensor
    logits: Tensor
    head_outputs: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a method's `recognizer(parts)` may use: everything it needs to build the model from the plan alone.

    `assemble(head)` puts enhancer, backbone and `head` together; `head(features (B, K, F), mask (B, K))` gives logits
    (B, C), or (logits, taps). A head with an attribute `pooled = False` gets the last stage map, (B, K, C, [T,] h, w).
    The backbone's own classifier is `backbone.get_classifier()`. `map_shape()` is (C, [T,] h, w) of the last stage map,
    for a head whose layers depend on it.
    """

    enhancer: nn.Module
    backbone: nn.Module
    num_features: int
    classes: int
    intervals: int  # K
    frames: int  # T
    options: Mapping[str, Value]  # the method's
    assemble: Callable[[nn.Module], Recognizer]
    map_shape: Callable[[], tuple[int, ...]]


class Recognizer(nn.Module):
    """enhancer -> backbone -> head.

    low: float (B, K, 3, T, h, w) in [0, 1], or a list of B tensors (K, 3, T, h_i, w_i) where clips differ in size;
    flow is (B, K, 2, T, H, W) in [-1, 1]. For an enhancer of several frames T is a multiple of them, and the middle
    `frames` are kept of what it gives. `Enhanced` views go past it.
    mask: (B, K), 1 where an interval is real. box: (B, 5) as `clips.augment` draws it, or None in testing.
    mean, std: of each channel. flow: what it sees is optical flow. size: (H, W) that the enhancer is to give; ElrError
    where it gives another. None: any.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        enhancer: nn.Module,
        backbone: Any,
        head: nn.Module,
        dims: int,
        mean: Sequence[float],
        std: Sequence[float],
        flow: bool = False,
        frames: int = 1,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.enhancer = enhancer
        self.size = size
        self.backbone = backbone
        self.head = head
        self.dims = dims
        self.flow = flow
        self.frames = frames
        self.channels = len(mean)
        shape = (1, self.channels, *[1] * dims)
        self.register_buffer("mean", torch.tensor(mean).reshape(shape), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(shape), persistent=False)

    def forward(self, low: Low, mask: Tensor | None = None, box: Tensor | None = None) -> Tensor:
        """Logits (B, C). Without gradients, a head that takes maps gets those of one interval after the other."""
        if torch.is_grad_enabled() or getattr(self.head, "pooled", True):
            return self.trace(low, mask, box).logits
        return self._answer(self.maps(low, box), mask)[0]

    def maps(self, low: Low, box: Tensor | None = None) -> Tensor:
        """Last stage maps (B, K, C, [T,] h, w), in the memory that one interval takes, and their own."""
        maps = []
        for interval in range(low.shape[1] if isinstance(low, Tensor) else low[0].shape[0]):
            at = slice(interval, interval + 1)
            image, _ = self.enhance_and_crop(low[:, at] if isinstance(low, Tensor) else [clip[at] for clip in low], box)
            maps.append(self.backbone.forward_features((image - self.mean) / self.std)[-1])
        return torch.stack(maps, 1)

    def trace(self, low: Low, mask: Tensor | None = None, box: Tensor | None = None) -> Trace:
        """As `forward`, keeping what the pass went through."""
        image, intervals = self.enhance_and_crop(low, box)
        stages = self.backbone.forward_features((image - self.mean) / self.std)
        pooled = getattr(self.head, "pooled", True)
        features = self.backbone.pool(stages[-1]) if pooled else stages[-1]  # (B*K, F), or (B*K, C, [T,] h, w)
        features = features.reshape(-1, intervals, *features.shape[1:])
        logits, head_outputs = self._answer(features, mask)
        return Trace(image=image, stages=stages, features=features, logits=logits, head_outputs=head_outputs)

    def _answer(self, features: Tensor, mask: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        """The head's logits and taps; all intervals are real where there is no mask."""
        out = self.head(features, features.new_ones(features.shape[:2]) if mask is None else mask)
        return out if isinstance(out, tuple) else (out, {})

    def enhance_and_crop(self, low: Low, box: Tensor | None = None) -> tuple[Tensor, int]:
        """The enhanced view, cut by its box and shaped for the backbone; and K."""
        if isinstance(low, Enhanced):
            intervals = low.shape[1]
            seen = low.as_subclass(Tensor).flatten(0, 1)
        elif isinstance(low, Tensor):
            intervals = low.shape[1]
            seen = self.enhance(low.flatten(0, 1))  # (B*K, 3, T, H, W)
        else:
            intervals = low[0].shape[0]
            seen = torch.cat([self.enhance(clip) for clip in low])
        if self.size is not None and seen.shape[-2:] != self.size:
            raise ElrError(
                f"the enhancer gives {seen.shape[-2]}x{seen.shape[-1]} where {self.size[0]}x{self.size[1]} is due; its "
                "plugin must mend that"
            )
        if box is not None:
            seen = cut(seen, box.repeat_interleave(intervals, 0), flow=self.flow)
        if self.dims == 2:
            seen = seen.squeeze(2)  # T = 1
        return seen, intervals

    def enhance(self, view: Tensor) -> Tensor:
        """(N, 3, T, h, w) to (N, 3, T, H, W); an image-wise enhancer sees each frame alone."""
        number, channels, frames, height, width = view.shape
        at_once = self.frames_at_once
        if at_once == 1:
            flat = self._in_pieces(view.transpose(1, 2).flatten(0, 1))  # (N*T, 3, H, W)
            return flat.reshape(number, frames, *flat.shape[1:]).transpose(1, 2)
        parts = view.reshape(number, channels, frames // at_once, at_once, height, width)
        seen = self._in_pieces(parts.transpose(1, 2).flatten(0, 1))  # (N*T/16, 3, 16, H, W), of 16 at once
        seen = seen.reshape(number, -1, *seen.shape[1:]).transpose(1, 2).flatten(2, 3)  # (N, 3, T, H, W)
        first = middle(frames, self.frames)
        return seen[:, :, first : first + self.frames]

    @property
    def frames_at_once(self) -> int:
        """Frames that the enhancer takes at once."""
        return int(getattr(self.enhancer, "frames", 1))

    def _in_pieces(self, low: Tensor) -> Tensor:
        """The enhancer on `low`, a few items at a time where it is large and nothing is kept for a backward pass."""
        learns = [parameter.requires_grad for parameter in self.enhancer.parameters()]
        if not learns or (any(learns) and torch.is_grad_enabled()):
            whole: Tensor = self.enhancer(low)
            return whole
        return torch.cat([self.enhancer(low[first : first + PIECE]) for first in range(0, len(low), PIECE)])
