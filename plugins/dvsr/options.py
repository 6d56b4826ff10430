"""The numbers of TinyVIRAT's three enhancers. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark_core import Option
from benchmark_core.specs import Value

SHAPE: Mapping[str, Option] = {  # what the module looks like
    "scale": Option(
        default=0, choices=(0, 4, 8), help="4 or 8; 0: what leads from the low size to the network's, natively both"
    ),
    "native_input": Option(
        default="by-size",
        choices=("by-size", "fixed-14", "fixed-28"),
        unspecified=True,
        help="what a clip taken as recorded is brought to, bicubically: 14x14, 28x28, or a quarter or an eighth of the "
        "network's size, a network each, by the smallest scale that reaches that size from the clip's own",
    ),
}

RECONSTRUCTION: Mapping[str, Option] = {
    "pair_least": Option(
        default=1.0,
        low=0.0,
        high=1.0,
        help="of clips taken as recorded: share of the network's size that a high view has, to be learnt from (of a "
        "batch without any, the largest); 1 is the paper's 112 pixels",
    ),
    "pair_low": Option(
        default="bicubic",
        choices=("bicubic", "degraded"),
        added=True,  # though what was before had "degraded": nothing that was fitted so is of this revision
        help="of clips taken as recorded: a pair's low view is its high view brought bicubically to what the network "
        "takes (section V.A), or the clip area-averaged, to the size of a training clip (with --high-source) or by a "
        "factor of 1 to 4, and that brought there",
    ),
    "lr": Option(default=2e-4, low=0.0, help="learning rate of Adam"),
    "beta1": Option(default=0.5, low=0.0, high=0.9999, help="Adam's first beta"),
    "beta2": Option(default=0.9, low=0.0, high=0.9999, help="Adam's second beta"),
    "weight_decay": Option(
        default=0.0,
        low=0.0,
        unspecified=True,
        help="weight decay while reconstruction alone is learnt (none in the authors' code)",
    ),
    "batch": Option(
        default=20, low=1, unspecified=True, help="clips an update (the authors' code has 14 to 128, by size)"
    ),
    "micro_batch": Option(
        default=0,
        low=0,
        unspecified=True,
        help="clips a backward pass, gradients added up to an update; 0: all at once. Of reconstruction the update is "
        "the same: a process that fits on 8 clips from 16x14x14 to 112x112 has a peak of 2.7 GiB (from 28x28 3.6), "
        "with 1 of 1.6 GiB, whatever the batch. With attention pieces are of two clips or more, and normalisation in "
        "branch and classifier is over those: with I3D, 8 at once have a peak of 3.5 GiB, with 2 of 1.5",
    ),
    "checkpoint": Option(
        default=False,
        unspecified=True,
        neutral=True,
        help="keep blocks' inputs alone and compute their insides again in the backward pass: bit for bit the same, a "
        "third more work; that process has a peak of 1.8 GiB",
    ),
    "train": Option(default=False, unspecified=True, help="train the fitted enhancer on, with the recognizer"),
    "keep": Option(
        default=False,
        unspecified=True,
        help="keep what it makes of training clips, in windows of 16 from the first frame on, where low views are the "
        "same in each epoch; otherwise each view's 16 frames are enhanced anew",
    ),
}

END_TO_END: Mapping[str, Option] = {
    "epochs": Option(default=100, low=1, unspecified=True, help="passes over the pairs"),
}

GROWTH: Mapping[str, Option] = {
    "epochs_first": Option(
        default=40,
        low=1,
        unspecified=True,
        help="passes at the first step, to twice the low size (authors' code: 40 by 4, 30 by 8)",
    ),
    "epochs_between": Option(
        default=20, low=1, unspecified=True, help="passes at the middle step of a network by 8 (authors' code: 30)"
    ),
    "epochs_last": Option(
        default=40,
        low=1,
        unspecified=True,
        help="passes at the last step (authors' code: up to 460, of which it keeps the best by its test clips)",
    ),
    "fade": Option(
        default="updates",
        choices=("updates", "epochs"),
        help="how alpha rises from 0 to 1 when a step is added: by fade_step an update (section V.B), or linearly over "
        "fade_epochs (authors' code)",
    ),
    "fade_step": Option(default=5e-3, low=1e-6, high=1.0, help="what an update adds to alpha"),
    "fade_epochs": Option(default=2.0, low=1e-3, help="epochs in which alpha rises, with fade=epochs"),
    "growth_frames": Option(
        default="every",
        choices=("every", "linear"),
        unspecified=True,
        help="frames of the high view that a step of 4 or 8 frames learns: every fourth or second (authors' code), or "
        "linear between those that the enlarged input is linear between",
    ),
}

JOINT: Mapping[str, Option] = {
    "joint_epochs": Option(default=40, low=1, unspecified=True, help="passes with the attention branch"),
    "joint_weight_decay": Option(
        default=5e-7, low=0.0, unspecified=True, help="weight decay of network and branch (authors' code: 5e-7 or 5e-5)"
    ),
    "lambda_rec": Option(default=1.0, low=0.0, help="weight of eq. 1 in eq. 3"),
    "lambda_att": Option(
        default=0.5, low=0.0, help="weight of eq. 2 in eq. 3; of its classification alone, as in the authors' code"
    ),
    "sparsity": Option(
        default=5e-4,
        low=0.0,
        unspecified=True,
        help="weight of the attention's mean in the loss as a whole (authors' code); eq. 2 calls it lambda_att too, of "
        "which the paper gives one value",
    ),
    "mask": Option(
        default="grey",
        choices=("grey", "black"),
        unspecified=True,
        help="what the classifier sees where attention is 0: grey, as 0 is in [-1, 1] (authors' code), or black",
    ),
    "classifier_lr": Option(default=2e-4, low=0.0, help="learning rate of the classifier that trains the branch"),
    "classifier_beta1": Option(default=0.5, low=0.0, high=0.9999, help="its Adam's first beta"),
    "classifier_beta2": Option(default=0.9, low=0.0, high=0.9999, help="its second; the authors' code has 0.9, 0.999"),
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
    """Of an enhancer with these options. Its defaults are the paper's numbers."""
    sets = {"paper": {}, "small": SMALL, "smoke": SMOKE}
    return {
        name: {key: value for key, value in numbers.items() if key.partition(".")[2] in options}
        for name, numbers in sets.items()
    }
