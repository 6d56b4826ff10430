"""The numbers of an optimiser and its schedule, to be merged into a method's options. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark_core.specs import Option

RECIPE: Mapping[str, Option] = {
    "optimiser": Option(
        default="sgd",
        choices=("sgd", "adamw", "adam"),
        help="sgd (with momentum), adamw, or adam, whose weight decay is part of the gradient",
    ),
    "lr": Option(default=1e-3, low=0.0, help="peak learning rate"),
    "momentum": Option(default=0.9, low=0.0, high=1.0, help="momentum of sgd"),
    "beta1": Option(
        default=0.9, low=0.0, high=0.9999, added=True, help="decay of adam's and adamw's mean of gradients"
    ),
    "beta2": Option(
        default=0.999, low=0.0, high=0.999999, added=True, help="decay of adam's and adamw's mean of their squares"
    ),
    "weight_decay": Option(default=0.0, low=0.0, help="weight decay on weights; biases and norms have none"),
    "batch": Option(default=256, low=1, help="clips an update"),
    "epochs": Option(default=50, low=1, help="passes over the training clips"),
    "schedule": Option(
        default="step", choices=("step", "one-cycle", "cosine", "constant"), help="how the learning rate runs"
    ),
    "warmup_epochs": Option(default=5, low=0, help="epochs of linear warm-up (not for one-cycle)"),
    "step_epochs": Option(default=20, low=1, help="epochs between steps of schedule step"),
    "step_factor": Option(default=0.1, low=0.0, high=1.0, help="factor of each step"),
    "clip_norm": Option(default=0.0, low=0.0, help="largest gradient norm; 0 clips nothing"),
    "label_smoothing": Option(default=0.0, low=0.0, high=0.9, help="label smoothing of the cross-entropy"),
}
