"""TinyVIRAT's enhancers as components: possible sizes, natively low clips, range, and frozen weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark_core.catalog import Catalog
from benchmark_core.clips.views import Batch
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from elrbench import ElrError
from elrbench_plugins.dvsr.enhancer import Attended, SuperResolution, attended, resized, super_resolution
from elrbench_plugins.dvsr.pairs import large, pairs_of
from elrbench_plugins.dvsr.scales import scale_for, scales_of

Size = tuple[int, int]
NAMES = ("dvsr", "prog-dvsr", "prog-dvsr-att")


def options(scale: int = 0, native_input: str = "by-size") -> dict[str, Any]:
    return {"scale": scale, "native_input": native_input}


# -- which sizes


@pytest.mark.parametrize(
    ("low", "size", "asked", "scales"),
    [
        ((14, 14), (112, 112), options(), (8,)),
        ((28, 28), (112, 112), options(), (4,)),
        ((12, 16), (48, 64), options(), (4,)),
        ((12, 16), (96, 128), options(), (8,)),
        ((12, 16), (96, 128), options(scale=8), (8,)),
        (None, (112, 112), options(), (4, 8)),
        (None, (48, 64), options(scale=4), (4,)),
        (None, (112, 112), options(native_input="fixed-14"), (8,)),
        (None, (112, 112), options(native_input="fixed-28"), (4,)),
        (None, (56, 56), options(native_input="fixed-14"), (4,)),
        (None, (52, 60), options(scale=4), (4,)),
    ],
)
def test_scale_follows_from_the_sizes(low: Size | None, size: Size, asked: dict[str, Any], scales: tuple[int]) -> None:
    assert scales_of(low, size, asked) == scales
    with torch.device("meta"):
        assert tuple(super_resolution(low, size, asked).networks) == tuple(f"x{scale}" for scale in scales)


@pytest.mark.parametrize(
    ("low", "size", "asked", "error"),
    [
        (
            (12, 16), (60, 80), options(),
            "enlarges 12x16 by 4 or 8, which does not give 60x80; use --size 48x64 or 96x128",
        ),
        ((14, 14), (112, 112), options(scale=4), "enlarges 14x14 by 4, which does not give 112x112; use --size 56x56"),
        ((14, 14), (112, 120), options(), "does not give 112x120; use --size 56x56 or 112x112"),
        (
            None, (60, 80), options(),
            "enlarges a part of the network's size by 4 or 8, which does not give 60x80; use --size 56x80 or 64x88",
        ),
        (None, (4, 4), options(), "does not give 4x4; use --size 8x8"),
        (
            None, (96, 128), options(native_input="fixed-14"),
            "with native_input=fixed-14 enlarges 14x14 by 4 or 8, which does not give 96x128; use --size 56x56 or "
            "112x112",
        ),
        (None, (112, 112), options(8, "fixed-28"), "by 8, which does not give 112x112; use --size 224x224"),
    ],
)  # fmt: skip
def test_a_size_out_of_reach_is_refused_with_those_that_are_not(
    low: Size | None, size: Size, asked: dict[str, Any], error: str
) -> None:
    with pytest.raises(ElrError) as refused:
        scales_of(low, size, asked, "prog-dvsr")
    assert str(refused.value).startswith("enhancer 'prog-dvsr' ") and str(refused.value).endswith(error)


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_is_refused_before_data_is_touched(catalog: Catalog, name: str) -> None:
    with pytest.raises(ElrError, match=rf"enhancer '{name}' enlarges 12x16 by 4 or 8, .* use --size 48x64 or 96x128$"):
        resolve_plan(catalog, PlanRequest(method="supervised", dataset="puppets", enhancer=name, size="60x80"))
    plan = resolve_plan(catalog, PlanRequest(method="supervised", dataset="puppets", enhancer=name, size="96x128"))
    assert plan.enhancer == name and plan.settings["enhancer.scale"] == 0


# -- what goes through


@pytest.mark.parametrize("build", [super_resolution, attended])
def test_shapes_range_and_frames(build: Any) -> None:
    torch.manual_seed(0)
    enhance = build((6, 8), (24, 32), options()).eval()
    low = torch.rand(2, 3, 16, 6, 8)
    with torch.no_grad():
        high = enhance(low)
        assert high.shape == (2, 3, 16, 24, 32) and high.min() >= 0 and high.max() <= 1
        torch.testing.assert_close(enhance(low[1:]), high[1:])  # each clip alone
        assert enhance.frames == 16
        bright = enhance(torch.ones(1, 3, 16, 6, 8))
        assert bright.max() == 1  # clamped: what the network adds goes both ways
        if build is attended:
            weight = enhance.attention(low)
            assert weight.shape == (2, 1, 16, 24, 32) and weight.min() > 0 and weight.max() < 1


def test_values_are_brought_to_the_networks_range_and_back() -> None:
    """Without its projection a network returns its input, enlarged: so does the enhancer, in [0, 1]."""
    enhance = super_resolution((6, 6), (24, 24), options())
    for parameter in enhance.network(4).rgb_proj[-1].seq.l1.parameters():
        nn.init.zeros_(parameter)
    seen: list[Tensor] = []
    enhance.network(4).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    low = torch.rand(1, 3, 16, 6, 6)
    with torch.no_grad():
        made = enhance(low)
    torch.testing.assert_close(seen[0], 2 * low - 1)
    torch.testing.assert_close(made, nn.functional.interpolate(low, (16, 24, 24), mode="trilinear"))


@pytest.mark.parametrize(
    ("clip", "scale"), [((8, 8), 4), ((7, 8), 8), ((40, 9), 4), ((4, 4), 8), ((2, 3), 8), ((10, 3), 8)]
)
def test_a_natively_low_clip_goes_by_the_smallest_scale_that_reaches(clip: Size, scale: int) -> None:
    torch.manual_seed(0)
    enhance = super_resolution(None, (32, 32), options()).eval()
    assert scale_for(clip, (32, 32), (4, 8)) == scale
    low = torch.rand(1, 3, 16, *clip)
    with torch.no_grad():
        made = enhance(low)
        side = 32 // scale
        due = enhance.network(scale)(resized(low, (side, side)) * 2 - 1)
    assert made.shape == (1, 3, 16, 32, 32)
    assert torch.equal(made, ((due + 1) / 2).clamp(0, 1))


@pytest.mark.parametrize("clip", [(10, 10), (128, 128), (28, 40), (10, 128)])
@pytest.mark.parametrize(("native_input", "side"), [("fixed-14", 14), ("fixed-28", 28)])
def test_any_clip_of_10_to_128_pixels_is_brought_to_a_fixed_input(clip: Size, native_input: str, side: int) -> None:
    enhance = super_resolution(None, (56 if side == 14 else 112,) * 2, options(native_input=native_input))
    low = torch.rand(1, 3, 16, *clip)
    assert enhance.scales == (4,) and enhance.prepared(low, 4).shape == (1, 3, 16, side, side)


def test_bicubic_does_not_alias_when_it_shrinks() -> None:
    stripes = torch.tensor([0.0, 1.0]).repeat(16).expand(1, 3, 2, 32, 32)
    assert resized(stripes, (8, 8))[..., 2:-2].sub(0.5).abs().max() < 0.02
    assert resized(stripes, (32, 32)) is stripes


@pytest.mark.parametrize("build", [super_resolution, attended])
def test_what_is_not_on_the_way_stands_still(build: Any) -> None:
    """So that gradients reach every parameter that learns; `fit` lets the rest learn while it needs to."""
    enhance = build(None, (32, 32), options())
    for clip in ((8, 8), (4, 4)):  # either network
        enhance(torch.rand(1, 3, 16, *clip)).square().mean().backward()
    learns = {name for name, parameter in enhance.named_parameters() if parameter.requires_grad}
    assert learns == {name for name, parameter in enhance.named_parameters() if parameter.grad is not None}
    assert not any("saliency" in name for name in learns) and any("rgb_proj.2" in name for name in learns)


def test_the_branch_changes_nothing_of_what_is_deployed() -> None:
    enhance = attended((6, 6), (24, 24), options()).eval()
    low = torch.rand(1, 3, 16, 6, 6)
    with torch.no_grad():
        before = enhance(low)
        for parameter in enhance.attentions.parameters():
            parameter += 1
        assert torch.equal(enhance(low), before)
    assert isinstance(enhance, Attended) and isinstance(enhance.super_resolution, SuperResolution)


# -- pairs

PAIRS = {"pair_least": 1.0, "pair_low": "bicubic"}


def batch(low: Any, high: Any, box: Tensor | None = None) -> Batch:
    number = len(low)
    return Batch(
        low=low, high=high, mask=torch.ones(number, 1), box=box, target=torch.arange(number), ids=("",) * number
    )


def test_pairs_are_flipped_alike_and_not_cut() -> None:
    enhance = super_resolution((6, 8), (24, 32), options())
    high = torch.rand(2, 1, 3, 16, 24, 32)
    low = nn.functional.avg_pool3d(high[:, 0], (1, 4, 4))[:, None]
    box = torch.tensor([[0.1, 0.1, 0.5, 0.5, 0.0], [0.0, 0.0, 1.0, 1.0, 1.0]])
    seen, due, target = pairs_of(enhance, 4, batch(low, high, box), PAIRS)
    assert torch.equal(due[0], high[0, 0]) and torch.equal(due[1], high[1, 0].flip(-1))
    assert torch.equal(seen[0], low[0, 0] * 2 - 1) and target.tolist() == [0, 1]
    torch.testing.assert_close(seen, nn.functional.avg_pool3d(due, (1, 4, 4)) * 2 - 1)


@pytest.mark.parametrize("pair_low", ["bicubic", "degraded"])
def test_natively_low_pairs(pair_low: str) -> None:
    """Bicubically from the high view; or, of views of a network's own sizes, from the low one."""
    enhance = super_resolution(None, (32, 32), options())
    high = [torch.rand(1, 3, 16, side, side) for side in (40, 16, 32)]
    low = [resized(view, (side, side)) for view, side in zip(high, (10, 8, 5), strict=True)]
    for scale, degraded in ((4, [low[0], high[2]]), (8, [high[0], low[2]])):
        seen, due, target = pairs_of(enhance, scale, batch(low, high), {**PAIRS, "pair_low": pair_low})
        side = 32 // scale
        sources = degraded if pair_low == "degraded" else [high[0], high[2]]
        assert target.tolist() == [0, 2] and seen.shape == (2, 3, 16, side, side)
        assert torch.equal(seen, torch.cat([resized(one, (side, side)) * 2 - 1 for one in sources]))
        assert torch.equal(due, torch.cat([resized(high[0], (32, 32)), high[2]]))


def test_high_views_smaller_than_the_network_are_left_out() -> None:
    high = [torch.zeros(1, 3, 16, *size) for size in ((112, 112), (112, 90), (60, 60), (111, 130))]
    assert large(high, (112, 112), 1.0) == [0]
    assert large(high, (112, 112), 0.8) == [0, 1, 3]
    assert large(high, (112, 112), 0.0) == [0, 1, 2, 3]
    assert large(high, (128, 128), 1.0) == [0]  # none is: the largest
    assert large(high[1:], (128, 128), 1.0) == [2]
