"""The median of the frames so far, approximately (McFarlane and Schofield, 1995): one grey level per frame."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from elrbench_plugins.protecting.masks import Mask, differs

Picture = npt.NDArray[np.float32]  # (3, rows, columns) in grey levels


class RunningMedian:
    """The background rises by one grey level where a frame is above it, and falls by one where a frame is below it.

    It begins as the first frame. Whole grey levels, so that it comes to rest.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.background: Picture | None = None

    def foreground(self, picture: Picture) -> Mask:
        """Return where the frame differs from the background, then move the background towards the frame."""
        levels = np.rint(picture)
        if self.background is None:
            self.background = levels
        found = differs(levels, self.background, self.threshold)
        self.background = self.background + np.sign(levels - self.background)
        return found
