"""HOF, MBH and HOG on grids of cells.

HOF votes for the direction of flow, with one bin for no motion. MBH votes for the gradients of flow's two components,
so that a moving camera counts little. HOG votes for the gradients of grey levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

import torch
from torch import Tensor, nn

from benchmark_core.specs import Value
from elrbench_plugins.hof_svm.flow import flow_of, luma, real_frames
from elrbench_plugins.hof_svm.grids import read_grids
from elrbench_plugins.hof_svm.histograms import gradient, histograms, motion_votes, votes
from elrbench_plugins.svm_head.precision import full_precision


class Hof(nn.Module):
    """Map clips (N, 3, T, H, W) in [0, 1] to sums of votes in cells. There is nothing to train but the classifier.

    kinds: bins of HOF, MBH right, MBH down and HOG in a cell. cells: cells of each grid.
    Frames that only repeat the last one are left out.
    """

    def __init__(self, classes: int, bins: int = 8, still: float = 0.4, grids: str = "1x1x1,1x2x2,2x3x4,2x6x8") -> None:
        super().__init__()
        self.bins, self.still, self.grids = bins, still, read_grids(grids)
        self.kinds = (bins + 1, bins, bins, bins)
        self.cells = tuple(times * rows * columns for times, rows, columns in self.grids)
        self.num_features = sum(self.cells) * sum(self.kinds)
        self.classifier = nn.Linear(self.num_features, classes)

    def get_classifier(self) -> nn.Module:
        """Return the linear layer that methods other than `hof-svm` train."""
        return self.classifier

    def forward_features(self, clips: Tensor) -> list[Tensor]:
        """Return [(N, num_features, 1, 1, 1)]: the descriptor is the only map."""
        with full_precision(clips.device):
            found = [self.describe(clip.float()) for clip in clips]
        return [torch.stack(found)[:, :, None, None, None]]

    def pool(self, last: Tensor) -> Tensor:
        """Return (N, num_features), for (N, num_features, 1, 1, 1)."""
        return last.flatten(1)

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits (N, C)."""
        logits: Tensor = self.classifier(self.pool(self.forward_features(clips)[-1]))
        return logits

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
