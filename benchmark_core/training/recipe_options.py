"""Options of training that any method may merge into its own: optimizer, schedule, weights, augmentation.

Imports no torch. `Training.recipe` and `Training.epochs` act on them; a method needs no code for them.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmark_core.plans.trained_part import ALL, HEAD, LAST, LORA
from benchmark_core.specs import Option, Value
from benchmark_core.training.named_options import NamedOptions

TUNING = ("train", "lora_rank", "lora_alpha")  # names of the options of parameter-efficient fine-tuning

# What `Training.epochs` changes in the batches of augmented views.
AUGMENTATION: Mapping[str, Option] = {
    "random_crop": Option(
        default="corners",
        choices=("corners", "none"),
        added=True,
        help="crop of augmented views. corners: a box at a corner or the centre, with sides of 1, 0.875, 0.75 or 0.66 "
        "of the view (TSN); none: the whole view",
    ),
    "random_flip": Option(
        default="half",
        choices=("half", "none"),
        added=True,
        help="mirror half of the clips (half) or none, for classes that differ in left and right",
    ),
    "random_shift": Option(
        default=0.0,
        low=0.0,
        high=0.5,
        added=True,
        help="s: the crop is moved by up to s of the view's height and width; edges are repeated outside the view",
    ),
    "random_zoom": Option(
        default=0.0,
        low=0.0,
        high=0.9,
        added=True,
        help="z: the sides of the crop are multiplied by one factor from 1 - z to 1 + z",
    ),
    "random_turn": Option(
        default="none",
        choices=("none", "half", "quarter"),
        added=True,
        help="turn all frames of a clip by a random multiple of 180 degrees (half) or 90 degrees (quarter, for square "
        "views): for cameras that look straight down, whose pictures have no upright direction",
    ),
    "colour_jitter": Option(
        default=0.0,
        low=0.0,
        high=1.0,
        added=True,
        help="j: brightness, contrast and saturation of a clip are multiplied by factors from 1 - j to 1 + j; views "
        "with other than three channels, such as flow, are left as they are",
    ),
    "erase_probability": Option(
        default=0.0,
        low=0.0,
        high=1.0,
        added=True,
        help="probability that a rectangle of a clip (2 to 20 % of the view, in all frames) is set to the clip's mean "
        "(Zhong et al., Random Erasing, AAAI 2020)",
    ),
    "mixup_alpha": Option(
        default=0.0,
        low=0.0,
        high=8.0,
        added=True,
        help="a of the distribution Beta(a, a) from which the weights of two mixed clips are drawn (Zhang et al., "
        "mixup, ICLR 2018); 0: no mixup. Labels are mixed alike; clips without labels are not mixed",
    ),
    "cutmix_time": Option(
        default=0.0,
        low=0.0,
        high=1.0,
        added=True,
        help="probability that consecutive frames of a clip are replaced by those of another clip at the same "
        "positions, and its label by their share (Yun et al., CutMix, ICCV 2019, over time); such a clip gets no mixup",
    ),
}

RECIPE: Mapping[str, Option] = {
    "optimiser": Option(
        default="sgd",
        choices=("sgd", "adamw", "adam"),
        help="optimizer: sgd (with momentum), adamw, or adam (weight decay is added to the gradient)",
    ),
    "lr": Option(default=1e-3, low=0.0, help="peak learning rate"),
    "momentum": Option(default=0.9, low=0.0, high=1.0, help="momentum of sgd"),
    "beta1": Option(
        default=0.9, low=0.0, high=0.9999, added=True, help="beta1 of adam and adamw: decay of the mean gradient"
    ),
    "beta2": Option(
        default=0.999,
        low=0.0,
        high=0.999999,
        added=True,
        help="beta2 of adam and adamw: decay of the mean squared gradient",
    ),
    "weight_decay": Option(default=0.0, low=0.0, help="weight decay, not applied to biases and normalisation layers"),
    "batch": Option(default=256, low=1, help="clips per update"),
    "epochs": Option(default=50, low=1, help="passes over the training clips"),
    "schedule": Option(
        default="step", choices=("step", "one-cycle", "cosine", "constant"), help="learning rate schedule"
    ),
    "warmup_epochs": Option(default=5, low=0, help="epochs of linear warm-up (not used by one-cycle)"),
    "step_epochs": Option(default=20, low=1, help="epochs between steps of the schedule 'step'"),
    "step_factor": Option(default=0.1, low=0.0, high=1.0, help="factor on the learning rate at each step"),
    "clip_norm": Option(default=0.0, low=0.0, help="largest gradient norm (clipping); 0: no clipping"),
    "label_smoothing": Option(default=0.0, low=0.0, high=0.9, help="label smoothing of the cross-entropy"),
    "layer_decay": Option(
        default=1.0,
        low=0.01,
        high=1.0,
        added=True,
        help="learning rates by layer: the factor from each level of the backbone to the one before it, towards the "
        "input; the classifier has 1, the last level layer_decay (ELECTRA, BEiT). 1: one learning rate",
    ),
    "freeze_epochs": Option(
        default=0,
        low=-1,
        added=True,
        help="epochs at the start of each training loop in which the first levels of the backbone are frozen, "
        "running statistics included; -1: all epochs",
    ),
    "freeze_depth": Option(
        default=0.5,
        low=0.01,
        high=1.0,
        added=True,
        help="share of the backbone's levels that freeze_epochs freezes, from the input; 1: all but the classifier",
    ),
    "train": Option(
        default=ALL,
        choices=(ALL, HEAD, f"{LAST}N", LORA),
        added=True,
        help="what a training loop updates of the backbone. all; head: its classifier alone; last-N: the classifier "
        "and the last N levels; lora: the classifier and low-rank updates of linear layers and convolutions, which are "
        "merged into the weights at the end of the loop (Hu et al., LoRA, ICLR 2022). Teachers are trained alike",
    ),
    "lora_rank": Option(default=8, low=1, high=4096, added=True, help="rank r of the updates of train=lora"),
    "lora_alpha": Option(
        default=16.0,
        low=0.0,
        added=True,
        help="alpha of train=lora: the updates are multiplied by alpha / r",
    ),
    "model_ema_decay": Option(
        default=0.0,
        low=0.0,
        high=0.999999,
        added=True,
        help="decay d of the moving average of the weights, which replaces the weights at the end of each training "
        "loop: min(d, n / (9 + n)) at update n; 0: no average",
    ),
    **AUGMENTATION,
}


def value_of(options: Mapping[str, Value], key: str) -> Value:
    """Return an option that was added to `RECIPE` later; its default if `options` are of an older list.

    Inside a stage, the stage's `needs` have to name the option only if it is not at its default.
    """
    default = RECIPE[key].default
    value = options.peek(key, default) if isinstance(options, NamedOptions) else options.get(key, default)
    return default if value == default else options[key]
