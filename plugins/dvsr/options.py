"""Options and budgets of TinyVIRAT's three enhancers. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark_core.specs import Value
from elrbench import Option

SHAPE: Mapping[str, Option] = {  # structure of the module
    "scale": Option(
        default=0,
        choices=(0, 4, 8),
        help="4 or 8; 0: the scale from the low size to network size, or both for natively low clips",
    ),
    "native_input": Option(
        default="by-size",
        choices=("by-size", "fixed-14", "fixed-28"),
        unspecified=True,
        help="size to which a natively low clip is resized, bicubically. fixed-14: 14x14; fixed-28: 28x28; by-size: a "
        "quarter or an eighth of network size, one network each, by the smallest scale that reaches network size",
    ),
}

USE: Mapping[str, Option] = {
    "weights": Option(
        default="fit",
        choices=("fit",),
        added=True,
        help="fit: train; --enhancer-weights FILE loads the authors' weights instead",
    ),
}

RECONSTRUCTION: Mapping[str, Option] = {
    "pair_least": Option(
        default=1.0,
        low=0.0,
        high=1.0,
        help="natively low clips: smallest size of a high view to train on, as a share of network size (1: the paper's "
        "112 pixels); if no clip of a batch reaches it, the largest is used",
    ),
    "pair_low": Option(
        default="bicubic",
        choices=("bicubic", "degraded"),
        added=True,  # earlier code had "degraded"; its stages have an older revision
        help="natively low clips: low view of a pair. bicubic: the high view, resized bicubically to the network's "
        "input (section V.A); degraded: the clip area-averaged to the size of a training clip (with --high-source) or "
        "by a factor of 1 to 4, then resized",
    ),
    "lr": Option(default=2e-4, low=0.0, help="learning rate of Adam"),
    "beta1": Option(default=0.5, low=0.0, high=0.9999, help="beta1 of Adam"),
    "beta2": Option(default=0.9, low=0.0, high=0.9999, help="beta2 of Adam"),
    "weight_decay": Option(
        default=0.0,
        low=0.0,
        unspecified=True,
        help="weight decay while training on reconstruction alone (authors' code: none)",
    ),
    "batch": Option(default=20, low=1, unspecified=True, help="clips per update (authors' code: 14 to 128, by size)"),
    "micro_batch": Option(
        default=0,
        low=0,
        unspecified=True,
        help="clips per backward pass; gradients are accumulated to one update; 0: all at once. Without attention the "
        "update is the same. Peak memory for 8 clips from 16x14x14 to 112x112: 2.7 GiB (from 28x28: 3.6 GiB), with "
        "micro_batch 1 for any batch: 1.6 GiB. With attention, at least two clips are taken, and batch normalisation "
        "in the attention branch and the classifier runs over these; peak with I3D and 8 clips: 3.5 GiB, with 2: 1.5 "
        "GiB",
    ),
    "checkpoint": Option(
        default=False,
        unspecified=True,
        neutral=True,
        help="store only the inputs of blocks and recompute the rest in the backward pass: bit-identical on a CPU, a "
        "third more computation; peak memory of the example in micro_batch: 1.8 GiB",
    ),
    "train": Option(default=False, unspecified=True, help="train the enhancer further, together with the recognizer"),
    "keep": Option(
        default=False,
        unspecified=True,
        help="store the enhanced training clips, in windows of 16 frames from the first one, if low views are the same "
        "in each epoch; otherwise each view's 16 frames are enhanced again",
    ),
}

END_TO_END: Mapping[str, Option] = {
    "epochs": Option(default=100, low=1, unspecified=True, help="epochs over the pairs"),
}

GROWTH: Mapping[str, Option] = {
    "epochs_first": Option(
        default=40,
        low=1,
        unspecified=True,
        help="epochs of the first step, to twice the low size (authors' code: 40 by 4, 30 by 8)",
    ),
    "epochs_between": Option(
        default=20, low=1, unspecified=True, help="epochs of the middle step of a network by 8 (authors' code: 30)"
    ),
    "epochs_last": Option(
        default=40,
        low=1,
        unspecified=True,
        help="epochs of the last step (authors' code: up to 460, and it keeps the epoch that is best on its test "
        "clips)",
    ),
    "fade": Option(
        default="updates",
        choices=("updates", "epochs"),
        help="how alpha rises from 0 to 1 after a step is added. updates: by fade_step per update (section V.B); "
        "epochs: linearly over fade_epochs (authors' code)",
    ),
    "fade_step": Option(default=5e-3, low=1e-6, high=1.0, help="increase of alpha per update"),
    "fade_epochs": Option(default=2.0, low=1e-3, help="epochs of the rise of alpha, with fade=epochs"),
    "growth_frames": Option(
        default="every",
        choices=("every", "linear"),
        unspecified=True,
        help="target frames of a step with 4 or 8 frames. every: each fourth or second frame (authors' code); linear: "
        "interpolated in time, as the enlarged input is",
    ),
}

JOINT: Mapping[str, Option] = {
    "joint_epochs": Option(default=40, low=1, unspecified=True, help="epochs with the attention branch"),
    "joint_weight_decay": Option(
        default=5e-7, low=0.0, unspecified=True, help="weight decay of network and branch (authors' code: 5e-7 or 5e-5)"
    ),
    "lambda_rec": Option(default=1.0, low=0.0, help="weight of eq. 1 in eq. 3"),
    "lambda_att": Option(
        default=0.5, low=0.0, help="weight of eq. 2 in eq. 3; of its classification term only, as in the authors' code"
    ),
    "sparsity": Option(
        default=5e-4,
        low=0.0,
        unspecified=True,
        help="weight of the mean attention in the total loss (authors' code); eq. 2 calls it lambda_att too, and the "
        "paper gives one value",
    ),
    "mask": Option(
        default="grey",
        choices=("grey", "black"),
        unspecified=True,
        help="value of the classifier's input at attention 0. grey: 0 in [-1, 1] (authors' code); black: 0 in [0, 1]",
    ),
    "classifier_lr": Option(
        default=2e-4, low=0.0, help="learning rate of the classifier that trains the attention branch"
    ),
    "classifier_beta1": Option(default=0.5, low=0.0, high=0.9999, help="beta1 of the classifier's Adam"),
    "classifier_beta2": Option(
        default=0.9, low=0.0, high=0.9999, help="beta2 of the classifier's Adam (authors' code: 0.9 and 0.999)"
    ),
}

SMALL: Mapping[str, Value] = {  # 1,500 updates on the 600 clips of puppets, and 450 with attention
    "enhancer.batch": 4,
    "enhancer.epochs": 10,
    "enhancer.epochs_first": 4,
    "enhancer.epochs_between": 2,
    "enhancer.epochs_last": 6,
    "enhancer.joint_epochs": 3,
}
SMOKE: Mapping[str, Value] = {
    **{key: 1 for key in SMALL},
    "enhancer.batch": 4,
    "enhancer.fade_step": 0.25,
}


def budgets(options: Mapping[str, Option]) -> dict[str, dict[str, Value]]:
    """Return the budgets of an enhancer with these options. The defaults are the paper's numbers."""
    sets = {"paper": {}, "small": SMALL, "smoke": SMOKE}
    return {
        name: {key: value for key, value in numbers.items() if key.partition(".")[2] in options}
        for name, numbers in sets.items()
    }
