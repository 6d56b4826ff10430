"""Options and budgets of the back-projection networks. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark_core.specs import Value
from elrbench import Option

SHAPE: Mapping[str, Option] = {  # structure of the module
    "scale": Option(
        default=0,
        choices=(0, 2, 4, 8),
        help="2, 4 or 8; 0: the scale from the low size to network size, or 4 for natively low clips",
    ),
    "resize": Option(
        default=False,
        unspecified=True,
        help="if no scale gives network size, resize the output to it bicubically, e.g. 12x16 by 8 to 96x128, then to "
        "224x298",
    ),
    "residual": Option(
        default=False, help="add the network's output to its input, enlarged bicubically (authors' code: --residual)"
    ),
}

UNITS = Option(default=7, low=2, high=10, help="T, number of up-projections; d-dbpn with 10 is the authors' DBPN-LL")

FITTING: Mapping[str, Option] = {
    "lr": Option(default=1e-4, low=0.0, help="learning rate of Adam; a tenth of it in the second half of the epochs"),
    "epochs": Option(
        default=200, low=1, unspecified=True, help="epochs over the clips (authors' code: 2000, over photographs)"
    ),
    "batch": Option(default=16, low=1, help="clips per update"),
    "frames": Option(default=1, low=1, unspecified=True, help="frames of each clip per epoch"),
    "pair_least": Option(
        default=1.0,
        low=0.0,
        high=1.0,
        unspecified=True,
        help="natively low clips: smallest size of a high view to train on, as a share of the network's output size; "
        "if no clip of a batch reaches it, the largest is used",
    ),
    "micro_batch": Option(
        default=0,
        low=0,
        unspecified=True,
        help="frames per backward pass; gradients are accumulated to the same update; 0: all at once",
    ),
}

USE: Mapping[str, Option] = {
    "weights": Option(
        default="fit",
        choices=("fit",),
        help="fit: train; --enhancer-weights FILE loads the authors' weights instead",
    ),
    "train": Option(default=False, unspecified=True, help="train the enhancer further, together with the recognizer"),
}

SMALL: Mapping[str, Value] = {  # 1,200 updates on the 600 clips of puppets
    "enhancer.residual": True,  # exceeds bicubic after fewer updates
    "enhancer.lr": 1e-3,
    "enhancer.batch": 2,
    "enhancer.epochs": 4,
}
SMOKE: Mapping[str, Value] = {
    "enhancer.residual": True,
    "enhancer.batch": 8,
    "enhancer.epochs": 1,
    "enhancer.units": 3,  # the smallest number with every kind of unit
}


def budgets(options: Mapping[str, Option]) -> dict[str, dict[str, Value]]:
    """Return the budgets of an enhancer with these options. The defaults are the paper's numbers."""
    sets = {"paper": {}, "small": SMALL, "smoke": SMOKE}
    return {
        name: {key: value for key, value in numbers.items() if key.partition(".")[2] in options}
        for name, numbers in sets.items()
    }
