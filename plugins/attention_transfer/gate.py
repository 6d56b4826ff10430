"""The path from the classification loss to a trained confidence map.

CSTAT's extractor learns "through the supervision from the final classification" (section IV.G). The paper gives no
path: the map needs the high view, which the deployed model does not have, so C cannot be part of its logits. Here C
gates the classifier in training alone. With the last stage map A of the student and the map C after its threshold,

    A'_xy = A_xy * C_xy / mean(C)
    L_C = L_CE(head(pool(A')), label)

For a backbone with average pooling, pool(A') = sum(C * A) / sum(C), the confident mean of the features. L_C is small if
C selects the areas by which the student classifies correctly. A constant C gives the deployed logits and L_C = L_CE.
The gradient of L_C reaches C only: the student is trained by eq. 4, with or without the gate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.func import functional_call

from benchmark_core.networks.protocols import takes_maps
from elrbench_plugins.attention_transfer.confidence import pool_to_stage
from elrbench_plugins.attention_transfer.unlike import at_stage

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Recognizer

EMPTY = 1e-12  # mean of C below which an interval has no confident area; it is then classified without the gate


class PoolAndClassify(nn.Module):
    """The part of a recognizer that follows the last stage map."""

    def __init__(self, backbone: Any, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, stage: Tensor, mask: Tensor) -> Tensor:
        """Return logits (B, C) of stage maps (B*K, C_i, [T_i,] h_i, w_i) and mask (B, K)."""
        features = stage if takes_maps(self.head) else self.backbone.pool(stage)  # (B*K, F) if pooled
        logits: Tensor = self.head(features.reshape(*mask.shape, *features.shape[1:]), mask)[0]
        return logits


def gated_logits(student: Recognizer, stage: Tensor, kept: Tensor, mask: Tensor) -> Tensor:
    """Return the student's logits (B, C) for its last stage map, gated by `kept`. The gradient reaches `kept` only.

    stage: the student's last stage map (B*K, C_i, [T_i,] h_i, w_i). kept: confidence after its threshold,
    (B*K, [T,] H, W), or of a teacher with other intervals or frames. mask: (B, K) of the student.
    """
    fixed = PoolAndClassify(student.backbone, student.head)
    parameters = {name: parameter.detach() for name, parameter in fixed.named_parameters()}
    shape = (len(stage), *stage.shape[2:])
    if len(kept) != len(stage) or kept.ndim != len(shape):
        kept = at_stage(kept, shape, len(mask))
    gated = gate(stage.detach(), kept)
    logits: Tensor = functional_call(fixed, parameters, (gated, mask))
    return logits


def gate(stage: Tensor, kept: Tensor) -> Tensor:
    """Return A' = A * C / mean(C), in the type of A. An interval without a confident area is returned as it is."""
    c = pool_to_stage(kept, stage.shape[2:]).unsqueeze(1)  # (B*K, 1, [T_i,] h_i, w_i)
    mean = c.flatten(1).mean(1).reshape(-1, *[1] * (c.ndim - 1))
    confident = mean > EMPTY
    weight = (c / mean.where(confident, 1)).where(confident, 1)
    return stage * weight.to(stage.dtype)
