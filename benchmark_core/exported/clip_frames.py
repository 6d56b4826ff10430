"""The frames of stored clips as an exported file takes them: the test views of a run. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark_core.clips.clip_views import mirror_some
from benchmark_core.clips.store import ClipReader, ClipStore
from benchmark_core.clips.view_plan import ViewPlan
from benchmark_core.errors import ElrError
from benchmark_core.exported.metadata import Metadata
from benchmark_core.exported.resize import resized
from benchmark_core.specs.index import Clip
from benchmark_core.specs.target import target_name

Frames = npt.NDArray[np.uint8]


class ClipFrames:
    """Test views of clips in the store: `of(clip)` is uint8 (V, K, C, T, h, w), V passes that are averaged.

    size: (h, w) to which clips that are taken as recorded are resized; other clips have their size already.
    """

    def __init__(
        self, clips: Sequence[Clip], store: ClipStore, view_plan: ViewPlan, metadata: Metadata, size: tuple[int, int]
    ) -> None:
        self.clips = tuple(clips)
        self.view_plan = view_plan
        self.metadata = metadata
        self.size = size
        stored = view_plan.high if metadata.view == "high" or view_plan.crop == "before" else view_plan.low
        assert stored is not None
        self._reader: ClipReader = store.reader(stored)

    @property
    def padded(self) -> int:
        """Number of clips that are too short for the sampling, so that their last frame is repeated."""
        return sum(self.metadata.frames.pads(self._reader.count(clip)) for clip in self.clips)

    def of(self, clip: Clip) -> Frames:
        """Return the frames of a clip, uint8 (V, K, C, T, h, w)."""
        sampling, passes = self.metadata.frames, self.metadata.passes
        count = self._reader.count(clip)
        numbers, mask = sampling.numbers(count, None, passes)  # (V * K, T)
        if self.metadata.view == "low":
            numbers = sampling.widen(numbers, count, self.metadata.frames_at_once)
        frames = self._reader.frames(clip, numbers.ravel().tolist())
        bundle: Frames = frames.reshape(*numbers.shape, *frames.shape[1:]).swapaxes(1, 2)  # (V * K, C, T, h, w)
        bundle = mirror_some(bundle, passes.mirrored(len(mask)), flow=self.view_plan.flow)
        if self.view_plan.crop == "before":
            bundle = self._cropped(bundle)
            if self.metadata.view == "low":
                bundle = _degraded(bundle, self.view_plan)
        elif self.view_plan.crop == "none":
            bundle = resized(bundle, self.size)
        return np.ascontiguousarray(bundle.reshape(passes.count, -1, *bundle.shape[1:]))

    def _cropped(self, stored: Frames) -> Frames:
        """Return the centre of views that are stored with a margin."""
        height, width = self.view_plan.size
        top, left = int(0.5 * (stored.shape[-2] - height + 1)), int(0.5 * (stored.shape[-1] - width + 1))
        return stored[..., top : top + height, left : left + width]


def _degraded(high: Frames, view_plan: ViewPlan) -> Frames:
    """Degrade high views (N, 3, T, H, W), rounded to grey levels. Such a degradation is code that needs torch."""
    assert view_plan.degrade is not None
    try:
        import torch
    except ImportError as error:
        raise ElrError(
            f"the degradation '{target_name(view_plan.degrade)}' computes low views with torch, which is not "
            "installed; install torch, or predict clips that are recorded at the low size"
        ) from error
    from benchmark_core.clips.degraded import degrade_on_device

    low = degrade_on_device(torch.from_numpy(np.ascontiguousarray(high))[None].float() / 255, view_plan)
    levels: npt.NDArray[Any] = np.rint(low[0].numpy() * 255)
    return levels.clip(0, 255).astype(np.uint8)
