"""How optical flow is stored: the numbers it depends on, and its levels.

Entry i is the flow from frame i to frame i + 1, in pixels at the size at which it was computed: (right, down). The
last entry repeats the one before it, so that a clip has as many entries as frames. Displacements are clipped to ±BOUND
pixels and stored as 255 levels: 128 is no motion, 1 and 255 are the bounds, and one step is 0.157 pixels.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from benchmark_core.canonical import digest_of
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.modality import SMALLEST, Algorithm
from benchmark_core.errors import ElrError
from benchmark_core.extras import how_to_install, install_command
from benchmark_core.specs import NOTHING, Target, Value
from benchmark_core.specs.target import target_name

BOUND = 20.0  # pixels; two-stream networks are trained on flow clipped at this value
LEVELS = 127  # on either side of 128
REVISION = 1  # raise if the same numbers give other flow

Flow: TypeAlias = npt.NDArray[np.float32]  # (2, H, W) in pixels: right, down


@dataclass(frozen=True, kw_only=True)
class FlowFormat:
    """Flow between stored frames of `source`: directly for a high view, after enlarging for a low view.

    algorithm: `dis` is dense inverse search (Kroeger et al., ECCV 2016). `tvl1` is duality-based TV-L1 (Zach et al.,
        DAGM 2007), which papers on two-stream networks use; it is about fifty times slower. Both have OpenCV's default
        parameters, DIS its medium preset.
    enlarge: an enhancer's factory, called with `options`; its module enlarges each frame to `size` (H, W). None: frames
        are used as stored.
    """

    source: StoredFormat
    algorithm: Algorithm = "dis"
    enlarge: Target | None = None
    size: tuple[int, int] | None = None
    options: Mapping[str, Value] = field(default_factory=lambda: NOTHING)

    def __post_init__(self) -> None:
        """Raise ElrError if the frames are too small for optical flow."""
        if (self.enlarge is None) != (self.size is None):
            raise ValueError("give both `enlarge` and `size`, or neither")
        size = self.size or self.source.size
        if size is not None and min(size) < SMALLEST:
            raise ElrError(
                f"frames of {size[0]}x{size[1]} are too small for optical flow; both sides need {SMALLEST} pixels or "
                "more"
            )

    def numbers(self) -> dict[str, Any]:
        """Return everything that the stored flow depends on, including the numbers of `source`, ready for JSON."""
        return {
            "kind": "flow",
            "source": self.source.numbers(),
            "algorithm": self.algorithm,
            "enlarge": self.enlarge and target_name(self.enlarge),
            "size": self.size and list(self.size),
            "options": dict(self.options),
            "bound": BOUND,
            "revision": REVISION,
            "opencv": opencv().__version__,
        }

    @property
    def key(self) -> str:
        """16 hex digits of the numbers' canonical JSON."""
        return digest_of(self.numbers())


def to_levels(pixels: Flow) -> npt.NDArray[np.uint8]:
    """Convert displacements in pixels, clipped to ±BOUND, to the stored levels."""
    cut = np.clip(pixels, -BOUND, BOUND)
    levels: npt.NDArray[np.uint8] = (np.rint(cut * (LEVELS / BOUND)) + 128).astype(np.uint8)
    return levels


def opencv() -> Any:
    """Import OpenCV with its contrib modules. Raise ElrError naming the extra if it is not installed."""
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError as error:
        raise ElrError(f"optical flow needs {how_to_install('cv2', 'flow')} ({error})") from error
    if not hasattr(cv2, "optflow"):
        raise ElrError(
            f"OpenCV {cv2.__version__} lacks its contrib modules; uninstall it, then {install_command('flow')}"
        )
    return cv2
