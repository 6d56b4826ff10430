"""Options, variants and budgets of dynamic upsampling filters. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark_core.specs import Value
from elrbench import Option
from elrbench_plugins.dbpn.options import FITTING as DBPN
from elrbench_plugins.dbpn.options import USE as DBPN_USE
from elrbench_plugins.rrdb.options import BY_FOUR

SHAPE: Mapping[str, Option] = {"resize": BY_FOUR}
DEPTH: Mapping[str, Option] = {
    "layers": Option(default=16, choices=(16, 28, 52), help="depth of the network; the authors of ToSR use 16"),
}
START: Mapping[str, Option] = {
    "start": Option(
        default="authors",
        choices=("authors", "bilinear"),
        unspecified=True,
        help="initial weights. authors: He et al.'s, as their code; bilinear: the last layers interpolate linearly, "
        "which a short training needs",
    ),
}
# Learning rate, epochs, batch, patches and delta are those of the authors' code of ToSR, which starts from the weights
# of Jo et al.
FITTING: Mapping[str, Option] = {
    "lr": Option(default=1e-3, low=0.0, help="learning rate of Adam; a tenth of it in the second half of the epochs"),
    "epochs": Option(default=20, low=1, help="epochs over the clips"),
    "batch": Option(default=16, low=1, help="clips per update"),
    "frames": Option(default=1, low=1, unspecified=True, help="pairs of frames of each clip per epoch"),
    "patch": Option(default=32, low=0, help="sides of the random patches to train on, in low pixels; 0: whole frames"),
    "pair_least": DBPN["pair_least"],
    "delta": Option(default=0.01, low=1e-6, help="error at which Huber's loss becomes linear; grey levels are 0 to 1"),
    "warp_sr": Option(
        default=0.0,
        low=0.0,
        unspecified=True,
        help="weight of Huber's error between output frame t and output frame t + 1, moved back by the high view's "
        "flow (ToSR, eq. 3); 1 in the authors' code, the paper gives none",
    ),
    "warp_hr": Option(
        default=0.0,
        low=0.0,
        unspecified=True,
        help="weight of Huber's error between high frame t and output frame t + 1, moved back by the high view's flow "
        "(ToSR, eq. 3); 1 in the authors' code, the paper gives none",
    ),
}
USE: Mapping[str, Option] = {
    **DBPN_USE,
    "keep": Option(
        default=False,
        unspecified=True,
        help="store the enhanced training clips, in windows of 16 frames from the first one, if low views are the same "
        "in each epoch; otherwise each view's 16 frames are enhanced again",
    ),
}
VARIANTS: Mapping[str, Mapping[str, Value]] = {"tosr": {"warp_sr": 1.0, "warp_hr": 1.0}}

SMALL: Mapping[str, Value] = {  # 1,200 updates on the 600 clips of puppets
    "enhancer.start": "bilinear",
    "enhancer.batch": 2,
    "enhancer.epochs": 4,
    "enhancer.keep": True,
}
SMOKE: Mapping[str, Value] = {"enhancer.start": "bilinear", "enhancer.batch": 8, "enhancer.epochs": 1}

SMALL_OPTIONS: Mapping[str, Option] = {**SHAPE, **START, **FITTING, **USE}
OPTIONS: Mapping[str, Option] = {**DEPTH, **SMALL_OPTIONS}
BUDGETS: Mapping[str, Mapping[str, Value]] = {"paper": {}, "small": SMALL, "smoke": SMOKE}
