"""Options, variants and budgets of the residual-in-residual dense networks. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark_core.specs import Value
from elrbench import Option
from elrbench_plugins.dbpn.options import FITTING as DBPN
from elrbench_plugins.dbpn.options import SHAPE as DBPN_SHAPE
from elrbench_plugins.dbpn.options import USE

BY_FOUR = replace(
    DBPN_SHAPE["resize"],
    help="allow network sizes that by 4 does not give: resize bicubically before or after the network, e.g. 12x16 by "
    "4 to 48x64, then to 112x149",
)
SHAPE: Mapping[str, Option] = {
    "resize": BY_FOUR,
    "residual": replace(
        DBPN_SHAPE["residual"],
        unspecified=True,
        help="add the network's output to its input, enlarged bicubically; false: ESRGAN",
    ),
}

DEPTH: Mapping[str, Option] = {  # ESRGAN's numbers
    "blocks": Option(default=23, low=1, high=64, help="residual-in-residual blocks"),
    "features": Option(default=64, low=1, high=512, help="channels"),
    "growth": Option(default=32, low=1, high=512, help="channels that each convolution of a dense block adds"),
}

PIXELS: Mapping[str, Option] = {  # the first phase
    "lr": Option(
        default=2e-4,
        low=0.0,
        help="learning rate of Adam; a tenth of it in the second half of the epochs. ESRGAN halves it every 200,000 "
        "updates",
    ),
    "epochs": Option(default=100, low=1, unspecified=True, help="epochs over the clips"),
    "batch": Option(default=16, low=1, help="clips per update"),
    "frames": Option(default=1, low=1, unspecified=True, help="frames of each clip per epoch"),
    "patch": Option(default=32, low=0, help="sides of the random patches to train on, in low pixels; 0: whole frames"),
    "pair_least": DBPN["pair_least"],
    "micro_batch": DBPN["micro_batch"],
    "pixel": Option(default="l1", choices=("l1", "mse"), help="error of a pixel: absolute or squared difference"),
    "weighting": Option(
        default="none",
        choices=("none", "flow"),
        help="weight of a pixel's error. flow: the length of the optical flow of the high view (SoSR, eq. 1)",
    ),
    "weight_power": Option(
        default=1.0,
        low=0.1,
        high=4.0,
        unspecified=True,
        help="exponent of the flow's length in the weight; 2 equals the authors' code, which multiplies both images by "
        "a weight map before it squares their difference",
    ),
    "weight_base": Option(
        default=0.0,
        low=0.0,
        unspecified=True,
        help="added to each weight, in pixels of flow; 0: what does not move is not learnt",
    ),
}

LATER: Mapping[str, Option] = {  # the second phase, from the weights of the first
    "pixel_weight": Option(
        default=0.01, low=0.0, unspecified=True, help="weight of the pixels' error in the second phase (ESRGAN)"
    ),
    "feature_weight": Option(
        default=0.0,
        low=0.0,
        unspecified=True,
        help="weight of the feature loss (ESRGAN: 1); with 0 it is left out",
    ),
    "gan_weight": Option(
        default=0.0,
        low=0.0,
        unspecified=True,
        help="weight of the adversarial loss (ESRGAN: 0.005); with 0 and feature_weight 0 there is no second phase",
    ),
    "later_lr": Option(
        default=1e-4, low=0.0, unspecified=True, help="learning rate of network and discriminator in the second phase"
    ),
    "later_epochs": Option(default=100, low=1, unspecified=True, help="epochs of the second phase"),
}

SOSR: Mapping[str, Value] = {"pixel": "mse", "weighting": "flow"}
ADVERSARIAL: Mapping[str, Value] = {"gan_weight": 5e-3}
VARIANTS: Mapping[str, Mapping[str, Value]] = {
    "mse": {"pixel": "mse"},
    "sosr": SOSR,
    "sosr-adversarial": {**SOSR, **ADVERSARIAL},
    "sosr-perceptual": {**SOSR, **ADVERSARIAL, "feature_weight": 1.0},
}

SMALL: Mapping[str, Value] = {  # 1,200 updates on the 600 clips of puppets
    "enhancer.residual": True,  # exceeds bicubic after fewer updates
    "enhancer.lr": 1e-3,
    "enhancer.batch": 2,
    "enhancer.epochs": 4,
    "enhancer.later_epochs": 2,
}
SMOKE: Mapping[str, Value] = {
    "enhancer.residual": True,
    "enhancer.batch": 8,
    "enhancer.epochs": 1,
    "enhancer.later_epochs": 1,
    "enhancer.blocks": 1,
    "enhancer.features": 8,
    "enhancer.growth": 4,
}

SMALL_OPTIONS: Mapping[str, Option] = {**SHAPE, **PIXELS, **LATER, **USE}
OPTIONS: Mapping[str, Option] = {**DEPTH, **SMALL_OPTIONS}


def budgets(options: Mapping[str, Option]) -> dict[str, dict[str, Value]]:
    """Return the budgets of an enhancer with these options. The defaults are the numbers that the paper gives."""
    sets = {"paper": {}, "small": SMALL, "smoke": SMOKE}
    return {
        name: {key: value for key, value in numbers.items() if key.partition(".")[2] in options}
        for name, numbers in sets.items()
    }
