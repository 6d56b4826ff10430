"""The attention network: eq. 2 by hand and in either order, its convolution, masks, memory, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from benchmark_core.cost.macs import count_work
from benchmark_core.cost.operators import HEAVY
from elrbench_plugins.purwanto.attention import SpatialTemporalAttention, self_attention

KINDS = ("printed", "mean", "softmax")
AXES = ("heads-time-position", "time-height-width")
EVERY = [
    {"kind": kind, "axes": axes, "projections": projections, "classifier": classifier}
    for kind, axes, projections, classifier in product(KINDS, AXES, ("shared", "own"), ("per-step", "pooled"))
]


def rows(*values: list[float]) -> Tensor:
    """(B, D, N, d) of one clip and one head."""
    return torch.tensor(values, dtype=torch.float64)[None, None]


# -- eq. 2

B1, B2, B3 = rows([1, 0], [0, 2]), rows([1, 1], [2, 0]), rows([3, 1], [0, 2])
BOTH = torch.tensor([[True, True]])


def test_eq_2_by_hand() -> None:
    """B1 B2' is [[1, 2], [2, 0]]; times B3 [[3, 5], [6, 2]]; over the root of 2, and B3 itself."""
    root = math.sqrt(2)
    due = rows([3 / root + 3, 5 / root + 1], [6 / root + 0, 2 / root + 2])
    assert torch.allclose(self_attention(B1, B2, B3, BOTH), due, rtol=0, atol=1e-14)
    mean = rows([1.5 / root + 3, 2.5 / root + 1], [3 / root, 1 / root + 2])  # over the two positions
    assert torch.allclose(self_attention(B1, B2, B3, BOTH, kind="mean"), mean, rtol=0, atol=1e-14)
    first = torch.tensor([[True, False]])
    assert torch.equal(self_attention(B1, B2, B3, first, kind="none", dropout=0.9), rows([3, 1], [0, 0]))


def test_eq_2_with_softmax_by_hand() -> None:
    """Of [[1, 2], [2, 0]] over the root of 2, each row over positions."""
    first, second = (1 / (1 + math.exp(apart / math.sqrt(2))) for apart in (1, -2))  # the first position's share
    due = rows([3 * first + 3, first + 2 * (1 - first) + 1], [3 * second, second + 2 * (1 - second) + 2])
    assert torch.allclose(self_attention(B1, B2, B3, BOTH, kind="softmax"), due, rtol=0, atol=1e-14)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_product_is_associative_without_softmax() -> None:
    one, two, three = (drawn(2, 3, 50, 7, seed=seed) for seed in range(3))
    real = torch.ones(2, 50, dtype=torch.bool)
    pairs = one @ two.transpose(-1, -2)  # (B1 B2') B3: a number for every pair of positions
    assert torch.allclose(
        self_attention(one, two, three, real), pairs / math.sqrt(7) @ three + three, rtol=1e-12, atol=1e-12
    )
    weights = (pairs / math.sqrt(7)).softmax(-1)
    assert torch.allclose(self_attention(one, two, three, real, kind="softmax"), weights @ three + three, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_on_the_first_term_alone(kind: str) -> None:
    one, two, three = (drawn(1, 1, 400, 4, seed=seed) for seed in range(3))
    real = torch.ones(1, 400, dtype=torch.bool)
    torch.manual_seed(0)
    dropped = self_attention(one, two, three, real, kind=kind, dropout=0.9) - three
    kept = dropped != 0
    assert 0.07 < kept.double().mean() < 0.13
    whole = self_attention(one, two, three, real, kind=kind) - three
    assert torch.allclose(dropped[kept], 10 * whole[kept])
    head = SpatialTemporalAttention(8, 2, heads=2, classifier="pooled", dropout=0.9)
    maps, mask = torch.rand(1, 2, 8, 2, 2, 2), torch.ones(1, 2)
    assert torch.equal(head.eval()(maps, mask), head(maps, mask)) and not torch.equal(
        head.train()(maps, mask), head(maps, mask)
    )


# -- the whole head, number by number


def by_loops(head: SpatialTemporalAttention, maps: np.ndarray) -> np.ndarray:
    """Logits (C,) of maps (K, F, T, h, w) whose chunks are all real, with the pairs of eq. 2 written out."""
    chunks, features, steps, height, width = maps.shape
    heads, each = head.heads, features // head.heads
    video = np.concatenate(list(maps.transpose(0, 2, 1, 3, 4)))  # (N_s, F, h, w)
    parts = video.reshape(len(video), heads, each, height * width)
    kernel, bias = (value.detach().numpy() for value in (head.conv.weight, head.conv.bias))  # (d, d, 1, 3, 5), (d,)
    local = np.empty_like(parts)
    for step, one, place in product(range(len(video)), range(heads), range(height * width)):
        total = bias.copy()
        for down, across in product(range(3), range(5)):
            if head.axes == "heads-time-position":
                at_step, at_place = step + down - 1, place + across - 2
                inside = 0 <= at_step < len(video) and 0 <= at_place < height * width
            else:
                row, column = place // width + down - 1, place % width + across - 2
                at_step, at_place, inside = step, row * width + column, 0 <= row < height and 0 <= column < width
            if inside:
                total += kernel[:, :, 0, down, across] @ parts[at_step, one, :, at_place]
        local[step, one, :, place] = np.maximum(total, 0)
    logits = np.zeros(head.fc.out_features)
    joined = np.empty((len(video), features, height * width))
    for one in range(heads):
        tokens = local[:, one].transpose(0, 2, 1).reshape(-1, each)  # (N, d)
        weights = [part[one if len(part) > 1 else 0].detach().numpy() for part in head.projections]
        first, second, third = (tokens @ weight for weight in weights)
        found = (first @ second.T) / math.sqrt(each) @ third + third
        part = found.reshape(len(video), height * width, each).transpose(0, 2, 1)
        joined[:, one * each : (one + 1) * each] = part
    matrix, offset = head.fc.weight.detach().numpy(), head.fc.bias.detach().numpy()
    for step in joined:  # one layer for every time step, and the mean of its logits
        logits += matrix @ (step.reshape(-1) if head.per_step else step.mean(1)) + offset
    return logits / len(joined)


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize(("projections", "classifier"), [("shared", "per-step"), ("own", "pooled")])
def test_the_head_is_what_loops_make_of_it(axes: str, projections: str, classifier: str) -> None:
    torch.manual_seed(3)
    head = SpatialTemporalAttention(
        6, 4, positions=6, heads=2, axes=axes, projections=projections, classifier=classifier
    )
    head.double().eval()
    maps = drawn(3, 6, 2, 2, 3)
    with torch.no_grad():
        logits = head(maps[None], torch.ones(1, 3))[0].numpy()
    assert np.allclose(logits, by_loops(head, maps.numpy()), rtol=0, atol=1e-12)


def test_maps_of_single_frames_are_clips_of_one_step() -> None:
    head = SpatialTemporalAttention(8, 3, positions=6, heads=4).eval()
    maps, mask = torch.rand(2, 5, 8, 2, 3), torch.ones(2, 5)
    assert torch.equal(head(maps, mask), head(maps.unsqueeze(3), mask)) and head(maps, mask).shape == (2, 3)


@pytest.mark.parametrize("options", EVERY, ids=lambda options: "-".join(options.values()))
def test_a_masked_chunk_has_no_part_in_it(options: dict[str, str]) -> None:
    torch.manual_seed(0)
    head = SpatialTemporalAttention(8, 3, positions=6, heads=2, **options).double().eval()
    maps = drawn(2, 4, 8, 2, 2, 3)
    mask = torch.tensor([[1.0, 1, 1, 1], [1, 1, 0, 0]])
    alone = [head(maps[:1], torch.ones(1, 4)), head(maps[1:, :2], torch.ones(1, 2))]
    for content in (0.0, 1e6, torch.nan):
        maps[1, 2:] = content
        assert torch.allclose(head(maps, mask), torch.cat(alone), rtol=0, atol=1e-12)
    maps = drawn(2, 4, 8, 2, 2, 3).requires_grad_()
    head(maps, mask).square().sum().backward()
    assert not maps.grad[1, 2:].any() and maps.grad[1, :2].any() and maps.grad[0].any()
    assert all(torch.isfinite(parameter.grad).all() for parameter in head.parameters())


# -- memory


def peak(run: Callable[[], object]) -> int:
    """Bytes: the most that is held at once of what `run` takes."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        run()
    changes = [event.nbytes() for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    return int(np.cumsum(changes).max())


class Pairs(nn.Module):
    """Eq. 2 with every pair of positions held at once: what `peak` has to find."""

    def forward(self, maps: Tensor, mask: Tensor) -> Tensor:
        tokens = maps.transpose(1, 2).flatten(2).transpose(1, 2)  # (B, N, F)
        return (tokens @ tokens.transpose(1, 2)).softmax(-1) @ tokens


@pytest.mark.parametrize("training", [False, True], ids=["testing", "training"])
@pytest.mark.parametrize("kind", [*KINDS, "pairs"])
def test_memory_grows_with_the_number_of_chunks(kind: str, training: bool) -> None:
    """1024 and 2048 positions: twice as much at most, where all pairs would be four times as much."""
    head = Pairs() if kind == "pairs" else SpatialTemporalAttention(32, 3, positions=8, heads=4, kind=kind)

    def taken(chunks: int) -> int:
        maps, mask = torch.rand(1, chunks, 32, 2, 2, 4, requires_grad=training), torch.ones(1, chunks)

        def once() -> None:
            with torch.set_grad_enabled(training):
                found = head.train(training)(maps, mask)
                if training:
                    found.sum().backward()

        once()
        return peak(once)

    growth = taken(128) / taken(64)
    assert growth > 3.5 if kind == "pairs" else growth < 2.05


# -- cost


def work(head: nn.Module, *maps: int) -> tuple[float, dict[str, Any]]:
    """Multiply-adds, and what is not counted."""
    counter = count_work(head, torch.rand(1, *maps), torch.ones(1, maps[0]))
    return counter.macs, counter.uncounted


@pytest.mark.parametrize("projections", ["shared", "own"])
@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_product_is_counted(kind: str, axes: str, projections: str) -> None:
    """A chunk of 64 frames at 224x224, 8x7x7x1024, and 51 classes; in the order B1 (B2' B3) without softmax."""
    positions, width = 8 * 7 * 7, 128
    head = SpatialTemporalAttention(1024, 51, positions=49, kind=kind, axes=axes, projections=projections)
    counted, uncounted = work(head, 1, 1024, 8, 7, 7)
    tokens = positions * 8  # of all heads
    pairs = 2 * positions * tokens * width if kind == "softmax" else 2 * tokens * width**2
    due = tokens * width**2 * 15 + 3 * tokens * width**2 + pairs + 1024 * 49 * 51
    assert counted == due and not HEAVY & uncounted.keys()
    assert round(due / 1e9, 2) == (1.24 if kind == "softmax" else 1.03)


def test_its_parameters() -> None:
    """The convolution 128·128·15 + 128, three projections 128·128, and one layer 50,176 -> 51."""

    def count(**options: str) -> int:
        head = SpatialTemporalAttention(1024, 51, positions=49, **options)
        return sum(parameter.numel() for parameter in head.parameters())

    conv, projection, fc = 128 * 128 * 15 + 128, 3 * 128 * 128, 50_176 * 51 + 51
    assert count() == conv + projection + fc == 2_854_067
    assert count(projections="own") == conv + 8 * projection + fc
    assert count(classifier="pooled") == conv + projection + 1024 * 51 + 51
