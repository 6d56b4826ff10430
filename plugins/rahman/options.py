"""Options and budgets of rahman and of its descriptor. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from benchmark_core.specs import Value
from elrbench import Option
from elrbench_plugins.svm_head.options import options

DETECTORS: Final = ("stip", "dense")
TEXTURES: Final = ("lbp-top+bsif", "lbp-top", "bsif", "none")

DESCRIPTOR: Mapping[str, Option] = {
    "words": Option(default=4000, low=2, high=100_000, unspecified=True, help="visual words of HOG and of HOF each"),
    "detector": Option(
        default="stip",
        choices=DETECTORS,
        help="places of HOG and HOF. stip: space-time interest points (Harris 3D); dense: a grid of half overlapping "
        "cuboids",
    ),
    "points": Option(
        default=200, low=1, high=100_000, unspecified=True, help="strongest interest points of a window; all if fewer"
    ),
    "sigma": Option(
        default=2.0, low=0.3, high=32.0, unspecified=True, help="scale of the interest points in space, in pixels"
    ),
    "tau": Option(
        default=1.5, low=0.3, high=32.0, unspecified=True, help="scale of the interest points in time, in frames"
    ),
    "side": Option(default=18, low=3, high=1000, unspecified=True, help="rows and columns of a cuboid of 3x3x2 cells"),
    "length": Option(default=8, low=2, high=1000, unspecified=True, help="frames of a cuboid"),
    "still": Option(
        default=0.4,
        low=0.0,
        unspecified=True,
        help="pixels per frame at network size: a slower pixel votes for HOF's bin of no motion",
    ),
    "textures": Option(default="lbp-top+bsif", choices=TEXTURES, help="histograms of textures of the whole window"),
    "patterns": Option(
        default="all",
        choices=("all", "uniform"),
        unspecified=True,
        help="LBP-TOP: 256 codes, or 58 with at most two changes between 0 and 1 and one bin for all others",
    ),
    "radius": Option(default=2, low=1, high=64, unspecified=True, help="LBP-TOP: radius in space, in pixels"),
    "radius_time": Option(default=2, low=1, high=64, unspecified=True, help="LBP-TOP: radius in time, in frames"),
    "bits": Option(default=8, low=1, high=12, unspecified=True, help="BSIF: filters, each a bit of a code"),
    "filter_side": Option(
        default=7, low=3, high=33, unspecified=True, help="BSIF: rows and columns of a filter, an odd number"
    ),
}
_HEAD = options(head="chi2-svm", scaling="none", scalings=("none", "l2"))
METHOD: Mapping[str, Option] = {
    **_HEAD,
    "c": replace(_HEAD["c"], unspecified=True),
    "gamma": replace(_HEAD["gamma"], unspecified=True),
    "sample": Option(
        default=100_000,
        low=2,
        unspecified=True,
        help="HOG and HOF descriptors, and BSIF patches, that k-means and independent component analysis learn from",
    ),
}
DEFAULTS: Mapping[str, Value] = {
    "backbone": "bag-of-words",
    "enhancer": "bilinear",
    "size": "48x64",
    "sampling": "windows-40",
    "precision": "fp32",
}
BUDGETS: Mapping[str, Mapping[str, Value]] = {
    "paper": {},
    "small": {"backbone.words": 512, "method.sample": 20_000},
    "smoke": {"backbone.words": 16, "backbone.points": 20, "backbone.bits": 4, "method.sample": 1000},
}
