"""One network for low and high views: all filters are the same objects, and the order in which views train them."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def twin(network: nn.Module, *, norms: str) -> nn.Module:
    """Return the network for the other views. It has the parameters of `network` itself, so that both learn together.

    norms: `shared` returns `network`; `own` returns a structure with copies of its batch normalisation layers, whose
    statistics differ between low and high views. All other layers are those of `network`.
    """
    if norms == "shared":
        return network
    kept: dict[int, Any] = {}  # of `copy.deepcopy`: what it does not copy
    for part in network.modules():
        if isinstance(part, NORMS):
            continue
        kept |= {id(each): each for each in part.parameters(recurse=False)}
        if not any(True for _ in part.children()):
            kept[id(part)] = part
    return copy.deepcopy(network, kept)


def own_norms(one: nn.Module, other: nn.Module) -> nn.ModuleList:
    """Return the batch normalisation layers of `other` that `one` does not have."""
    ours = set(one.modules())
    return nn.ModuleList(part for part in other.modules() if isinstance(part, NORMS) and part not in ours)


def passes(sharing: str, *, coupled: bool) -> int:
    """Return how often the training clips are read in an epoch of low views."""
    return 2 if coupled and sharing in ("epochs", "high-first") else 1


def updates(sharing: str, epoch: int, epochs: int, *, coupled: bool) -> list[tuple[str, ...]]:
    """Return the updates on one batch, each as the views whose losses it adds.

    epoch: number of the pass, from 0. epochs: passes over low views.
    """
    if not coupled:
        return [("low",)]
    if sharing == "together":
        return [("high", "low")]
    if sharing == "batches":
        return [("high",), ("low",)]
    high = epoch % 2 == 0 if sharing == "epochs" else epoch < epochs
    return [("high",)] if high else [("low",)]
