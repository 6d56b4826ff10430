"""The deployed model: enhancer -> augmentation box -> backbone -> head. It maps low views to logits."""

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
from benchmark_core.networks.frame_picker import FramePicker
from benchmark_core.networks.losses import Task
from benchmark_core.networks.protocols import takes_maps
from benchmark_core.specs import Value

Low: TypeAlias = Tensor | Sequence[Tensor]
PIECE = 8  # items per call of a learnt enhancer when no gradient is needed; bounds its memory


@dataclass
class Trace:
    """Intermediate results of a forward pass, for methods that transfer them.

    image: the enhanced and cropped pictures, (B*K, 3, [T,] H, W) in [0, 1], also with early fusion; flow is
        (B*K, 2, [T,] H, W) in [-1, 1].
    stages: the backbone's stage maps, each (B*K, C_i, [T_i,] h_i, w_i).
    features: pooled, (B, K, F), or the last stage maps, (B, K, C, [T,] h, w), for a head that takes maps.
    logits: (B, C). head_outputs: tensors by name that the head returns in addition to the logits.
    mask: (B, K) that the head got. K is that of the network's input, see `FramePicker`.
    """

    image: Tensor
    stages: list[Tensor]
    features: Tensor
    logits: Tensor
    head_outputs: dict[str, Tensor] = field(default_factory=dict)
    mask: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The components of a recognizer: everything that a method's `recognizer(parts)` needs to build one.

    A head maps features (B, K, F) and mask (B, K) to logits (B, C), or to (logits, dict of further tensors). A head
    that declares `pooled = False` takes the last stage maps, (B, K, C, [T,] h, w), instead of features.
    backbone: its own classifier is `backbone.get_classifier()`. num_features: F. intervals: K. frames: T.
    options: the method's. task: single-label or multi-label.
    assemble: head -> recognizer of this enhancer and backbone.
    map_shape: () -> (C, [T,] h, w) of the last stage map, for a head whose layers depend on it.
    teacher_intervals: intervals of the plan's teacher; equal to `intervals` if both networks see the same view.
    """

    enhancer: nn.Module
    backbone: nn.Module
    num_features: int
    classes: int
    intervals: int
    frames: int
    options: Mapping[str, Value]
    task: Task
    assemble: Callable[[nn.Module], Recognizer]
    map_shape: Callable[[], tuple[int, ...]]
    teacher_intervals: int


class Recognizer(nn.Module):
    """enhancer -> backbone -> head.

    Inputs of `forward`:
    low: float (B, K, 3, T, h, w) in [0, 1], or a list of B tensors (K, 3, T, h_i, w_i) if clips differ in size. Flow is
        (B, K, 2, T, H, W) in [-1, 1]. `Enhanced` views, (B, K, 3, T, H, W), skip the enhancer.
    mask: (B, K), 1 for a real interval, 0 for padding. box: (B, 5), see `clips.augment`; None: no augmentation.

    Arguments:
    dims: 2 for a backbone of images, 3 for one of video. mean, std: per channel.
    frames_at_once: frames that the enhancer takes at once; T of `low` is then a multiple of it.
    frames: T of the backbone's input, the middle frames of what a video enhancer returns.
    picker: chooses the frames of a 2D teacher from the views of a 3D student; None: the network sees all frames.
    flow: the input is optical flow.
    early: with early fusion, maps images (N, 3, [T,] H, W) in [0, 1] to `input_channels`, the backbone's.
    size: expected (H, W) of the enhancer's output, ElrError if it differs; None: any.

    Attribute `piece`: items per call of a learnt enhancer when no gradient is needed; None: all at once, for export.
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
        frames_at_once: int = 1,
        size: tuple[int, int] | None = None,
        early: nn.Module | None = None,
        input_channels: int | None = None,
        picker: FramePicker | None = None,
    ) -> None:
        super().__init__()
        self.enhancer = enhancer
        self.picker = picker
        self.size = size
        self.piece: int | None = PIECE
        self.backbone = backbone
        self.head = head
        self.dims = dims
        self.flow = flow
        self.frames = frames
        self.frames_at_once = frames_at_once
        self.early = early
        self.channels = len(mean)  # of a view
        self.input_channels = input_channels or self.channels  # of the backbone
        shape = (1, self.channels, *[1] * dims)
        self.register_buffer("mean", torch.tensor(mean).reshape(shape), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(shape), persistent=False)

    def forward(self, low: Low, mask: Tensor | None = None, box: Tensor | None = None) -> Tensor:
        """Return logits (B, C).

        Without gradients, the stage maps for a head that takes maps are computed interval by interval, to save memory.
        """
        if torch.is_grad_enabled() or not takes_maps(self.head):
            return self.trace(low, mask, box).logits
        return self._classify(self.maps(low, box), mask)[0]

    def maps(self, low: Low, box: Tensor | None = None) -> Tensor:
        """Return the last stage maps, (B, K, C, [T,] h, w), computed interval by interval."""
        maps = []
        low = self._picked(low)
        for interval in range(low.shape[1] if isinstance(low, Tensor) else low[0].shape[0]):
            at = slice(interval, interval + 1)
            one = low[:, at] if isinstance(low, Tensor) else [clip[at] for clip in low]
            image, _ = self._enhance_and_crop(one, box)
            maps.append(self.backbone.forward_features(self.backbone_input(image))[-1])
        return torch.stack(maps, 1)

    def trace(self, low: Low, mask: Tensor | None = None, box: Tensor | None = None) -> Trace:
        """Run `forward` and return its intermediate results, too."""
        image, intervals = self.enhance_and_crop(low, box)
        stages = self.backbone.forward_features(self.backbone_input(image))
        features = stages[-1] if takes_maps(self.head) else self.backbone.pool(stages[-1])  # (B*K, F) if pooled
        features = features.reshape(-1, intervals, *features.shape[1:])
        mask = self._real(features, mask)
        logits, outputs = self._classify(features, mask)
        return Trace(image=image, stages=stages, features=features, logits=logits, head_outputs=outputs, mask=mask)

    def _real(self, features: Tensor, mask: Tensor | None) -> Tensor:
        """Return the mask of features (B, K, …). Without a mask, all intervals are real."""
        if mask is None:
            return features.new_ones(features.shape[:2])
        return mask if self.picker is None else self.picker.mask(mask, features.shape[1])

    def _classify(self, features: Tensor, mask: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the head's logits and further outputs."""
        out = self.head(features, self._real(features, mask))
        return out if isinstance(out, tuple) else (out, {})

    def backbone_input(self, image: Tensor) -> Tensor:
        """Return the normalised image or, with early fusion, all its parts: (B*K, `input_channels`, [T,] H, W)."""
        seen: Tensor = (image - self.mean) / self.std if self.early is None else self.early(image)
        return seen

    def _picked(self, low: Low) -> Low:
        """Return the frames of a view that the network sees."""
        if self.picker is None:
            return low
        if isinstance(low, Tensor):
            return self.picker.view(low)
        return [self.picker.view(clip.unsqueeze(0)).squeeze(0) for clip in low]

    def enhance_and_crop(self, low: Low, box: Tensor | None = None) -> tuple[Tensor, int]:
        """Return the pictures, (B*K, 3, [T,] H, W) in [0, 1], enhanced and cropped by the box; and K."""
        return self._enhance_and_crop(self._picked(low), box)

    def _enhance_and_crop(self, low: Low, box: Tensor | None) -> tuple[Tensor, int]:
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
                f"the enhancer returns views of {seen.shape[-2]}x{seen.shape[-1]}, expected "
                f"{self.size[0]}x{self.size[1]}; correct the enhancer's plugin"
            )
        if box is not None:
            seen = cut(seen, box.repeat_interleave(intervals, 0), flow=self.flow)
        if self.dims == 2:
            seen = seen.squeeze(2)  # T = 1
        return seen, intervals

    def enhance(self, view: Tensor) -> Tensor:
        """Map (N, 3, T, h, w) to (N, 3, T, H, W). An image-wise enhancer gets single frames."""
        number, channels, frames, height, width = view.shape
        at_once = self.frames_at_once
        if at_once == 1:
            flat = self._in_pieces(view.transpose(1, 2).flatten(0, 1))  # (N*T, 3, H, W)
            return flat.reshape(number, frames, *flat.shape[1:]).transpose(1, 2)
        parts = view.reshape(number, channels, frames // at_once, at_once, height, width)
        seen = self._in_pieces(parts.transpose(1, 2).flatten(0, 1))  # (N*T/16, 3, 16, H, W) if it takes 16 at once
        seen = seen.reshape(number, -1, *seen.shape[1:]).transpose(1, 2).flatten(2, 3)  # (N, 3, T, H, W)
        first = middle(frames, self.frames)
        return seen[:, :, first : first + self.frames]

    def _in_pieces(self, low: Tensor) -> Tensor:
        """Run the enhancer on `low`; in pieces if it is learnt and no backward pass needs its activations."""
        learns = [parameter.requires_grad for parameter in self.enhancer.parameters()]
        if not learns or self.piece is None or (any(learns) and torch.is_grad_enabled()):
            whole: Tensor = self.enhancer(low)
            return whole
        pieces = range(0, len(low), self.piece)
        return torch.cat([self.enhancer(low[first : first + self.piece]) for first in pieces])
