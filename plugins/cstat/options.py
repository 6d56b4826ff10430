"""Options of CSTAT's confidence maps. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from elrbench import Option

CONFIDENCE: Mapping[str, Option] = {
    "confidence": Option(
        default="none",
        choices=("none", "mlp", "difference", "gradient"),
        help="confidence map: how the information loss is measured",
    ),
    "confidence_threshold": Option(
        default=0.5,
        low=0.0,
        high=1.0,
        unspecified=True,
        help="smallest confidence of an area that takes part in the transfer",
    ),
    "confidence_width": Option(
        default=16,
        low=1,
        unspecified=True,
        help="mlp: filters of the first 3x3 convolution of the extractor",
    ),
    "confidence_outputs": Option(
        default=1,
        low=1,
        unspecified=True,
        added=True,
        help="mlp: filters of the second 3x3 convolution; the difference is the mean over them. The paper's 'K = 3 "
        "filters' may mean three filters in each layer: set confidence_width=3 and confidence_outputs=3",
    ),
    "confidence_loss": Option(
        default="transfer",
        choices=("transfer", "classification", "both"),
        unspecified=True,
        added=True,
        help="mlp: loss that trains the extractor (the paper: 'the supervision from the final classification'). "
        "transfer: eq. 2; the map cannot learn which areas help to classify. classification: W_ce times the "
        "cross-entropy of the student's classifier when the confidence map weights its last stage map; both: the sum",
    ),
    "confidence_normalise": Option(
        default="median",
        choices=("median", "min-max", "max", "absolute"),
        unspecified=True,
        help="how a difference becomes an information loss in [0, 1]. median: sigmoid around the interval's median, "
        "which cannot collapse and cannot say that nothing or everything was lost; min-max: scaled to [0, 1]; max: "
        "divided by the interval's largest value, so that no difference gives no loss; absolute: on a fixed scale, so "
        "that an interval can have no loss, a slight or a total loss",
    ),
    "confidence_binary": Option(
        default=False,
        unspecified=True,
        added=True,
        help="weight each area that reaches the threshold by 1 (section III.C.1) instead of its confidence (III.C.2); "
        "the gradient is that of the confidence",
    ),
    "confidence_score": Option(
        default="mean",
        choices=("mean", "ratio", "area"),
        unspecified=True,
        added=True,
        help="temporal confidence. mean: mean confidence in the area that reaches the threshold, which is never below "
        "the threshold; ratio: as printed, the share of this area without loss (below difference_same of 255); area: "
        "the share of the interval that reaches the threshold",
    ),
    "confidence_grey": Option(
        default="bt601",
        choices=("bt601", "mean"),
        unspecified=True,
        added=True,
        help="difference, gradient: grey level of a pixel. bt601: 0.299 R + 0.587 G + 0.114 B; mean: mean of R, G, B",
    ),
    "difference_same": Option(
        default=24.0,
        low=0.0,
        high=255.0,
        added=True,
        help="difference: differences below this number of grey levels count as 0; confidence_score=ratio: "
        "losses below this number of 255 count as none",
    ),
    "gradient_sigma": Option(
        default=1.0,
        low=0.0,
        high=16.0,
        unspecified=True,
        added=True,
        help="gradient: sigma of the Gaussian blur in pixels at a height of 256, scaled with the height; 0: no blur",
    ),
    "gradient_blurred": Option(
        default="image",
        choices=("image", "gradient"),
        unspecified=True,
        added=True,
        help="gradient: blur the image before its gradient is taken, or the gradient before it is dilated",
    ),
    "gradient_operator": Option(
        default="sobel",
        choices=("sobel", "scharr"),
        unspecified=True,
        added=True,
        help="gradient: operator that computes the gradient",
    ),
    "gradient_dilations": Option(
        default=10,
        low=0,
        high=64,
        added=True,
        help="gradient: number of 3x3 dilations at a height of 256, scaled with the height",
    ),
}
