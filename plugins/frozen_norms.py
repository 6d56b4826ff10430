"""STAT's frozen batch normalisation (section 3.1.3): all layers but the first, as in TSN."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def freeze_norms(backbone: nn.Module, which: str) -> list[nn.Module]:
    """Freeze batch normalisations of `backbone` and return them.

    which: "none", or "all-but-first", in the order in which the network declares its modules. Scale and shift are
    frozen here; `training.epochs` keeps the running statistics of frozen modules fixed. Call this before the optimizer
    is created. Pass the result to `unfreeze_norms` at the end of the stage: a reused stage freezes nothing, so a
    trained one must not leave frozen modules to later stages.
    """
    norms = [module for module in backbone.modules() if isinstance(module, NORMS)]
    frozen = norms[1:] if which == "all-but-first" else []
    for norm in frozen:
        norm.requires_grad_(False)
    return frozen


def unfreeze_norms(frozen: Iterable[nn.Module]) -> None:
    """Make the scales and shifts of `frozen` trainable again."""
    for norm in frozen:
        norm.requires_grad_(True)
