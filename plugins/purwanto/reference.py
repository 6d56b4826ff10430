"""Purwanto et al. (ICCV Workshops 2019) in plain PyTorch, to read next to the paper.

Section 3.1: distillation, eq. 1. Sections 3.2 and 3.3: the features of a whole video and the spatial-temporal
multi-head self-attention network, eq. 2. The file imports torch alone. `tests/test_purwanto_reference.py` checks that
the plugin gives the same numbers. It takes one video at a time and computes every pair of positions, so it is slow.

Shapes, in the paper's letters: P chunks of a video, N_t time steps of a chunk, N_s = P * N_t, W x H positions of a
step, F features, D heads. "Not in the paper" marks what this project chose; the plugin's options name other readings.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

# 3.1  Knowledge distillation


def softened(logits: Tensor, temperature: float) -> Tensor:
    """Eq. 1: y_i = exp(x_i / T) / sum_j exp(x_j / T). Logits (B, classes) -> probabilities of the same shape."""
    powers = ((logits - logits.max(1, keepdim=True).values) / temperature).exp()
    return powers / powers.sum(1, keepdim=True)


def distillation_loss(student: Tensor, teacher: Tensor, label: Tensor, temperature: float, alpha: float) -> Tensor:
    """The weighted average of two cross-entropies: with the teacher's softened answer, and with the label.

    student, teacher: logits (B, classes). label: int64 (B,). The paper has T = 5 and gives no alpha.
    Not in the paper: the factor T^2 (Hinton et al., 2015); the teacher's own entropy is subtracted, a constant.
    """
    y_t, y_s = softened(teacher, temperature), softened(student, temperature)  # (B, classes)
    soft = (-(y_t * y_s.log()).sum(1) + (y_t * y_t.log()).sum(1)).mean()
    hard = -student.log_softmax(1)[range(len(label)), label].mean()
    return alpha * temperature**2 * soft + (1 - alpha) * hard


# 3.3  Spatial-temporal multi-head self-attention


class Head(nn.Module):
    """Linear layers B1, B2 and B3 of eq. 2, d = F / D wide. Not in the paper: they have no bias."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.b1, self.b2, self.b3 = (nn.Linear(d, d, bias=False) for _ in range(3))

    def forward(self, v: Tensor, kind: str = "printed") -> Tensor:
        """Eq. 2: S(V) = B1(V) B2(V)^T / sqrt(dim V) B3(V) + B3(V). V (N, d) -> (N, d), N = N_s * W * H.

        kind: "printed" has no softmax. Not in the paper: "softmax" over positions, "mean" over positions, "none".
        """
        pairs = self.b1(v) @ self.b2(v).T / v.shape[1] ** 0.5  # (N, N)
        if kind == "softmax":
            pairs = pairs.exp() / pairs.exp().sum(1, keepdim=True)
        elif kind == "mean":
            pairs = pairs / len(v)
        elif kind == "none":
            pairs = torch.zeros_like(pairs)
        return pairs @ self.b3(v) + self.b3(v)


class SpatialTemporalAttention(nn.Module):
    """The features of one video -> logits (classes,).

    shared: one set of projections for all heads, as eq. 2 prints them. over: axes of the 1 x 3 x 5 convolution.
    per_step: classify each time step from its W * H * F values and average the logits (not in the paper: the average);
    otherwise classify the mean feature.
    """

    def __init__(
        self,
        features: int,
        classes: int,
        positions: int,
        heads: int = 8,
        *,
        kind: str = "printed",
        shared: bool = True,
        over: str = "heads-time-position",
        per_step: bool = True,
    ) -> None:
        super().__init__()
        self.d, self.heads, self.kind, self.over, self.per_step = features // heads, heads, kind, over, per_step
        self.conv = nn.Conv3d(self.d, self.d, (1, 3, 5), stride=1, padding=(0, 1, 2))  # 4.2; keeps the size
        one = Head(self.d)
        self.attention = nn.ModuleList(one if shared else Head(self.d) for _ in range(heads))
        self.fc = nn.Linear(positions * features if per_step else features, classes)

    def forward(self, chunks: list[Tensor]) -> Tensor:
        """chunks: P maps of I3D's last convolution, (F, N_t, H, W) each -> logits (classes,)."""
        v = torch.cat(chunks, dim=1)  # 3.2: joined in time, (F, N_s, H, W)
        n_s, height, width = v.shape[1:]
        v_a = torch.stack(v.split(self.d))  # D groups of channels, (D, d, N_s, H, W)
        if self.over == "heads-time-position":  # one map with channels d and axes D, N_s, W*H
            local = self.conv(v_a.flatten(3).transpose(0, 1)[None])[0].transpose(0, 1)  # (D, d, N_s, W*H)
        else:  # "time-height-width": D maps with channels d
            local = self.conv(v_a).flatten(3)  # (D, d, N_s, W*H)
        local = local.relu()  # Table 1; not in the paper: the place
        found = []
        for head, v_h in zip(self.attention, local, strict=True):
            positions = v_h.flatten(1).T  # (N_s * W*H, d)
            found.append(head(positions, self.kind).reshape(n_s, height * width, self.d))
        v_b = torch.cat(found, dim=2)  # (N_s, W*H, F); dropout of the pairs' term is left out here
        steps = v_b.flatten(1) if self.per_step else v_b.mean(1)  # (N_s, W*H*F) or (N_s, F)
        return self.fc(steps).mean(0)


def late_fusion(rgb: Tensor, flow: Tensor) -> Tensor:
    """3.3: two streams' logits (B, classes) -> probabilities. Not in the paper: the mean."""
    return (functional.softmax(rgb, 1) + functional.softmax(flow, 1)) / 2
