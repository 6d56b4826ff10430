"""Test views: crops in time and mirrored copies of a clip, whose probabilities are averaged."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmark_core.errors import ElrError

CROP = 0.75  # fraction of the clip that each of several crops spans

_TEXT = re.compile(r"(?:([2-9]|[1-5]\d|6[0-4])(\+mirror)?|mirror)")


@dataclass(frozen=True)
class ClipViews:
    """`""`: the whole clip once. `3`: three crops in time. `mirror`: also mirrored. `3+mirror`: six views."""

    crops: int = 1
    mirror: bool = False

    @classmethod
    def parse(cls, text: str) -> ClipViews:
        """Parse a text such as `3+mirror`. Raises ElrError naming the text if it is another form."""
        if not text:
            return cls()
        if not (found := _TEXT.fullmatch(text)):
            raise ElrError(f"test views '{text}' are not valid; use N (2 to 64 crops in time), mirror or N+mirror")
        return cls(int(found[1] or 1), found[1] is None or found[2] is not None)

    @property
    def count(self) -> int:
        """Number of views of a clip, each of which is a pass of the recognizer."""
        return self.crops * (1 + self.mirror)

    def crop(self, number: int) -> tuple[float, float]:
        """Return start and length of a crop as fractions of the clip. The first begins and the last ends with it."""
        if self.crops == 1:
            return 0.0, 1.0
        return (1 - CROP) * number / (self.crops - 1), CROP

    def mirrored(self, intervals: int) -> npt.NDArray[np.bool_]:
        """Return which of the intervals of all views are mirrored, bool (K,): the second half, or none."""
        return np.arange(intervals) >= (intervals // 2 if self.mirror else intervals)


def mirror_some(bundle: npt.NDArray[np.uint8], mirrored: npt.NDArray[np.bool_], *, flow: bool) -> npt.NDArray[np.uint8]:
    """Return intervals (K, C, T, h, w) with the `mirrored` ones flipped; flow across then changes its sign."""
    if not mirrored.any():
        return bundle
    bundle = bundle.copy()
    bundle[mirrored] = bundle[mirrored][..., ::-1]
    if flow:
        bundle[mirrored, 0] = -bundle[mirrored, 0]  # modulo 256: levels 1 to 255 are flow, and 128 is no motion
    return bundle
