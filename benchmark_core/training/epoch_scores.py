"""Score a stage's network on held-out clips while it is trained, and keep its best epoch if the plan says so.

A copy of the network is scored, so that modes, gradients and buffers of the trained one stay as they are. If the loop
averages weights, the copy has the averages, and low-rank updates are merged: it is what the stage would return if it
ended there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from benchmark_core.errors import ElrError
from benchmark_core.training.average import Average
from benchmark_core.training.lora import merge
from benchmark_core.training.recipe import Recipe
from benchmark_core.training.stage_runner import Stateful


@dataclass(frozen=True, kw_only=True)
class Validation:
    """How epochs are scored.

    score: network in eval mode -> scores by name, as fractions, the same on all ranks. Random numbers outside of it do
        not change.
    primary: name of the score that `keep` compares.
    every: epochs between two scores; a loop's last epoch is scored, too.
    clips: digest of the clips and their test views: scores of others are not shown as scores of these.
    keep: a loop ends with the weights of its best epoch; of equal scores, the first.
    """

    score: Callable[[nn.Module], Mapping[str, float]]
    primary: str
    every: int
    clips: str
    keep: bool = False


class EpochScores:
    """The scores of one stage.

    rows: `epoch`, from 1 through all loops of the stage, and each score. say: prints a line.
    """

    def __init__(self, validation: Validation, network: nn.Module, say: Callable[[str], None]) -> None:
        self.rows: list[dict[str, float]] = []
        self._validation = validation
        self._network = network
        self._say = say
        self._best: dict[str, Any] | None = None  # of the running loop: epoch, score, weights

    def begin_loop(self) -> None:
        """Begin a loop, which has a best epoch of its own."""
        self._best = None

    def after_epoch(self, where: str, number: int, *, epoch: int, last: bool, state: Sequence[Stateful]) -> str:
        """Score the network if the loop trains it, every N-th epoch and the last. Returns a note if weights were kept.

        where: stage and epoch, for the line that is printed. number, epoch: of the epoch in the stage and in the loop,
        from 1. last: the loop ends here, its state is finished. state: what the loop saves; averages in it are used.
        Raises ElrError for an average that the network's weights cannot be taken from.
        """
        validation = self._validation
        if not any(item is part for item in state for part in self._network.modules()):
            return ""
        if epoch % validation.every and not last:
            return ""
        averages = _averages(state, self._network)
        groups = [part.process_group for part in self._network.modules() if isinstance(part, nn.SyncBatchNorm)]
        network = copy.deepcopy(self._network, {id(group): group for group in groups}).eval()  # a group has no copy
        for part, average in averages:
            average.into(network.get_submodule(part))
        merge(network)
        scores = dict(validation.score(network))
        self.rows.append({"epoch": number, **scores})
        self._say(f"{where}: held-out {', '.join(f'{key} {100 * value:.1f} %' for key, value in scores.items())}")
        if not validation.keep:
            return ""
        value = scores[validation.primary]
        if self._best is None or value > self._best["score"]:
            weights = {key: tensor.detach().cpu().clone() for key, tensor in network.state_dict().items()}
            self._best = {"epoch": number, "score": value, "weights": weights}
        if not last:
            return ""
        self._network.load_state_dict(self._best["weights"])
        for part, average in averages:
            average.network.load_state_dict(self._network.get_submodule(part).state_dict())
        return (
            f"the weights of epoch {self._best['epoch']} of {number} were kept: the best {validation.primary} on the "
            "held-out clips"
        )

    @property
    def note(self) -> dict[str, Any]:
        """What a stage's note holds of its scores."""
        return {"clips": self._validation.clips, "rows": self.rows}

    def of_note(self, note: Mapping[str, Any]) -> bool:
        """Take the scores of a finished stage. Returns whether it has scores on these clips."""
        found = note.get("validation", {})
        if found.get("clips") != self._validation.clips:
            return False
        self.rows = list(found["rows"])
        return True

    def state_dict(self) -> dict[str, Any]:
        """Return the scores, and the best epoch of the running loop."""
        return {"clips": self._validation.clips, "rows": self.rows, "best": self._best}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned, unless it is of other clips."""
        if state.get("clips") == self._validation.clips:
            self.rows, self._best = list(state["rows"]), state["best"]


def _averages(state: Sequence[Stateful], network: nn.Module) -> list[tuple[str, Average]]:
    """Return the averages in `state` of `network` or its parts, each with the name of its part; "" is all of it.

    Raises ElrError for an average of other modules if they share parameters with `network` that no found average has:
    the scores would be those of weights that are not averaged.
    """
    names = {id(part): name for name, part in network.named_modules()}
    found: list[tuple[str, Average]] = []
    others: list[nn.Module] = []
    for item in state:
        if isinstance(item, Recipe):
            found += [(names[id(module)], average) for module, average in item.averages if id(module) in names]
            others += [module for module, _ in item.averages if id(module) not in names]
        elif isinstance(item, Average):
            if item.network.state_dict().keys() != network.state_dict().keys():
                raise _unmatched(item.network)
            found.append(("", item))
    averaged = {id(parameter) for name, _ in found for parameter in network.get_submodule(name).parameters()}
    plain = {id(parameter) for parameter in network.parameters()} - averaged
    for module in others:
        if any(id(parameter) in plain for parameter in module.parameters()):
            raise _unmatched(module)
    return found


def _unmatched(module: nn.Module) -> ElrError:
    return ElrError(
        f"epochs cannot be scored on held-out clips: the training loop averages a {type(module).__name__}, and not the "
        "recognizer; the method must average the recognizer, or run without --validate and --keep"
    )
