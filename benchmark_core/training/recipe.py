"""Optimizer and learning rate schedule, from the options in `recipe_options`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchmark_core.specs import Value
from benchmark_core.training.recipe_options import RECIPE

Schedule = Callable[[float], float]


def schedule_of(options: Mapping[str, Value], epochs: int) -> Schedule:
    """Return a function from the epoch, a real number in [0, epochs], to a factor on the peak learning rate.

    step: linear warm-up over `warmup_epochs`; then multiplied by `step_factor` every `step_epochs` (CSTAT, sec. IV.B).
    one-cycle: cosine from 1/25 to 1 in the first 30 %, then cosine to 1e-4/25 (Smith & Topin 2019, with PyTorch's
        numbers).
    cosine: linear warm-up, then half a cosine to 0. constant: linear warm-up, then 1.
    """
    kind = options["schedule"]
    warmup = min(float(options["warmup_epochs"]), epochs / 2)

    def warm(epoch: float) -> float:
        return min(1.0, (epoch + 1e-9) / warmup) if warmup else 1.0

    def step(epoch: float) -> float:
        return warm(epoch) * float(float(options["step_factor"]) ** (epoch // float(options["step_epochs"])))

    def one_cycle(epoch: float) -> float:
        at, peak = epoch / epochs, 0.3
        if at < peak:
            return _cosine(1 / 25, 1.0, at / peak)
        return _cosine(1.0, 1 / 25 * 1e-4, (at - peak) / (1 - peak))

    def cosine(epoch: float) -> float:
        return warm(epoch) * _cosine(1.0, 0.0, max(0.0, epoch - warmup) / max(1e-9, epochs - warmup))

    return {"step": step, "one-cycle": one_cycle, "cosine": cosine, "constant": warm}[str(kind)]


def _cosine(start: float, stop: float, at: float) -> float:
    return stop + (start - stop) * (1 + math.cos(math.pi * min(1.0, at))) / 2


class Recipe:
    """Optimizer and schedule as one object to step, save and restore.

    modules: their trainable parameters are updated; biases and norms have no weight decay. options: see
    `recipe_options`. epochs, steps: length of the training, and updates per epoch. backward: computes the gradients.
    """

    def __init__(
        self,
        modules: Iterable[nn.Module],
        options: Mapping[str, Value],
        *,
        epochs: int,
        steps: int,
        backward: Callable[[Tensor], None] = Tensor.backward,
    ) -> None:
        parameters = _unique(
            parameter for module in modules for parameter in module.parameters() if parameter.requires_grad
        )
        decay = float(options["weight_decay"])
        groups: list[dict[str, Any]] = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.peak = float(options["lr"])
        self.clip = float(options["clip_norm"])
        self.epoch_of = schedule_of(options, epochs)
        self.steps = max(1, steps)
        self.updates = 0
        self.parameters = parameters
        self.backward = backward
        self.optimiser = _optimiser(groups, options)

    @property
    def lr(self) -> float:
        """Learning rate of the next update."""
        return self.peak * self.epoch_of(self.updates / self.steps)

    def step(self, loss: Tensor) -> None:
        """Update once: set the learning rate, clear gradients, run backward, clip, step the optimizer."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.lr
        self.optimiser.zero_grad(set_to_none=True)
        self.backward(loss)
        if self.clip:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.optimiser.step()
        self.updates += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the optimizer's state and the number of updates."""
        return {"optimiser": self.optimiser.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.optimiser.load_state_dict(state["optimiser"])
        self.updates = int(state["updates"])


def _optimiser(groups: list[dict[str, Any]], options: Mapping[str, Value]) -> torch.optim.Optimizer:
    """Return the optimizer by its name. Options without Adam's decays, as in older plans, get torch's defaults."""
    lr = float(options["lr"])
    beta1, beta2 = (float(options.get(key, RECIPE[key].default)) for key in ("beta1", "beta2"))
    match options["optimiser"]:
        case "adam":
            return torch.optim.Adam(groups, lr=lr, betas=(beta1, beta2))
        case "adamw":
            return torch.optim.AdamW(groups, lr=lr, betas=(beta1, beta2))
        case _:
            return torch.optim.SGD(groups, lr=lr, momentum=float(options["momentum"]))


def _unique(parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    return list({id(parameter): parameter for parameter in parameters}.values())
