"""What a training loop updates of a backbone: all of it, its classifier, its last levels, or low-rank updates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import nn

from benchmark_core.errors import ElrError
from benchmark_core.plans.trained_part import ALL, LAST, LORA
from benchmark_core.specs import Value
from benchmark_core.training.levels import backbones_in, levels_of
from benchmark_core.training.lora import adapt, adaptable, merge
from benchmark_core.training.recipe_options import value_of
from benchmark_core.training.seeds import seed_of


class FineTuning:
    """Freezes parts of the backbones in `modules`, by the option `train`, until `end`.

    all: nothing. head: everything but the classifier. last-N: everything but the last N levels (see `levels_of`) and
    the classifier. lora: as head, and linear layers and convolutions get low-rank updates, which are trained.

    Only the backbones of recognizers are meant: heads, enhancers and other networks of a method are trained as before.
    seed: of the low-rank updates. torch's random state is not used, because it differs in a run that was killed.
    Raises ElrError if a backbone has fewer than N levels, or nothing that a low-rank update can be added to.
    """

    def __init__(self, modules: Iterable[nn.Module], options: Mapping[str, Value], seed: int = 0) -> None:
        self.kind = str(value_of(options, "train"))
        self.ended = False
        self._adapted: list[nn.Module] = []
        self._frozen: list[nn.Parameter] = []
        self._generator = torch.Generator().manual_seed(seed_of(seed, LORA))
        for backbone in backbones_in(modules) if self.partial else []:
            self._restrict(backbone, options)

    @property
    def partial(self) -> bool:
        """Whether a part of the backbones is frozen."""
        return self.kind != ALL

    def _restrict(self, backbone: nn.Module, options: Mapping[str, Value]) -> None:
        trained = {id(parameter) for parameter in backbone.get_classifier().parameters()}  # type: ignore[operator]
        layers = []
        if self.kind == LORA:
            layers = list(adaptable(backbone, skip=trained))
            if not layers:
                raise ElrError(
                    f"method.train={LORA}: {type(backbone).__name__} has no linear layer and no convolution besides "
                    "its classifier; use another method.train"
                )
        elif self.kind.startswith(LAST):
            levels, number = levels_of(backbone), int(self.kind.removeprefix(LAST))
            if number > len(levels):
                raise ElrError(
                    f"method.train={self.kind}: {type(backbone).__name__} has {len(levels)} levels besides its "
                    f"classifier; use {LAST}{len(levels)} or less, or {ALL}"
                )
            trained |= {id(parameter) for level in levels[-number:] for parameter in level}
        for parameter in backbone.parameters():
            if parameter.requires_grad and id(parameter) not in trained:
                parameter.requires_grad_(False)
                self._frozen.append(parameter)
        rank, alpha = int(value_of(options, "lora_rank")), float(value_of(options, "lora_alpha"))
        for layer in layers:
            adapt(layer, rank, alpha, self._generator)
        self._adapted += [backbone] if layers else []

    def end(self) -> None:
        """Merge the low-rank updates into the weights, and release what was frozen. A second call does nothing."""
        self.ended = self.partial
        for backbone in self._adapted:
            merge(backbone)
        for parameter in self._frozen:
            parameter.requires_grad_(True)
            parameter.grad = None
        self._adapted, self._frozen = [], []
