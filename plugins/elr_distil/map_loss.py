"""The distance of the student's last map from the teacher's, for networks that differ in backbone, size and frames.

ResKD (Ma et al., Rethinking Resolution in the Context of Efficient Video Recognition, NeurIPS 2022) has two networks of
one architecture: the teacher's map is resized bilinearly to the student's size, and the mean squared error has weight
100. Here maps also have a time axis, and a 1x1 projection of the student's map if the numbers of channels differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm


def resized(stage: Tensor, size: tuple[int, int, int]) -> Tensor:
    """Return maps (B, C, T', h', w') for (B, C, T, h, w): bilinear in space, as in ResKD, and linear in time.

    Attention transfer averages instead (`distillation.unlike_maps`), because it never enlarges a map.
    """
    return stage if stage.shape[2:] == size else F.interpolate(stage, size, mode="trilinear", align_corners=False)


class MapLoss(nn.Module):
    """Mean squared error between the student's map and the teacher's map, resized to it.

    student, teacher: numbers of channels. The projection is used in training alone.
    """

    def __init__(self, student: int, teacher: int) -> None:
        super().__init__()
        self.projection = nn.Identity() if student == teacher else nn.Conv3d(student, teacher, 1, bias=False)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return a scalar for maps (B, C_s, T_s, h_s, w_s) and (B, C_t, T_t, h_t, w_t); no gradient for the latter."""
        ours = self.projection(student)
        return F.mse_loss(ours.float(), resized(teacher.detach().float(), tuple(ours.shape[2:])))


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
