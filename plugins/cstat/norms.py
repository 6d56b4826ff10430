"""STAT's frozen batch normalisation (section 3.1.3: all but the first layer), as TSN's recipe has it."""

from __future__ import annotations

from torch import nn

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def freeze_norms(backbone: nn.Module, which: str) -> None:
    """Lets batch normalisations stand still: scale and shift here, running statistics by `training.epochs`.

    which: "none", or "all-but-first", the first in the order in which the network declares them. An optimiser that is
    made afterwards does not see them.
    """
    norms = [module for module in backbone.modules() if isinstance(module, NORMS)]
    for norm in norms[1:] if which == "all-but-first" else ():
        norm.requires_grad_(False)
