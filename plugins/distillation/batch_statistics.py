"""Normalise a frozen teacher by the batch, as ResKD's code does, without changing its running statistics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def batch_statistics(network: nn.Module, *, use: bool) -> Iterator[None]:
    """Inside the block, BatchNorm layers of `network` normalise by the batch and keep their running statistics.

    use: False for the running statistics, as in evaluation.
    """
    layers = [part for part in network.modules() if isinstance(part, _BatchNorm)] if use else []
    kept = [(layer, layer.training, layer.momentum) for layer in layers]
    counts = [None if layer.num_batches_tracked is None else layer.num_batches_tracked.clone() for layer in layers]
    for layer in layers:
        layer.train()
        layer.momentum = 0.0  # running statistics do not change
    try:
        yield
    finally:
        for (layer, training, momentum), count in zip(kept, counts, strict=True):
            layer.train(training)
            layer.momentum = momentum
            if count is not None and layer.num_batches_tracked is not None:
                layer.num_batches_tracked.copy_(count)
