"""STAT's frozen batch normalisation (section 3.1.3: all but the first layer), as TSN's recipe has it."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def freeze_norms(backbone: nn.Module, which: str) -> list[nn.Module]:
    """Lets batch normalisations stand still: scale and shift here, running statistics by `training.epochs`.

    which: "none", or "all-but-first", the first in the order in which the network declares them. An optimiser that is
    made afterwards does not see them. What comes back is for `wake_norms`: a stage that is reused freezes nothing, so
    one that is fitted must leave nothing frozen to those after it.
    """
    norms = [module for module in backbone.modules() if isinstance(module, NORMS)]
    frozen = norms[1:] if which == "all-but-first" else []
    for norm in frozen:
        norm.requires_grad_(False)
    return frozen


def wake_norms(frozen: Iterable[nn.Module]) -> None:
    """Lets them be trained again."""
    for norm in frozen:
        norm.requires_grad_(True)
