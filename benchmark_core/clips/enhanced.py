"""Store low views as a trained enhancer returns them, at network size.

An enhancer may cost more than the network behind it. If its weights are fixed and the augmentation box is cut after it,
a clip's enhanced frames are the same in every epoch, so they are computed once. The deployed recognizer still enhances
for itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchmark_core.clips import clipfile
from benchmark_core.clips.build_queue import BuildResult, BuildTask
from benchmark_core.clips.formats import EnhancedFormat, StoredFormat
from benchmark_core.clips.store import ClipReader, ClipStore, Progress, StoreReport
from benchmark_core.clips.view_plan import ViewPlan
from benchmark_core.specs import Clip

AT_ONCE = 8  # batch size of the enhancer

Array: TypeAlias = npt.NDArray[np.uint8]


class Enhanced(Tensor):
    """Low views (…, T, H, W) in [0, 1] that an enhancer has already brought to network size."""


@dataclass(frozen=True, kw_only=True)
class Enhancer:
    """A trained enhancer with fixed weights.

    frames: number of frames it takes at once. A clip is enhanced in windows that begin at its first frame; the clip's
        last frame is repeated to fill the last window.
    stage: key of the stage that trained it.
    """

    module: nn.Module
    frames: int
    stage: str
    device: torch.device

    @torch.inference_mode()
    def __call__(self, low: Array) -> Array:
        """Enhance uint8 (T, 3, h, w), T a multiple of `frames`, to uint8 (T, 3, H, W)."""
        view = torch.from_numpy(low).to(self.device).float().div_(255)
        if self.frames > 1:
            view = view.reshape(-1, self.frames, *view.shape[1:]).transpose(1, 2)  # (T / frames, 3, frames, h, w)
        seen = torch.cat([self.module(view[first : first + AT_ONCE]) for first in range(0, len(view), AT_ONCE)])
        if self.frames > 1:
            seen = seen.transpose(1, 2).flatten(0, 1)
        made: Array = seen.clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy()
        return made


def weights_digest(module: nn.Module) -> str:
    """Return 16 hex digits of all parameters and buffers: a stage that is trained again may give other weights."""
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def enhanced_view_plan(pictures: ViewPlan, enhancer: Enhancer) -> ViewPlan:
    """Return the view plan with low views stored enhanced; one box crops low and high views at network size."""
    assert pictures.crop != "before" and isinstance(pictures.low, StoredFormat)
    enhanced_format = EnhancedFormat(
        source=pictures.low,
        size=pictures.size,
        frames=enhancer.frames,
        stage=enhancer.stage,
        weights=weights_digest(enhancer.module),
    )
    high = pictures.high if pictures.crop == "after" else None
    return replace(pictures, crop="after", low=enhanced_format, low_size=pictures.size, high=high, enhanced=True)


def ensure_enhanced(
    store: ClipStore,
    clips: Sequence[Clip],
    enhanced_format: EnhancedFormat,
    enhancer: Enhancer,
    progress: Progress | None = None,
) -> StoreReport:
    """Enhance the clips that are not yet stored enhanced. Their low frames must be stored already.

    `store.reader(enhanced_format)` then reads frames (n, 3, H, W). As `ClipStore.ensure`, this is resumable, leaves no
    partial file, and each clip is made by one process.
    """
    reader = store.reader(enhanced_format.source)

    def build(task: BuildTask, missing: list[EnhancedFormat]) -> BuildResult:
        writer = clipfile.Writer(store.path(task.content, enhanced_format), compressed=True)
        try:
            for frames in windows(reader, task.clips[0], enhancer.frames):
                writer.add(enhancer(frames.padded)[: frames.count])
            writer.close()
        finally:
            writer.abort()
        return "built"

    was_training = enhancer.module.training
    enhancer.module.eval()
    try:
        return store.fill(clips, [enhanced_format], build, progress=progress, workers=1)
    finally:
        enhancer.module.train(was_training)


@dataclass(frozen=True)
class Window:
    """uint8 (T, 3, h, w); the first `count` frames are the clip's, the rest repeat its last frame."""

    padded: Array
    count: int


def windows(reader: ClipReader, clip: Clip, frames: int) -> Iterator[Window]:
    """Yield the clip in pieces of about 64 frames, each a multiple of `frames`."""
    total = reader.count(clip)
    piece = max(1, 64 // frames) * frames
    for first in range(0, total, piece):
        count = min(piece, total - first)
        wanted = -(-count // frames) * frames
        numbers = [min(first + number, total - 1) for number in range(wanted)]
        yield Window(reader.frames(clip, numbers), count)
