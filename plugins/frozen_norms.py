"""Freeze batch normalisation layers: all but the first, as STAT (section 3.1.3) and TSN's recipe do."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def freeze_norms(backbone: nn.Module, which: str) -> list[nn.Module]:
    """Freeze batch normalisation layers and return them.

    Scale and shift are frozen here; `training.epochs` then keeps the running statistics fixed. Create the optimiser
    afterwards. Pass the result to `unfreeze_norms` at the end of the stage: a reused stage freezes nothing, so a
    trained one must leave nothing frozen either.

    which: "none" or "all-but-first"; the first is the one that the network declares first.
    """
    norms = [module for module in backbone.modules() if isinstance(module, NORMS)]
    frozen = norms[1:] if which == "all-but-first" else []
    for norm in frozen:
        norm.requires_grad_(False)
    return frozen


def unfreeze_norms(frozen: Iterable[nn.Module]) -> None:
    """Make scale and shift of these layers trainable again."""
    for norm in frozen:
        norm.requires_grad_(True)
