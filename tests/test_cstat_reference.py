"""The CSTAT plugin gives the numbers of `plugins/cstat/reference.py`, which is written from the paper alone."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from elrbench_plugins.attention_transfer import rolling
from elrbench_plugins.attention_transfer.attention import TemporalAttention, spatial_attention, vec
from elrbench_plugins.attention_transfer.confidence import straight_through_threshold, video_score
from elrbench_plugins.attention_transfer.losses import spatial_distances, temporal_distances, total
from elrbench_plugins.attention_transfer.phase import compare
from elrbench_plugins.cstat import reference
from elrbench_plugins.cstat.difference_map import Difference
from elrbench_plugins.cstat.gradient_map import Gradient
from elrbench_plugins.cstat.losses import cosine_distance
from elrbench_plugins.cstat.mlp_map import Mlp
from elrbench_plugins.cstat.options import CONFIDENCE

DEFAULTS = {key: option.default for key, option in CONFIDENCE.items()}
FLOAT32 = 2e-6  # the plugin takes distances and confidence in float32, the reference in float64
MASKS = {
    "full": torch.ones(3, 4),
    "padded": torch.tensor([[1.0, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]]),
}
SHAPES = {  # stage maps after (B, K), and the images'
    "2d": (((5, 12, 16), (7, 6, 8), (9, 3, 4)), (3, 24, 32)),
    "2d-uneven": (((4, 7, 9), (6, 4, 5)), (3, 20, 27)),
    "3d": (((5, 3, 6, 8), (7, 2, 3, 4)), (3, 5, 24, 32)),
}


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def images(*shape: int) -> tuple[Tensor, Tensor]:
    """(B, K, *shape) in [0, 1]: high, and low without its detail in the right half."""
    high = torch.rand(3, 4, *shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    low = high.clone()
    half = shape[-1] // 2
    low[..., half:] = high[..., half:].mean((-1, -2), keepdim=True)
    return high, low


def close(ours: Tensor, theirs: Tensor, atol: float = FLOAT32) -> bool:
    assert ours.shape == theirs.shape
    return torch.allclose(ours.double(), theirs.double(), rtol=0, atol=atol)


def test_the_reference_imports_torch_alone() -> None:
    tree = ast.parse(Path(reference.__file__).read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {str(name).split(".")[0] for name in modules} == {"__future__", "torch"}
    assert "elrbench_plugins.cstat.reference" in sys.modules


# -- III.A


@pytest.mark.parametrize("shape", [(5, 6, 8), (4, 3, 6, 8)], ids=["2d", "3d"])
def test_eq_1(shape: tuple[int, ...]) -> None:
    maps = drawn(6, *shape)
    theirs = torch.stack([reference.spatial_attention(one) for one in maps])
    assert close(vec(spatial_attention(maps)), theirs, 1e-5)


def heads(intervals: int, features: int, width: int) -> tuple[TemporalAttention, reference.TemporalAttentionModule]:
    """The plugin's module and the reference's, with the same random weights."""
    torch.manual_seed(intervals)
    ours = TemporalAttention(nn.Linear(features, 6).double(), features, intervals, width=width, start="default")
    theirs = reference.TemporalAttentionModule(intervals, features, width).double()
    theirs.load_state_dict(ours.double().state_dict())
    return ours, theirs


@pytest.mark.parametrize("masked", MASKS)
@pytest.mark.parametrize(("features", "width"), [(5, 64), (512, 64), (8, 3)])
def test_temporal_attention_module(masked: str, features: int, width: int) -> None:
    ours, theirs = heads(4, features, width)
    x, mask = drawn(3, 4, features), MASKS[masked]
    logits, head_outputs = ours(x, mask)
    video, hidden, scores, weights = theirs(x, mask > 0)
    assert close(head_outputs["fc1"], hidden, 1e-12) and close(head_outputs["fc2"], scores, 1e-12)
    assert close(head_outputs["weights"], weights)  # the plugin's softmax is in float32
    assert close(logits, ours.shared[0](video), 1e-5)


# -- III.B


def stages(shapes: tuple[tuple[int, ...], ...], seed: int) -> list[Tensor]:
    return [drawn(3, 4, *shape, seed=seed + number) for number, shape in enumerate(shapes)]


@pytest.mark.parametrize("confident", [False, True], ids=["plain", "confident"])
@pytest.mark.parametrize("masked", MASKS)
@pytest.mark.parametrize("shapes", SHAPES)
def test_eq_2(shapes: str, masked: str, confident: bool) -> None:
    maps, image = SHAPES[shapes]
    student, teacher = stages(maps, 10), stages(maps, 20)
    c = drawn(3, 4, *image[1:], seed=5).clamp(min=0) if confident else None  # half of it is 0
    if c is not None:
        c[0, 1] = 0  # an interval without any confident pixel
    flat = [[one.flatten(0, 1) for one in both] for both in (student, teacher)]
    ours = spatial_distances(
        *flat, MASKS[masked], None if c is None else c.flatten(0, 1), distance=cosine_distance
    )  # fmt: skip
    assert close(ours, reference.sat(student, teacher, MASKS[masked] > 0, c))


@pytest.mark.parametrize("masked", MASKS)
def test_eq_3(masked: str) -> None:
    student, teacher = ((drawn(3, 64, seed=s), drawn(3, 4, seed=s + 1)) for s in (1, 3))
    head_outputs = [{"fc1": fc1, "fc2": fc2} for fc1, fc2 in (student, teacher)]
    for score in (torch.ones(3), torch.tensor([0.2, 0.9, 0.0])):
        ours = temporal_distances(*head_outputs, MASKS[masked], score, distance=cosine_distance)
        assert close(ours, reference.tat(student, teacher, MASKS[masked] > 0, score.double()))
    without = temporal_distances(*head_outputs, MASKS[masked], distance=cosine_distance)
    assert close(without, reference.tat(student, teacher, MASKS[masked] > 0, torch.ones(3).double()))


def test_eq_4() -> None:
    ce, sat, tat = drawn(3)
    weights = (0.5, 0.3, 0.2)
    assert close(total(ce, sat, tat, weights), reference.total(ce, sat, tat, *weights), 1e-12)


# -- III.C


@pytest.mark.parametrize("shape", [(3, 24, 32), (3, 5, 24, 32)], ids=["2d", "3d"])
@pytest.mark.parametrize("kind", ["difference", "gradient", "mlp"])
def test_what_was_lost(kind: str, shape: tuple[int, ...]) -> None:
    high, low = images(*shape)
    torch.manual_seed(2)
    measure = {"difference": Difference(), "gradient": Gradient(), "mlp": Mlp()}[kind].double()
    ours = measure.difference(high.flatten(0, 1), low.flatten(0, 1))
    pairs = zip(high.flatten(0, 1), low.flatten(0, 1), strict=True)
    theirs = torch.stack([lost(kind, h, lo, measure) for h, lo in pairs])
    assert (theirs > 0).double().mean() > 0.3 and close(ours, theirs, 1e-12)


def lost(kind: str, high: Tensor, low: Tensor, measure: Any) -> Tensor:
    """d of one interval by the reference, frame by frame where a map is made of single frames."""
    if kind == "difference":
        return reference.difference(high, low)
    frames = [(high, low)] if high.ndim == 3 else list(zip(high.unbind(1), low.unbind(1), strict=True))
    if kind == "gradient":
        made = [(reference.edges(h) - reference.edges(lo)).abs() for h, lo in frames]
    else:
        made = [reference.extracted(h, lo, measure.extractor) for h, lo in frames]
    return torch.stack(made) if high.ndim == 4 else made[0]


@pytest.mark.parametrize("height", [16, 96, 256])
def test_gradient_map_at_other_heights(height: int) -> None:
    frames = torch.rand(2, 3, height, 40, generator=torch.Generator().manual_seed(height), dtype=torch.float64)
    assert close(Gradient().edges(frames), torch.stack([reference.edges(frame) for frame in frames]), 1e-12)


@pytest.mark.parametrize("normalise", ["max", "median"])
@pytest.mark.parametrize("shape", [(9, 7), (5, 8, 10)])
def test_confidence(normalise: str, shape: tuple[int, ...]) -> None:
    d = drawn(4, *shape).abs()
    d[3] = 0.2  # a flat map
    ours = 1 - Mlp(normalise=normalise).loss_map(d)
    assert close(ours, torch.stack([reference.confidence(one, normalise) for one in d]), 1e-12)


def test_threshold_and_its_gradient() -> None:
    ours, theirs = (torch.rand(6, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_() for _ in "ab")
    factor = torch.rand(6, 8, 8, generator=torch.Generator().manual_seed(1))
    kept = straight_through_threshold(ours, 0.5), reference.ThresholdStraightThrough.apply(theirs, 0.5)
    assert close(*kept, 1e-7)
    for one in kept:
        (one * factor).sum().backward()
    assert ours.grad is not None and theirs.grad is not None and torch.equal(ours.grad, theirs.grad)


@pytest.mark.parametrize("masked", MASKS)
@pytest.mark.parametrize("shape", [(6, 8), (5, 6, 8)], ids=["2d", "3d"])
def test_temporal_confidence(masked: str, shape: tuple[int, ...]) -> None:
    c = torch.rand(3, 4, *shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    c[0, 2] *= 0.4  # an interval without any confident pixel
    mask = MASKS[masked].double()
    assert close(video_score(c.flatten(0, 1), mask, 0.5), reference.video_score(c, mask > 0, 0.5), 1e-12)


# -- III.D


@pytest.mark.parametrize("blocks", [2, 3, 4, 5])
@pytest.mark.parametrize(("rolling_kind", "as_printed"), [("cstat-per-stage", False), ("cstat-printed", True)])
def test_eq_5(blocks: int, rolling_kind: str, as_printed: bool) -> None:
    for epochs in (blocks, 20, 50):
        for epoch in range(epochs):
            stage = reference.training_stage(epoch, epochs, blocks)
            assert rolling.weights(rolling_kind, blocks, epoch=epoch, epochs=epochs) == pytest.approx(
                reference.rolling_weights(blocks, stage, as_printed=as_printed), abs=1e-12
            )


# -- all of it, with its gradients


@pytest.mark.parametrize("masked", MASKS)
@pytest.mark.parametrize("kind", ["none", "difference", "gradient", "mlp"])
@pytest.mark.parametrize("shapes", ["2d", "3d"])
def test_a_batch_and_its_gradients(shapes: str, kind: str, masked: str) -> None:
    """SAT and TAT of one batch, with respect to the student's maps, its FC outputs and the extractor."""
    maps, image = SHAPES[shapes]
    mask, (high, low) = MASKS[masked], images(*image)
    teacher, fc = (
        stages(maps, 20),
        [drawn(3, 64, seed=1), drawn(3, 4, seed=2), drawn(3, 64, seed=3), drawn(3, 4, seed=4)],
    )
    measure = {"none": None, "difference": Difference(), "gradient": Gradient(), "mlp": Mlp()}[kind]
    normalise = "median" if kind == "mlp" else "max"
    options = {**DEFAULTS, "over_time": "keep", "tat_after_softmax": False}

    def by_plugin(student: list[Tensor], hidden: Tensor, scores: Tensor) -> Tensor:
        seen = SimpleNamespace(stages=[one.flatten(0, 1) for one in student], image=low.flatten(0, 1),
                               head_outputs={"fc1": hidden, "fc2": scores})  # fmt: skip
        shown = SimpleNamespace(stages=[one.flatten(0, 1) for one in teacher], image=high.flatten(0, 1),
                                head_outputs={"fc1": fc[2], "fc2": fc[3]})  # fmt: skip
        gaps = compare(seen, shown, mask, measure, options, distance=cosine_distance)  # type: ignore[arg-type]
        return torch.cat([gaps.spatial, gaps.temporal])

    def by_reference(student: list[Tensor], hidden: Tensor, scores: Tensor) -> Tensor:
        c, score = None, torch.ones(3)
        if measure is not None:
            pairs = zip(high.flatten(0, 1).float(), low.flatten(0, 1).float(), strict=True)
            c = torch.stack([reference.confidence(lost(kind, h, lo, measure), normalise) for h, lo in pairs])
            c = c.unflatten(0, (3, 4))
            score = reference.video_score(c, mask > 0, 0.5)
            c = reference.ThresholdStraightThrough.apply(c, 0.5).double()
        sat = reference.sat(student, teacher, mask > 0, c)
        return torch.cat([sat, reference.tat((hidden, scores), (fc[2], fc[3]), mask > 0, score)])

    found = []
    for terms_of in (by_plugin, by_reference):
        leaves = [*stages(maps, 10), fc[0].clone(), fc[1].clone()]
        for leaf in leaves:
            leaf.requires_grad_()
        terms = terms_of(leaves[:-2], leaves[-2], leaves[-1])
        trained = [] if measure is None else list(measure.parameters())
        weights = torch.linspace(1, 2, len(terms), dtype=torch.float64)
        found.append((terms, torch.autograd.grad((terms.double() * weights).sum(), [*leaves, *trained])))
    assert close(found[0][0], found[1][0], 1e-5)
    assert all(close(ours, theirs, 1e-5) for ours, theirs in zip(found[0][1], found[1][1], strict=True))
    assert all(one.abs().max() > 1e-6 for one in found[0][1])
