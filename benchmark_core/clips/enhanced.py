"""Low views as a fitted enhancer leaves them: derived data, kept in the store at network size.

An enhancer may cost more than the network behind it. Where it stands still, and the augmentation box is cut after it,
what it makes of a clip is the same in every epoch: it is made once. The deployed recognizer enhances for itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchmark_core.canonical import digest_of
from benchmark_core.clips import clipfile
from benchmark_core.clips.build_queue import BuildResult, BuildTask
from benchmark_core.clips.formats import StoredFormat, ViewPlan
from benchmark_core.clips.store import ClipReader, ClipStore, Progress, StoreReport
from benchmark_core.specs.index import Clip

REVISION = 1  # raised when other pixels are made of the same numbers
AT_ONCE = 8  # items that the enhancer gets at a time

Array: TypeAlias = npt.NDArray[np.uint8]


class Enhanced(Tensor):
    """Low views (…, T, H, W) in [0, 1] that an enhancer has brought to network size already."""


@dataclass(frozen=True, kw_only=True)
class Enhancer:
    """A fitted module that stands still.

    frames: how many it takes at once; a clip is then enhanced in windows from its first frame on, its last repeated.
    stage: key of the stage that fitted it.
    """

    module: nn.Module
    frames: int
    stage: str
    device: torch.device

    @torch.inference_mode()
    def __call__(self, low: Array) -> Array:
        """uint8 (T, 3, h, w), T a multiple of `frames`, to uint8 (T, 3, H, W)."""
        view = torch.from_numpy(low).to(self.device).float().div_(255)
        if self.frames > 1:
            view = view.reshape(-1, self.frames, *view.shape[1:]).transpose(1, 2)  # (T / frames, 3, frames, h, w)
        seen = torch.cat([self.module(view[first : first + AT_ONCE]) for first in range(0, len(view), AT_ONCE)])
        if self.frames > 1:
            seen = seen.transpose(1, 2).flatten(0, 1)
        made: Array = seen.clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy()
        return made


def weights_digest(module: nn.Module) -> str:
    """16 hex digits of parameters and buffers: a stage may be fitted anew."""
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class EnhancedFormat:
    """Frames of `source`, enhanced to `size` (H, W) by the network of these weights."""

    source: StoredFormat
    size: tuple[int, int]
    frames: int
    stage: str
    weights: str

    def numbers(self) -> dict[str, Any]:
        """Everything the stored frames depend on, ready for JSON."""
        return {
            "kind": "enhanced",
            "source": self.source.numbers(),
            "size": list(self.size),
            "frames": self.frames,
            "stage": self.stage,
            "weights": self.weights,
            "revision": REVISION,
        }

    @property
    def key(self) -> str:
        """16 hex digits of the numbers' canonical JSON."""
        return digest_of(self.numbers())


def of_enhancer(stock: ViewPlan, enhancer: Enhancer) -> ViewPlan:
    """What views of low ask of the store once they are enhanced; their box is cut at network size, as that of high."""
    assert stock.crop != "before" and isinstance(stock.low, StoredFormat)
    fmt = EnhancedFormat(
        source=stock.low,
        size=stock.size,
        frames=enhancer.frames,
        stage=enhancer.stage,
        weights=weights_digest(enhancer.module),
    )
    high = stock.high if stock.crop == "after" else None
    return replace(stock, crop="after", low=fmt, low_size=stock.size, high=high, enhanced=True)


def ensure_enhanced(
    store: ClipStore,
    clips: Sequence[Clip],
    fmt: EnhancedFormat,
    enhancer: Enhancer,
    progress: Progress | None = None,
) -> StoreReport:
    """Makes what is missing of clips whose low frames are stored; `store.reader(recipe)` then reads (n, 3, H, W).

    As `ClipStore.ensure`: resumable, whole or not at all, each clip made by one process.
    """
    reader = store.reader(fmt.source)

    def build(task: BuildTask, missing: list[EnhancedFormat]) -> BuildResult:
        writer = clipfile.Writer(store.path(task.content, fmt), compressed=True)
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
        return store.fill(clips, [fmt], build, progress=progress, workers=1)
    finally:
        enhancer.module.train(was_training)


@dataclass(frozen=True)
class Window:
    """uint8 (T, 3, h, w), of which the first `count` are the clip's own."""

    padded: Array
    count: int


def windows(reader: ClipReader, clip: Clip, frames: int) -> Iterator[Window]:
    """The clip in pieces of about 64 frames, each a multiple of `frames`."""
    total = reader.count(clip)
    piece = max(1, 64 // frames) * frames
    for first in range(0, total, piece):
        count = min(piece, total - first)
        wanted = -(-count // frames) * frames
        numbers = [min(first + number, total - 1) for number in range(wanted)]
        yield Window(reader.frames(clip, numbers), count)
