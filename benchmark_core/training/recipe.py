"""Optimizer, learning rates, freezing and averaged weights, from the options in `recipe_options`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchmark_core.errors import ElrError
from benchmark_core.specs import Value
from benchmark_core.training.average import Average
from benchmark_core.training.averaging import average_gradients
from benchmark_core.training.fine_tuning import FineTuning
from benchmark_core.training.levels import early, rates
from benchmark_core.training.recipe_options import RECIPE, value_of

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
    """Optimizer, schedule, averaged weights and what is trained of a backbone, as one object to step, save and restore.

    modules: their trainable parameters are updated; biases and norms have no weight decay. options: see
    `recipe_options`. epochs, steps: length of the training, and updates per epoch. backward: computes the gradients.
    With the option `train`, parts of the backbones are frozen or adapted from now on until `finish`. seed: see
    `FineTuning`.

    A training loop that has the recipe in its `state` calls `begin_epoch`, and `finish` at its end.
    """

    def __init__(
        self,
        modules: Iterable[nn.Module],
        options: Mapping[str, Value],
        *,
        epochs: int,
        steps: int,
        backward: Callable[[Tensor], None] = Tensor.backward,
        seed: int = 0,
    ) -> None:
        modules = list(modules)
        self.tuning = FineTuning(modules, options, seed)
        parameters = _unique(
            parameter for module in modules for parameter in module.parameters() if parameter.requires_grad
        )
        groups = _groups(
            parameters, float(options["weight_decay"]), rates(modules, float(value_of(options, "layer_decay")))
        )
        freeze_epochs = int(value_of(options, "freeze_epochs"))
        self.freeze_epochs = math.inf if freeze_epochs < 0 else freeze_epochs
        self.early = early(modules, float(value_of(options, "freeze_depth"))) if freeze_epochs else []
        decay = float(value_of(options, "model_ema_decay"))
        self.averages = [(module, Average(module, decay)) for module in modules] if decay else []
        self.begun = False
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
        """Update once: set the learning rates, clear gradients, run backward, clip, step the optimizer, average.

        If several processes train, their gradients are averaged before they are clipped.

        Raises ElrError if weights are to be averaged or frozen and no training loop has the recipe in its `state`, or
        if the loss depends on nothing that `train` leaves trainable.
        """
        if not self.begun and (self.averages or self.early or self.tuning.partial):
            raise ElrError(
                "method.model_ema_decay, method.freeze_epochs and method.train need the recipe in the training loop; "
                "pass it as training.epochs(..., state=[module, recipe])"
            )
        if self.tuning.partial and not loss.requires_grad:
            raise ElrError(
                f"method.train={self.tuning.kind}: this stage's loss does not depend on what is trained, because it "
                "reads a frozen part of the backbone; use e.g. --set method.train=lora"
            )
        for group in self.optimiser.param_groups:
            group["lr"] = self.lr * group.get("lr_scale", 1.0)
        self.optimiser.zero_grad(set_to_none=True)
        self.backward(loss)
        average_gradients(self.parameters)
        if self.clip:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.optimiser.step()
        self.updates += 1
        for module, average in self.averages:
            average.update(module)

    def begin_epoch(self, epoch: int) -> None:
        """Freeze the early levels in the first `freeze_epochs` epochs, counted from 0, and release them later.

        Raises ElrError if the recipe is used for a second loop although it trains a part of a backbone.
        """
        if self.tuning.ended:
            raise ElrError(
                f"method.train={self.tuning.kind}: this method uses one recipe for two loops; each needs its own"
            )
        self.begun = True
        self._train_early(epoch >= self.freeze_epochs)

    def finish(self) -> None:
        """Load the averaged weights into the modules, merge low-rank updates, and release what was frozen."""
        for module, average in self.averages:
            average.into(module)
        self._train_early(True)
        self.end_tuning()

    def end_tuning(self) -> None:
        """Merge low-rank updates and release frozen parts: modules get the structure that they have after a loop."""
        self.tuning.end()
        for _, average in self.averages:
            average.end_tuning()

    def _train_early(self, trainable: bool) -> None:
        for parameter in self.early:
            parameter.requires_grad_(trainable)
            if not trainable:
                parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Return the optimizer's state, the number of updates and, if there are any, the averages."""
        averages = {"averages": [average.state_dict() for _, average in self.averages]} if self.averages else {}
        return {"optimiser": self.optimiser.state_dict(), "updates": self.updates, **averages}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.optimiser.load_state_dict(state["optimiser"])
        self.updates = int(state["updates"])
        for (_, average), values in zip(self.averages, state.get("averages", ()), strict=True):
            average.load_state_dict(values)


def _groups(parameters: list[nn.Parameter], decay: float, factors: Mapping[int, float]) -> list[dict[str, Any]]:
    """Return groups of the optimizer: with and without weight decay, and one such pair per factor in `factors`.

    factors: id of a parameter -> factor on the learning rate, which its group has as `lr_scale`; 1 if it is not listed.
    """
    pairs = [([p for p in parameters if p.ndim > 1], decay), ([p for p in parameters if p.ndim <= 1], 0.0)]
    if not factors:
        return [{"params": members, "weight_decay": each} for members, each in pairs]
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for members, each in pairs:
        for parameter in members:
            scale = factors.get(id(parameter), 1.0)
            group = groups.setdefault((scale, each), {"params": [], "weight_decay": each, "lr_scale": scale})
            group["params"].append(parameter)
    return list(groups.values())


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
