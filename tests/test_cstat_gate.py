"""The classification loss as the loss of CSTAT's extractor: gated features and their gradient, by hand in float64."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from elrbench_plugins.attention_transfer.attention import TemporalAttention
from elrbench_plugins.attention_transfer.confidence import straight_through_threshold
from elrbench_plugins.attention_transfer.gate import gate, gated_logits
from elrbench_plugins.cstat import reference
from elrbench_plugins.cstat.mlp_map import Mlp


def doubles(*values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


class Backbone(nn.Module):
    """Average pooling and an affine classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2).double()

    def pool(self, stage: Tensor) -> Tensor:
        return stage.flatten(2).mean(2)


def test_gate_by_hand() -> None:
    """Features (1, 2, 3, 4) and (0, 0, 0, 8) under C = (1, 0, 0, 3) / 4: means 13/4 and 6; without C 5/2 and 2."""
    stage = doubles([[[1, 2], [3, 4]], [[0, 0], [0, 8]]])  # (1, 2, 2, 2)
    kept = doubles([[0.25, 0], [0, 0.75]])  # (1, 2, 2)
    pooled = Backbone().pool(gate(stage, kept))
    assert pooled.tolist() == [pytest.approx([13 / 4, 6], abs=1e-12)]
    assert torch.allclose(pooled[0], reference.confident_features(stage[0], kept[0]))
    for same in (torch.full((1, 2, 2), 0.3).double(), torch.zeros(1, 2, 2).double()):  # constant; no confident area
        assert torch.allclose(gate(stage, same), stage)
        assert reference.confident_features(stage[0], same[0]).tolist() == pytest.approx([2.5, 2])


def test_gate_averages_the_map_down_and_keeps_time() -> None:
    stage = torch.ones(1, 1, 2, 1, 2).double()  # (B*K, C, T_i, h_i, w_i)
    kept = doubles([[[1, 1, 0, 0], [1, 1, 0, 0]], [[0, 0, 0, 0], [0, 0, 1, 1]]])  # (1, T, H, W) = (1, 2, 2, 4)
    assert gate(stage, kept).flatten().tolist() == pytest.approx([8 / 3, 0, 0, 4 / 3], abs=1e-12)


def student() -> SimpleNamespace:
    torch.manual_seed(0)
    backbone = Backbone()
    head = TemporalAttention(backbone.fc, 2, 2, width=4, start="default").double()
    return SimpleNamespace(backbone=backbone, head=head)


def test_gated_logits_are_the_heads_of_confident_features() -> None:
    """And their gradient reaches the map alone: neither the student's weights nor its maps."""
    ours, mask = student(), torch.ones(1, 2).double()
    stage = torch.rand(2, 2, 2, 2, dtype=torch.float64, requires_grad=True)  # (B*K, F, h, w)
    kept = torch.rand(2, 2, 2, dtype=torch.float64, requires_grad=True)
    logits = gated_logits(ours, stage, kept, mask)  # type: ignore[arg-type]
    features = torch.stack([reference.confident_features(a, c) for a, c in zip(stage, kept, strict=True)])
    assert torch.allclose(logits, ours.head(features[None], mask)[0])
    nn.functional.cross_entropy(logits, torch.tensor([0])).backward()
    assert kept.grad is not None and kept.grad.abs().min() > 0
    assert stage.grad is None
    assert all(p.grad is None for part in (ours.backbone, ours.head) for p in part.parameters())
    assert all(p.requires_grad for part in (ours.backbone, ours.head) for p in part.parameters())


def test_gradient_of_the_gated_loss_by_hand() -> None:
    """One interval, one feature A = (3, 1), logits (f, 0), label 0, C = (1, 1).

    f = sum(C A) / sum(C) = 2; dL/df = sigmoid(2) - 1; df/dC_1 = (3 - 2) / 2 and df/dC_2 = (1 - 2) / 2.
    """
    backbone = Backbone()
    backbone.fc = nn.Linear(1, 2).double()
    with torch.no_grad():
        backbone.fc.weight.copy_(doubles([1], [0]))
        backbone.fc.bias.zero_()
    head = TemporalAttention(backbone.fc, 1, 1, width=2).double()
    kept = torch.ones(1, 1, 2, dtype=torch.float64, requires_grad=True)
    parts = SimpleNamespace(backbone=backbone, head=head)
    logits = gated_logits(parts, doubles([[[3, 1]]]), kept, torch.ones(1, 1).double())  # type: ignore[arg-type]
    assert logits.tolist() == [pytest.approx([2, 0], abs=1e-12)]
    nn.functional.cross_entropy(logits, torch.tensor([0])).backward()
    slope = 1 / (1 + math.exp(-2)) - 1
    assert kept.grad is not None
    assert kept.grad.flatten().tolist() == pytest.approx([slope / 2, -slope / 2], abs=1e-12)


def test_classification_teaches_the_map_which_loss_matters_to_the_label() -> None:
    """Red detail is lost on the left, blue detail on the right, and only the left's features tell the label."""
    torch.manual_seed(1)
    low = torch.rand(16, 3, 16, 16)
    high = low.clone()
    high[:, 0, :, :8] += torch.rand(16, 16, 8)
    high[:, 2, :, 8:] += torch.rand(16, 16, 8)
    label = torch.arange(8) % 2  # of clips with two intervals
    stage = 3 * torch.randn(16, 2, 4, 4)  # noise on the right
    stage[..., :2] = nn.functional.one_hot(label.repeat_interleave(2), 2)[..., None, None].float()
    backbone = Backbone().float()
    head = TemporalAttention(backbone.fc, 2, 2)
    with torch.no_grad():
        backbone.fc.weight.copy_(4 * torch.eye(2))
    parts, mask = SimpleNamespace(backbone=backbone, head=head), torch.ones(8, 2)
    measure = Mlp()
    optimiser = torch.optim.Adam(measure.parameters(), lr=1e-2)
    for _ in range(60):
        kept = straight_through_threshold(measure(high, low), 0.5)
        loss = nn.functional.cross_entropy(gated_logits(parts, stage, kept, mask), label)  # type: ignore[arg-type]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    confidence = measure(high, low)
    assert confidence[..., :7].mean() > 0.5 > confidence[..., 9:].mean()
    assert confidence[..., :7].mean() > 1.5 * confidence[..., 9:].mean()
