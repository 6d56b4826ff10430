"""Options of the optimizer and its schedule, to be merged into a method's options. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark_core.specs import Option

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
}
