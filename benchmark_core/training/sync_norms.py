"""Let BatchNorm layers normalise by the clips of all ranks while they are trained: torch's SyncBatchNorm, on GPUs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@contextmanager
def synchronised(modules: Iterable[nn.Module], group: Any = None) -> Iterator[None]:
    """Inside the block, BatchNorm layers of `modules` use the mean and variance over all ranks.

    group: of `torch.distributed`, in which they exchange these.

    The layers stay the same objects with the same parameters and buffers, because optimizers and lists of frozen layers
    hold them; only their class changes, and changes back. Layers of other classes that derive from BatchNorm stay.
    """
    layers = {part for module in modules for part in module.modules() if type(part) in PLAIN}
    kept = [(layer, type(layer)) for layer in layers]
    for layer in layers:
        layer.__class__ = nn.SyncBatchNorm
        layer.process_group = group
    try:
        yield
    finally:
        for layer, kind in kept:
            layer.__class__ = kind
            del layer.process_group
