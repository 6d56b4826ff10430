"""HOF, MBH and HOG on grids of cells.

HOF votes for the direction of flow, with one bin for no motion. MBH votes for the gradients of flow's two components,
so that a moving camera counts little. HOG votes for the gradients of grey levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

from torch import Tensor

from benchmark_core.specs import Value
from elrbench_plugins.hof_svm.descriptor import Descriptor
from elrbench_plugins.hof_svm.flow import flow_of, luma, real_frames
from elrbench_plugins.hof_svm.grids import read_grids
from elrbench_plugins.hof_svm.histograms import gradient, histograms, motion_votes, votes


class Hof(Descriptor):
    """Map clips (N, 3, T, H, W) in [0, 1] to sums of votes in cells.

    kinds: bins of HOF, MBH right, MBH down and HOG in a cell. cells: cells of each grid.
    Frames that only repeat the last one are left out.
    """

    def __init__(self, classes: int, bins: int = 8, still: float = 0.4, grids: str = "1x1x1,1x2x2,2x3x4,2x6x8") -> None:
        read = read_grids(grids)
        cells, kinds = tuple(times * rows * columns for times, rows, columns in read), (bins + 1, bins, bins, bins)
        super().__init__(sum(cells) * sum(kinds), classes)
        self.bins, self.still, self.grids = bins, still, read
        self.kinds, self.cells = kinds, cells

    def describe(self, clip: Tensor) -> Tensor:
        """Return the descriptor (num_features,) of a clip (3, T, H, W)."""
        grey = luma(clip[:, : real_frames(clip)])  # (T, H, W)
        flow = flow_of(grey)  # (n, 2, H, W), n = T - 1
        every = (
            motion_votes(flow, self.bins, self.still),
            votes(gradient(flow[:, 0]), self.bins),
            votes(gradient(flow[:, 1]), self.bins),
            votes(gradient(grey[: len(flow)] / 255), self.bins),
        )
        first = (0, *accumulate(self.kinds))
        ballot = [(start, vote) for start, kind in zip(first, every, strict=False) for vote in kind]
        return histograms(ballot, first[-1], self.grids).flatten()


def hof(classes: int, options: Mapping[str, Value] | None = None) -> Hof:
    """Return the descriptor. Options: `bins`, `still`, `grids`."""
    return Hof(classes, **(options or {}))  # type: ignore[arg-type]
