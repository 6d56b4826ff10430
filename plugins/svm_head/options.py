"""Options of the head. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from elrbench import Option

KERNELS: Final = ("rbf-svm", "chi2-svm")
HEADS: Final = (*KERNELS, "linear-svm", "logistic")
SCALINGS: Final = {  # name -> help
    "standardise": "zero mean and unit variance over training clips (standardise)",
    "l2": "unit length (l2)",
    "hellinger": "the square root of histograms divided by their sums (hellinger)",
    "none": "none",
}


def options(
    *, head: str, scaling: str, c: float = 10.0, scalings: tuple[str, ...] = tuple(SCALINGS)
) -> Mapping[str, Option]:
    """Return the options of a method with this head. head, scaling, c: defaults. scalings: choices."""
    return {
        "head": Option(
            default=head,
            choices=HEADS,
            help="classifier: SVM with an RBF or chi-square kernel (one vs one), linear SVM (one vs rest) or logistic "
            "regression; with several labels, one classifier per label",
        ),
        "c": Option(default=c, low=1e-6, high=1e9, help="weight of training errors against a wide margin (C)"),
        "gamma": Option(
            default=0.0,
            low=0.0,
            help="width of the kernel exp(-gamma distance); 0: 1 / (features x variance) for rbf-svm, 0.1 for chi2-svm",
        ),
        "scaling": Option(
            default=scaling,
            choices=scalings,
            help=f"scaling of a clip's features: {', '.join(SCALINGS[name] for name in scalings)}",
        ),
        "pyramid": Option(
            default=1,
            low=1,
            high=5,
            help="levels of the temporal pyramid: level n averages features over each of 2^(n-1) parts of the clip",
        ),
        "vectors": Option(
            default=1000,
            low=1,
            help="number of support vectors to assume when the MACs of a kernel are counted; training stores as many "
            "as it finds",
        ),
    }
