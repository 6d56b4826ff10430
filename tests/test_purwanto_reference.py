"""The plugins `purwanto` and `kd` give the numbers of `plugins/purwanto/reference.py`, written from the paper alone."""

from __future__ import annotations

import ast
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark_core.networks.losses import soft_loss, task_loss
from benchmark_core.scoring.fusion import mean_of_softmax
from elrbench_plugins.distillation.teacher import weighted
from elrbench_plugins.purwanto import reference
from elrbench_plugins.purwanto.attention import SpatialTemporalAttention

KINDS = ("printed", "mean", "softmax", "none")
AXES = ("heads-time-position", "time-height-width")
SHAPES = {  # F, D, N_t, H, W
    "one-position": (8, 2, 2, 1, 1),
    "small": (12, 3, 2, 2, 3),
    "one-head": (6, 1, 1, 3, 2),
    "frames": (8, 4, 1, 2, 5),
}


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pair(
    shape: str, kind: str, projections: str, axes: str, classifier: str
) -> tuple[SpatialTemporalAttention, reference.SpatialTemporalAttention]:
    """The plugin's head and the reference, with the same random weights."""
    features, heads, _, height, width = SHAPES[shape]
    torch.manual_seed(1)
    area = height * width
    ours = SpatialTemporalAttention(
        features, 5, positions=area, heads=heads, axes=axes, kind=kind, projections=projections, classifier=classifier
    )
    theirs = reference.SpatialTemporalAttention(
        features, 5, area, heads, kind=kind, shared=projections == "shared", over=axes,
        per_step=classifier == "per-step",
    )  # fmt: skip
    ours, theirs = ours.double().eval(), theirs.double()
    theirs.conv.load_state_dict(ours.conv.state_dict())
    with torch.no_grad():
        for number, head in enumerate(theirs.attention):
            for layer, matrix in zip((head.b1, head.b2, head.b3), ours.projections, strict=True):
                layer.weight.copy_(matrix[0 if projections == "shared" else number].T)
        weight = ours.fc.weight
        if classifier == "per-step":  # the plugin orders a step's values (F, W*H), the paper (W*H, F)
            weight = weight.unflatten(1, (features, area)).transpose(1, 2).flatten(1)
        theirs.fc.weight.copy_(weight)
        theirs.fc.bias.copy_(ours.fc.bias)
    return ours, theirs


def test_the_reference_imports_torch_alone() -> None:
    tree = ast.parse(Path(reference.__file__).read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {str(name).split(".")[0] for name in modules} == {"__future__", "torch"}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("kind", "projections", "axes", "classifier"),
    tuple(product(KINDS, ("shared", "own"), AXES, ("per-step", "pooled"))),
)
def test_the_attention_network(shape: str, kind: str, projections: str, axes: str, classifier: str) -> None:
    """Videos of 3, 2 and 1 chunks in one batch: the plugin masks what pads the shorter ones."""
    features, _, steps, height, width = SHAPES[shape]
    ours, theirs = pair(shape, kind, projections, axes, classifier)
    maps = drawn(3, 3, features, steps, height, width)
    counts = (3, 2, 1)
    mask = torch.tensor([[float(chunk < count) for chunk in range(3)] for count in counts])
    expected = torch.stack([theirs(list(video[:count])) for video, count in zip(maps, counts, strict=True)])
    assert torch.allclose(ours(maps, mask), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_its_gradients(kind: str) -> None:
    ours, theirs = pair("small", kind, "shared", AXES[0], "per-step")
    found = []
    for network in (ours, theirs):
        maps = drawn(1, 2, 12, 2, 2, 3).requires_grad_()
        logits = network(maps, torch.ones(1, 2))[0] if network is ours else theirs(list(maps[0]))
        (logits * torch.arange(5.0)).sum().backward()
        found.append((maps.grad, network.conv.weight.grad))
    assert all(torch.allclose(one, other, rtol=1e-9, atol=1e-9) for one, other in zip(*found, strict=True))


def test_projections_start_as_linear_layers_do() -> None:
    """Uniform from -1/sqrt(d) to 1/sqrt(d), as `torch.nn.Linear` draws the reference's."""
    torch.manual_seed(0)
    width = 64
    bound = width**-0.5
    ours = SpatialTemporalAttention(8 * width, 2, heads=8, classifier="pooled").projections.detach().flatten()
    theirs = torch.cat([layer.weight.detach().flatten() for layer in reference.Head(width).children()])
    for values in (ours, theirs):
        assert len(values) == 3 * width**2
        assert -bound <= values.min() < -0.99 * bound and 0.99 * bound < values.max() <= bound
        assert abs(values.mean()) < 0.025 * bound  # the mean's standard error is 0.0052 bounds
        assert values.std().item() == pytest.approx(bound / 3**0.5, rel=0.03)


@pytest.mark.parametrize("temperature", [1.0, 5.0])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_distillation(temperature: float, alpha: float) -> None:
    student, teacher = 3 * drawn(7, 11, seed=1), 3 * drawn(7, 11, seed=2)
    label = torch.arange(7) % 11
    assert torch.allclose(reference.softened(student, temperature), nn.functional.softmax(student / temperature, 1))
    found = []
    for which in ("plugin", "reference"):
        logits = student.clone().requires_grad_()
        if which == "plugin":
            soft = soft_loss("single-label", logits, teacher, temperature)
            loss = weighted(soft, task_loss("single-label")(logits, label), alpha)
        else:
            loss = reference.distillation_loss(logits, teacher, label, temperature, alpha)
        loss.backward()
        found.append((loss.detach(), logits.grad))
    assert all(torch.allclose(one, other, rtol=1e-9, atol=1e-12) for one, other in zip(*found, strict=True))


def test_late_fusion() -> None:
    rgb, flow = drawn(6, 9, seed=3), drawn(6, 9, seed=4)
    fused = torch.from_numpy(np.asarray(mean_of_softmax([rgb.numpy(), flow.numpy()])))
    assert torch.allclose(fused.softmax(1).double(), reference.late_fusion(rgb, flow), rtol=1e-6, atol=1e-7)
