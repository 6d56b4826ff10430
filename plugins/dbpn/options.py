"""The numbers of the back-projection networks. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark_core import Option
from benchmark_core.specs import Value

SHAPE: Mapping[str, Option] = {  # what the module looks like
    "scale": Option(
        default=0,
        choices=(0, 2, 4, 8),
        help="2, 4 or 8; 0: what leads from the low size to the network's, and 4 for clips taken as recorded",
    ),
    "resize": Option(
        default=False,
        unspecified=True,
        help="where no scale leads to the network's size, bring what is enlarged to it bicubically: from 12x16 by 8 to "
        "96x128, and then to 224x298, say",
    ),
    "residual": Option(
        default=False, help="the network makes what is added to its input, enlarged bicubically (code: --residual)"
    ),
}

UNITS = Option(default=7, low=2, high=10, help="up-projections, T; 10 is the authors' DBPN-LL, densely connected")

FITTING: Mapping[str, Option] = {
    "lr": Option(default=1e-4, low=0.0, help="learning rate of Adam, a tenth of it in the second half of the epochs"),
    "epochs": Option(
        default=200, low=1, unspecified=True, help="passes over the clips (the authors' code: 2000, over photographs)"
    ),
    "batch": Option(default=16, low=1, help="clips an update"),
    "frames": Option(default=1, low=1, unspecified=True, help="frames of each clip in a pass"),
    "pair_least": Option(
        default=1.0,
        low=0.0,
        high=1.0,
        unspecified=True,
        help="of clips taken as recorded: share of the size that the network makes that a high view has, to be learnt "
        "from (of a batch without any, the largest)",
    ),
    "micro_batch": Option(
        default=0,
        low=0,
        unspecified=True,
        help="frames a backward pass, gradients added up to the same update; 0: all at once",
    ),
}

USE: Mapping[str, Option] = {
    "weights": Option(
        default="fit",
        choices=("fit",),
        help="fit, or what a plan calls a file of public weights: --enhancer-weights FILE",
    ),
    "train": Option(default=False, unspecified=True, help="train the fitted enhancer on, with the recognizer"),
}

SMALL: Mapping[str, Value] = {  # 1,200 updates on the 600 clips of puppets
    "enhancer.residual": True,  # sooner above bicubic
    "enhancer.lr": 1e-3,
    "enhancer.batch": 2,
    "enhancer.epochs": 4,
}
SMOKE: Mapping[str, Value] = {
    "enhancer.residual": True,
    "enhancer.batch": 8,
    "enhancer.epochs": 1,
    "enhancer.units": 3,  # each kind of unit
}


def budgets(options: Mapping[str, Option]) -> dict[str, dict[str, Value]]:
    """Of an enhancer with these options. Its defaults are the paper's numbers."""
    sets = {"paper": {}, "small": SMALL, "smoke": SMOKE}
    return {
        name: {key: value for key, value in numbers.items() if key.partition(".")[2] in options}
        for name, numbers in sets.items()
    }
