"""The plugin `dvsr` gives the numbers of `plugins/dvsr/reference.py`, written from the paper and the public code."""

from __future__ import annotations

import ast
import contextlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from benchmark_core.networks.losses import task_loss
from benchmark_core.training.averaging import step
from elrbench_plugins.dvsr import reference
from elrbench_plugins.dvsr.growth import FadeIn
from elrbench_plugins.dvsr.losses import masked, reconstruction, sparsity
from elrbench_plugins.dvsr.network import Attention, Dvsr
from elrbench_plugins.dvsr.options import GROWTH, JOINT, RECONSTRUCTION
from elrbench_plugins.dvsr.updates import Joint

# Scale, step of growth, alpha. A network takes any number of frames: 4 are quicker than 16.
STEPS = [(4, 1, 1.0), (4, 2, 0.3), (8, 2, 0.0), (8, 3, 0.25), (8, 3, 1.0)]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    """In [-1, 1]."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def alike(ours: nn.Module, theirs: nn.Module) -> None:
    """Copies the plugin's parameters: both declare their layers in the same order."""
    pairs = list(zip(ours.parameters(), theirs.parameters(), strict=True))
    assert [one.shape for one, _ in pairs] == [other.shape for _, other in pairs]
    with torch.no_grad():
        for one, other in pairs:
            one += 0.1 * drawn(*one.shape, seed=one.numel()) / one[0].numel() ** 0.5
            other.copy_(one)


def networks(scale: int) -> tuple[Dvsr, reference.DVSR]:
    torch.manual_seed(scale)
    ours, theirs = Dvsr(scale).double(), reference.DVSR(scale).double()
    alike(ours, theirs)
    return ours, theirs


def branches(scale: int) -> tuple[Attention, reference.ForegroundAttention]:
    torch.manual_seed(scale)
    ours, theirs = Attention(scale).double(), reference.ForegroundAttention(scale).double()
    convs = [layer.conv_spatial for layer in ours.saliency_dec]
    norms = [layer.norm for layer in ours.saliency_dec if layer.norm is not None]
    alike(nn.ModuleList([*convs, *norms]), theirs)
    return ours, theirs


def test_the_reference_imports_torch_alone() -> None:
    tree = ast.parse(Path(reference.__file__).read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {str(name).split(".")[0] for name in modules} == {"__future__", "torch"}


@pytest.mark.parametrize(("scale", "step", "alpha"), STEPS)
def test_the_network_at_each_step(scale: int, step: int, alpha: float) -> None:
    ours, theirs = networks(scale)
    low = drawn(1, 3, 4, 2, 3)
    with torch.no_grad():
        made, features = ours.with_features(low, step, alpha)
        expected = theirs(low, step, alpha)
    frames, enlarged = 4 >> (theirs.steps - step), 2**step
    assert made.shape == (1, 3, frames, 2 * enlarged, 3 * enlarged)
    assert torch.allclose(made, expected[0], rtol=0, atol=1e-12)
    assert torch.allclose(features, expected[1], rtol=0, atol=1e-12)


def test_gradients_of_the_network() -> None:
    ours, theirs = networks(4)
    low, high = drawn(1, 3, 4, 1, 2), drawn(1, 3, 4, 4, 8, seed=1)
    reconstruction(ours(low, 2, 0.4), high).backward()
    reference.reconstruction_loss(theirs(low, 2, 0.4)[0], high).backward()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert one.grad is not None and other.grad is not None
        assert torch.allclose(one.grad, other.grad, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("training", [True, False], ids=["training", "testing"])
@pytest.mark.parametrize("scale", [4, 8])
def test_the_attention_branch(scale: int, training: bool) -> None:
    ours, theirs = (branch.train(training) for branch in branches(scale))
    features = drawn(2, 32, 4, 3, 5)
    weights = ours(features)
    assert weights.shape == (2, 1, 4, 3 * scale, 5 * scale)
    assert torch.allclose(weights, theirs(features), rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 3, 2, 4, 4), (3, 3, 5, 6, 2)])
def test_eq_1(shape: tuple[int, ...]) -> None:
    made, high, weights = drawn(*shape), drawn(*shape, seed=1), drawn(shape[0], 1, *shape[2:], seed=2).abs()
    assert torch.allclose(reconstruction(made, high), reference.reconstruction_loss(made, high))
    assert torch.allclose(reconstruction(made, high, weights), reference.reconstruction_loss(made, high, weights))


class Classifier(nn.Module):
    """Logits (N, 4) of views (N, 1, 3, T, H, W), or (N, 3, T, H, W), in [0, 1]."""

    dims = 3

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.conv = nn.Conv3d(3, 4, 3).double()

    def forward(self, view: Tensor) -> Tensor:
        return 9 * self.conv(view[:, 0] if view.ndim == 6 else view).tanh().mean((2, 3, 4))


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_eq_2(task: str) -> None:
    """Values, and gradients with respect to the branch's map."""
    target = torch.tensor([1, 3]) if task == "single-label" else torch.tensor([[1.0, 0, 1, 0], [0, 0, 0, 1]]).double()
    made, classifier = 1.5 * drawn(2, 3, 4, 6, 6), Classifier()
    found = []
    for which in ("plugin", "reference"):
        weights = drawn(2, 1, 4, 6, 6, seed=1).abs().requires_grad_()
        if which == "plugin":
            logits = classifier(masked(made, weights, "grey"))
            terms = task_loss(task)(logits, target), sparsity(weights)  # type: ignore[arg-type]
        else:
            terms = reference.attention_losses(made, weights, target, classifier)
        (terms[0] + terms[1]).backward()
        found.append((*terms, weights.grad))
    assert all(torch.allclose(one, other, rtol=1e-9, atol=1e-12) for one, other in zip(*found, strict=True))


def test_eq_3_of_an_update() -> None:
    """What `Joint` minimises with the default options: its figures are the reference's losses before its step."""
    low, high = drawn(2, 3, 4, 2, 1), drawn(2, 3, 4, 8, 4, seed=1)
    target, classifier = torch.tensor([2, 0]), Classifier()
    (ours, network), (branch, attend) = networks(4), branches(4)
    options = {key: option.default for key, option in (RECONSTRUCTION | JOINT).items()} | {"classifier_lr": 0.0}
    loss = task_loss("single-label")
    training = SimpleNamespace(options=options, autocast=contextlib.nullcontext, task_loss=loss, step=step)
    figures = Joint(training, ours, branch, classifier)(low, (high + 1) / 2, target)  # type: ignore[arg-type]
    made, features = network(low, network.steps)
    weights = attend(features)
    l_rec = reference.reconstruction_loss(made, high, weights)
    classification, norm = reference.attention_losses(made, weights, target, classifier)
    total = reference.total_loss(l_rec, classification, norm)
    for key, value in {"rec": l_rec, "att": classification, "attention": norm, "loss": total}.items():
        assert float(figures[key]) == pytest.approx(value.item(), rel=1e-6), key


def test_fade_in() -> None:
    fade = FadeIn(float(GROWTH["fade_step"].default))
    for updates in range(250):
        assert fade.alpha == pytest.approx(reference.alpha_after(updates), abs=1e-12)
        fade.advance()
