"""Options, variants and defaults of dai. Imports no torch."""

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
        help="distance of two clips, a sum over pairs of frames. euclidean: root of the sum of squared differences of "
        "pixels; city-block: absolute differences; correlation: 1 minus the correlation of pixels",
    ),
    "alignment": Option(
        default="none",
        choices=ALIGNMENTS,
        unspecified=True,
        help="how frames of two clips are paired; the sampling has given both clips one length. none: frame by frame; "
        "shift: the best shift by up to `reach` frames; dtw: dynamic time warping by up to `reach` frames",
    ),
    "reach": Option(
        default=4, low=0, high=1000, unspecified=True, help="frames by which two clips may be shifted or warped"
    ),
    "neighbours": Option(
        default=1, low=1, high=1000, help="k: number of nearest training clips that vote; the nearest one breaks ties"
    ),
    "references": Option(
        default=1000, low=1, help="number of training clips to assume when MACs are counted; training stores all clips"
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
