"""Options, variants and budgets of dai. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmark_core.specs import Value
from elrbench import Option

DISTANCES: Final = ("euclidean", "city-block", "correlation")
ALIGNMENTS: Final = ("none", "shift", "dtw")

OPTIONS: Mapping[str, Option] = {
    "distance": Option(
        default="euclidean",
        choices=DISTANCES,
        unspecified=True,
        help="of two frames, added over the frames of a clip: squared differences of pixels (their root is taken at "
        "the end), absolute differences, or 1 minus the correlation of pixels",
    ),
    "alignment": Option(
        default="none",
        choices=ALIGNMENTS,
        unspecified=True,
        help="of two clips, after the sampling has stretched both to equal length. none: frame by frame; shift: the "
        "best shift by up to `reach` frames; dtw: dynamic time warping by up to `reach` frames",
    ),
    "reach": Option(
        default=4, low=0, high=1000, unspecified=True, help="frames by which two clips may be shifted or warped"
    ),
    "neighbours": Option(
        default=1, low=1, high=1000, help="k: number of nearest training clips that vote; the nearest one breaks ties"
    ),
    "references": Option(
        default=1000, low=1, help="training clips with which MACs are counted; training stores all of its own"
    ),
}
VARIANTS: Mapping[str, Mapping[str, Value]] = {
    "dtw": {"alignment": "dtw"},
    "shift": {"alignment": "shift"},
    "correlation": {"distance": "correlation"},
}
DEFAULTS: Mapping[str, Value] = {
    "backbone": "pixel-series",
    "enhancer": "none",
    "sampling": "clip-32",
    "precision": "fp32",
}
