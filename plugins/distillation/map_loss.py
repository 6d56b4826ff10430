"""Mean squared error between the last maps of student and teacher, at one size, whatever the two networks are.

Ma et al., Rethinking Resolution in the Context of Efficient Video Recognition (ResKD), NeurIPS 2022: two networks of
one architecture, weight 100; in the authors' code, the student's map is enlarged bilinearly to the teacher's size. Maps
here also have a time axis, and the student's map has a 1x1 projection if the numbers of channels differ.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F


class CrossResolution(nn.Module):
    """Compare the maps of two networks.

    student, teacher: numbers of channels. The projection exists if they differ, in training alone.
    resize: the map that is resized to the other's size, `student` (as in ResKD) or `teacher`.
    """

    def __init__(self, student: int, teacher: int, resize: str = "student") -> None:
        super().__init__()
        self.resize = resize
        self.projection = nn.Identity() if student == teacher else nn.Conv3d(student, teacher, 1, bias=False)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return a scalar for maps (B, C_s, T_s, h_s, w_s) and (B, C_t, T_t, h_t, w_t); no gradient for the latter."""
        ours, theirs = self.projection(student).float(), teacher.detach().float()
        if self.resize == "student":
            return F.mse_loss(resized(ours, theirs.shape[2:]), theirs)
        return F.mse_loss(ours, resized(theirs, ours.shape[2:]))


def resized(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Return maps (B, C, T, h, w) at `size` (T', h', w'): bilinear in space, and linear in time if T differs.

    Attention transfer averages instead (`distillation.unlike_maps`), because it never enlarges a map.
    """
    if maps.shape[2:] == tuple(size):
        return maps
    return F.interpolate(maps, tuple(size), mode="trilinear", align_corners=False)
