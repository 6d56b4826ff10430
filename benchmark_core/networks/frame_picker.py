"""Choose the frames of a student's view that a 2D teacher sees."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


def centres(total: int, parts: int) -> list[int]:
    """Return the indices of the frames at the centres of equal parts of `total` frames: 3, 9, 15, 21 for 4 of 24."""
    return [(2 * part + 1) * total // (2 * parts) for part in range(parts)]


@dataclass(frozen=True, kw_only=True)
class FramePicker:
    """Turn K intervals of T frames into `wanted` intervals of one frame.

    The frames are the centres of `wanted` equal parts of the K*T frames, in order of time. Views in testing may have a
    multiple of K intervals, such as several crops of a clip or all windows; each K intervals are treated alike.
    """

    intervals: int
    frames: int
    wanted: int

    @property
    def numbers(self) -> list[int]:
        """Indices of the chosen frames among the K*T frames."""
        return centres(self.intervals * self.frames, self.wanted)

    def view(self, view: Tensor) -> Tensor:
        """Return (B, n*wanted, C, 1, H, W) of a view (B, n*K, C, T, H, W).

        A view of another shape is returned as it is: its frames have been chosen already.
        """
        intervals, frames = view.shape[1], view.shape[3]
        if frames != self.frames or intervals % self.intervals:
            return view
        inner = view.transpose(2, 3)  # (B, n*K, T, C, H, W)
        groups = inner.reshape(len(inner), -1, self.intervals * frames, *inner.shape[3:])  # (B, n, K*T, C, H, W)
        return groups[:, :, self.numbers].flatten(1, 2).unsqueeze(3)

    def mask(self, mask: Tensor, intervals: int) -> Tensor:
        """Return the mask (B, n*wanted) of chosen frames: that of their intervals, (B, n*K).

        intervals: of the view that the mask is for. A mask of as many intervals is returned as it is.
        """
        if mask.shape[1] == intervals:
            return mask
        groups = mask.reshape(len(mask), -1, self.intervals)  # (B, n, K)
        return groups[:, :, [number // self.frames for number in self.numbers]].flatten(1)
