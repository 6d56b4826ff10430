"""Options, variants and budgets of isr. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark_core.specs import Value
from elrbench import Option
from elrbench_plugins.supervised.budgets import OPTIONS as RECIPE
from elrbench_plugins.supervised.budgets import SMALL, SMOKE
from elrbench_plugins.svm_head.options import HEADS
from elrbench_plugins.svm_head.options import options as svm_options

COUNTS = (1, 3, 5, 7, 9)  # odd, so that the identity is among them

POOL: Mapping[str, Option] = {
    "pool_shifts": Option(
        default=3, choices=COUNTS, unspecified=True, help="shifts in the pool along each of the two axes"
    ),
    "pool_scales": Option(default=3, choices=COUNTS, unspecified=True, help="scales in the pool"),
    "pool_angles": Option(default=3, choices=COUNTS, unspecified=True, help="angles in the pool"),
    "transform_shift": Option(
        default=0.5, low=0.0, high=64.0, unspecified=True, help="largest shift along each axis, in low pixels"
    ),
    "transform_scale": Option(default=1.05, low=1.0, high=4.0, unspecified=True, help="s: scales are from 1/s to s"),
    "transform_angle": Option(default=3.0, low=0.0, high=90.0, unspecified=True, help="largest rotation, in degrees"),
}
SET: Mapping[str, Option] = {
    "transforms": Option(
        default=4,
        low=1,
        unspecified=True,
        help="n: low views of each training clip, the view as it is included; 1: that one alone",
    ),
    "select": Option(
        default="entropy",
        choices=("entropy", "boundary", "random"),
        help="how n transforms of the pool are chosen. entropy: one by one, each the one with the most uncertain "
        "decisions; boundary: the set whose classifier decides most like that of the whole pool, by "
        "Metropolis-Hastings; random: drawn by the seed",
    ),
}
SELECTOR: Mapping[str, Option] = {
    "selector": Option(
        default="logistic",
        choices=HEADS,
        unspecified=True,
        help="classifier that is trained on low views under a set of transforms while the set is chosen; it sees "
        "histograms of flow and gradients. Probabilities are the softmax (or sigmoid) of its logits",
    ),
    "selection_clips": Option(
        default=400,
        low=8,
        unspecified=True,
        help="training clips on which the set is chosen, at most; those with the smallest hash of their ids",
    ),
    "selection_share": Option(
        default=0.25,
        low=0.05,
        high=0.5,
        unspecified=True,
        help="share of these clips on which decisions are compared; the selector is trained on the others",
    ),
}
BOUNDARY: Mapping[str, Option] = {
    "boundary_distance": Option(
        default="labels",
        choices=("labels", "probabilities"),
        unspecified=True,
        help="|h - h'| of two decisions. labels: 1 if they differ; probabilities: half the sum of absolute differences",
    ),
    "boundary_sharpness": Option(
        default=1.0,
        low=0.0,
        unspecified=True,
        help="s of the target distribution exp(-s times the sum of |h - h'|)",
    ),
    "boundary_steps": Option(default=200, low=1, unspecified=True, help="proposals of Metropolis-Hastings"),
    "boundary_width": Option(
        default=1.0,
        low=0.0,
        unspecified=True,
        help="standard deviation of the Gaussian proposal, in steps of the pool; 0: all transforms alike",
    ),
}
TRAINING: Mapping[str, Option] = {
    "classifier": Option(
        default="network",
        choices=("network", "svm"),
        help="what learns from the low views. network: the plan's backbone; svm: the paper's classifier, on the "
        "backbones `pot` and `hof`",
    ),
    "per_update": Option(
        default="one",
        choices=("one", "all"),
        unspecified=True,
        help="low views of a clip per update of the network. one: one of the n, drawn per clip and epoch, so that an "
        "epoch is as long as without transforms; all: all n",
    ),
}
CHOSEN = ("optimiser", "lr", "batch", "schedule", "warmup_epochs", "weight_decay")  # of the network
SVM: Mapping[str, Option] = svm_options(head="chi2-svm", scaling="none")
OPTIONS: Mapping[str, Option] = {
    **RECIPE,
    **{key: replace(RECIPE[key], unspecified=True) for key in CHOSEN},
    "epochs": replace(RECIPE["epochs"], unspecified=True, help="passes over the training clips, of the network"),
    **SET,
    **POOL,
    **SELECTOR,
    **BOUNDARY,
    **TRAINING,
    **{key: replace(option, help=f"of the SVM: {option.help}") for key, option in SVM.items()},
}
IDEAS = ("select", "per_update", *POOL, *SELECTOR, *BOUNDARY)  # without effect if `transforms` is 1

ALL_FRAMES = "windows-40"
LONG_CLIPS = "windows-300"  # at budget paper: one pyramid for nearly all clips of HMDB51
VARIANTS: Mapping[str, Mapping[str, Value]] = {
    "boundary": {"select": "boundary"},
    "random": {"select": "random"},
    "identity": {"transforms": 1},
    "svm": {"classifier": "svm", "backbone": "pot", "modality": "rgb", "sampling": ALL_FRAMES},
}
DEFAULTS: Mapping[str, Value] = {
    "backbone": "native3d-s",
    "enhancer": "bilinear",  # for backbones that are not native
    "size": "48x64",
    "sampling": "clip-24",
    "teacher_size": "48x64",  # of high views
    "precision": "fp32",
}
_FEW: Mapping[str, Value] = {"method.selection_clips": 160, "method.boundary_steps": 60}
BUDGETS: Mapping[str, Mapping[str, Value]] = {
    "paper": {**DEFAULTS, "method.optimiser": "adamw", "method.weight_decay": 0.05, "method.batch": 32,
              "method.epochs": 200, "method.schedule": "cosine", "svm:sampling": LONG_CLIPS},
    "small": {**{key: value for key, value in SMALL.items() if key.startswith("method.")}, **DEFAULTS, **_FEW},
    "smoke": {
        **{key: value for key, value in SMOKE.items() if key.startswith("method.")},
        **DEFAULTS,
        "sampling": "clip-8",
        **_FEW,
        "method.pool_scales": 1,
        "method.pool_angles": 1,
        "method.boundary_steps": 4,
    },
}  # fmt: skip
