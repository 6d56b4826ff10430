"""The numbers of CSTAT's confidence maps. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark_core import Option

CONFIDENCE: Mapping[str, Option] = {
    "confidence": Option(
        default="none", choices=("none", "mlp", "difference", "gradient"), help="how information loss is measured"
    ),
    "confidence_threshold": Option(
        default=0.5, low=0.0, high=1.0, unspecified=True, help="confidence from which on an area takes part"
    ),
    "confidence_width": Option(
        default=16, low=1, unspecified=True, help="filters of the extractor's first 3x3 convolution; the second has one"
    ),
    "confidence_normalise": Option(
        default="median",
        choices=("median", "min-max", "max"),
        unspecified=True,
        help="how a difference becomes a loss in [0, 1]: a sigmoid about the interval's median, which cannot collapse; "
        "min-max; or a share of the interval's largest, by which no difference is no loss",
    ),
    "confidence_grey": Option(
        default="bt601",
        choices=("bt601", "mean"),
        unspecified=True,
        added=True,
        help="what is grey to the difference- and the gradient-based map: 0.299 R + 0.587 G + 0.114 B, or the mean",
    ),
    "difference_same": Option(
        default=24.0, low=0.0, high=255.0, added=True, help="grey levels below which a difference is none"
    ),
    "gradient_sigma": Option(
        default=1.0,
        low=0.0,
        high=16.0,
        unspecified=True,
        added=True,
        help="sigma of the Gaussian blur in pixels of a view 256 high, scaled with the view; 0 blurs nothing",
    ),
    "gradient_blurred": Option(
        default="image",
        choices=("image", "gradient"),
        unspecified=True,
        added=True,
        help="what is blurred: the image before its gradient is taken, or the gradient before it is dilated",
    ),
    "gradient_operator": Option(
        default="sobel", choices=("sobel", "scharr"), unspecified=True, added=True, help="what takes the gradient"
    ),
    "gradient_dilations": Option(
        default=10,
        low=0,
        high=64,
        added=True,
        help="3x3 dilations of the gradients of a view 256 high, scaled with the view",
    ),
}
