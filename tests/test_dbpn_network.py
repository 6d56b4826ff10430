"""The back-projection networks: public names, exact sizes, what a pass costs, units by hand, and sizes in reach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark_core.catalog import Catalog
from benchmark_core.cost.macs import count_macs
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from elrbench import ElrError
from elrbench_plugins.dbpn.enhancer import d_dbpn, dbpn, dbpn_s
from elrbench_plugins.dbpn.network import Block, Dbpn, DownProjection, UpProjection
from elrbench_plugins.dbpn.scales import scale_of, source_of
from elrbench_plugins.interpolation.interpolation import Interpolation

Size = tuple[int, int]
KERNELS = {2: 6, 4: 8, 8: 12}


def options(scale: int = 0, *, resize: bool = False, residual: bool = False, units: int = 7) -> dict[str, Any]:
    return {"scale": scale, "resize": resize, "residual": residual, "units": units}


# -- layout


def public_shapes(scale: int, units: int, dense: bool) -> Iterator[tuple[str, tuple[int, ...]]]:
    """alterzero/DBPN-Pytorch: dbpns.py (2 units), dbpn.py (7, dense), dbpn_v1.py (10, dense)."""

    def block(place: str, kind: str, outs: int, ins: int, kernel: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield f"{place}.{kind}.weight", (outs, ins, kernel, kernel)
        yield f"{place}.{kind}.bias", (outs,)
        if place != "output_conv":
            yield f"{place}.act.weight", (1,)

    yield from block("feat0", "conv", 256, 3, 3)
    yield from block("feat1", "conv", 64, 256, 1)
    for way, kinds in (("up", ("deconv", "conv", "deconv")), ("down", ("conv", "deconv", "conv"))):
        for number in range(1, units + (way == "up")):
            maps = number - (way == "up")
            if dense and maps > 1:
                yield from block(f"{way}{number}.conv", "conv", 64, 64 * maps, 1)
            for place, kind in enumerate(kinds, 1):
                yield from block(f"{way}{number}.{way}_conv{place}", kind, 64, 64, KERNELS[scale])
    yield from block("output_conv", "conv", 3, 64 * units, 3)


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize(("units", "dense"), [(2, False), (7, False), (7, True), (10, True)])
def test_names_and_shapes_are_the_public_ones(scale: int, units: int, dense: bool) -> None:
    with torch.device("meta"):
        state = Dbpn(scale, units, dense=dense).state_dict()
    assert {key: tuple(value.shape) for key, value in state.items()} == dict(public_shapes(scale, units, dense))


@pytest.mark.parametrize(
    ("build", "units", "counts"),
    [
        (dbpn_s, 2, (1_354_766, 2_386_958, 5_336_078)),
        (dbpn, 7, (5_789_036, 10_261_868, 23_041_388)),
        (d_dbpn, 7, (5_953_526, 10_426_358, 23_205_878)),
        (d_dbpn, 10, (8_811_086, 15_348_302, 34_026_062)),
    ],
)
def test_parameter_counts(build: Any, units: int, counts: tuple[int, ...]) -> None:
    with torch.device("meta"):
        for scale, count in zip((2, 4, 8), counts, strict=True):
            module = build((12, 16), (12 * scale, 16 * scale), options(units=units))
            assert sum(parameter.numel() for parameter in module.parameters()) == count


class Mean(nn.Module):
    """A backbone of no multiply-adds."""

    def forward_features(self, x: Tensor) -> list[Tensor]:
        return [x]

    def pool(self, last: Tensor) -> Tensor:
        return last.mean((2, 3))


class Nothing(nn.Module):
    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        return features[:, 0]


def by_hand(scale: int, units: int, low: int, *, dense: bool) -> int:
    """Multiply-adds; a projection of either way takes 64·64·kernel² for each pixel of low size."""
    high = low * scale**2
    count = low * (9 * 3 * 256 + 256 * 64) + 3 * (2 * units - 1) * low * 64 * 64 * KERNELS[scale] ** 2
    if dense:
        count += 64 * 64 * sum(low * (number - 1) for number in range(3, units + 1))
        count += 64 * 64 * sum(high * number for number in range(2, units))
    return count + high * 9 * 64 * units * 3


@pytest.mark.parametrize(
    ("build", "units", "scale", "paper"),
    [(d_dbpn, 7, 8, 5.59e9), (d_dbpn, 10, 8, 8.92e9), (dbpn_s, 2, 8, None), (dbpn, 7, 4, None)],
)
def test_multiply_adds(build: Any, units: int, scale: int, paper: float | None) -> None:
    """As `elrbench cost` counts them, transposed convolutions among them: none is left out."""
    enhancer = build((12, 16), (12 * scale, 16 * scale), options(units=units))
    recognizer = Recognizer(
        enhancer=enhancer, backbone=Mean(), head=Nothing(), dims=2, mean=(0.0,) * 3, std=(1.0,) * 3, frames=1
    )
    counted = count_macs(recognizer, torch.rand(1, 1, 3, 1, 12, 16))
    assert counted.enhancer == by_hand(scale, units, 12 * 16, dense=build is d_dbpn)
    assert paper is None or counted.enhancer == pytest.approx(paper, rel=0.01)
    assert counted.uncounted == {} and counted.extras["activation"] > 0


def test_it_starts_as_the_authors_does() -> None:
    torch.manual_seed(0)
    network = Dbpn(4, 2)
    for part in network.modules():
        if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
            weight = part.weight
            assert part.bias is not None and not part.bias.any()
            assert weight.std().item() == pytest.approx((2 / weight[0].numel()) ** 0.5, rel=0.1)
    assert {part.weight.item() for part in network.modules() if isinstance(part, nn.PReLU)} == {0.25}
    assert isinstance(network.output_conv.act, nn.Identity)


# -- units by hand


def constant(block: nn.Module, each: float, slope: float) -> None:
    """A projection whose first map is `each` times the first map of its input, wherever a pixel has one tap."""
    assert isinstance(block, Block)
    layer = next(block.children())
    assert isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)) and isinstance(block.act, nn.PReLU)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    nn.init.constant_(block.act.weight, slope)
    with torch.no_grad():
        layer.weight[0, 0, 2, 2] = each  # behind the padding: pixel (0, 0) of each patch of scale x scale


@torch.no_grad()
def test_an_up_unit_by_hand() -> None:
    """h0 = 2 l; l0 = 3 h0; h1 = 5 (l0 - l): h0 + h1 is 27 l for l > 0; below 0 a slope of 0.5 after each layer."""
    unit = UpProjection(2)
    for block, each in ((unit.up_conv1, 2.0), (unit.up_conv2, 3.0), (unit.up_conv3, 5.0)):
        constant(block, each, 0.5)
    low = torch.zeros(1, 64, 1, 2)
    low[0, 0, 0] = torch.tensor([1.0, -1.0])
    made = unit(low)
    assert made.shape == (1, 64, 2, 4) and not made[:, 1:].any()
    # -1: h0 = -2 / 2; l0 = -3 / 2; h1 = 5 (-1.5 + 1) / 2
    assert made[0, 0].tolist() == [[27.0, 0.0, -1.0 - 1.25, 0.0], [0.0] * 4]


@torch.no_grad()
def test_a_down_unit_by_hand() -> None:
    """l0 = 2 h; h0 = 3 l0; l1 = 5 (h0 - h): l0 + l1 is 27 h for h > 0."""
    unit = DownProjection(4)
    for block, each in ((unit.down_conv1, 2.0), (unit.down_conv2, 3.0), (unit.down_conv3, 5.0)):
        constant(block, each, 0.5)
    high = torch.full((1, 64, 4, 8), 7.0)  # whatever is not where the tap is
    high[0, 0, 0] = torch.tensor([1.0, 7.0, 7.0, 7.0, -1.0, 7.0, 7.0, 7.0])
    made = unit(high)
    assert made.shape == (1, 64, 1, 2)
    assert made[0, 0].tolist() == [[27.0, -2.25]]


def test_kernels_strides_and_padding() -> None:
    for scale, kernel in KERNELS.items():
        for unit in (UpProjection(scale), DownProjection(scale, 3)):
            layers = [part for part in unit.modules() if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d))]
            told = {(layer.kernel_size, layer.stride, layer.padding) for layer in layers if layer.kernel_size[0] > 1}
            assert told == {((kernel, kernel), (scale, scale), (2, 2))}


def test_a_dense_unit_gets_all_maps_before_it_the_latest_first() -> None:
    network = Dbpn(2, 4)
    seen: dict[str, list[Tensor]] = {}
    made: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            seen[name], made[name] = list(inputs), output

        return hook

    for name, part in network.named_children():
        part.register_forward_hook(keep(name))
    with torch.no_grad():
        network(torch.rand(1, 3, 4, 4))
    due = {
        "up1": ["feat1"], "down1": ["up1"], "up2": ["down1"], "down2": ["up2", "up1"], "up3": ["down2", "down1"],
        "down3": ["up3", "up2", "up1"], "up4": ["down3", "down2", "down1"],
    }  # fmt: skip
    for name, sources in due.items():
        assert len(seen[name]) == len(sources)
        assert all(got is made[source] for got, source in zip(seen[name], sources, strict=True))
    assert torch.equal(seen["output_conv"][0], torch.cat([made[f"up{number}"] for number in (4, 3, 2, 1)], 1))


def test_without_density_a_unit_gets_the_latest_alone() -> None:
    network = Dbpn(2, 3, dense=False).eval()
    with torch.no_grad():
        low = torch.rand(1, 3, 4, 4)
        h1 = network.up1(network.feat1(network.feat0(low)))
        h2 = network.up2(network.down1(h1))
        h3 = network.up3(network.down2(h2))
        torch.testing.assert_close(network(low), network.output_conv(torch.cat([h3, h2, h1], 1)))


# -- sizes


@pytest.mark.parametrize(
    ("low", "size", "asked", "scale"),
    [
        ((12, 16), (24, 32), options(), 2),
        ((12, 16), (48, 64), options(), 4),
        ((16, 21), (64, 84), options(), 4),
        ((12, 16), (96, 128), options(), 8),
        ((12, 16), (96, 128), options(8), 8),
        ((12, 16), (224, 298), options(resize=True), 8),
        ((12, 16), (64, 85), options(resize=True), 8),
        ((12, 16), (64, 85), options(4, resize=True), 4),
        ((12, 16), (40, 60), options(resize=True), 4),
        ((12, 16), (12, 16), options(resize=True), 2),
        (None, (112, 112), options(), 4),
        (None, (112, 112), options(8), 8),
        (None, (50, 70), options(2), 2),
        (None, (50, 70), options(resize=True), 4),
    ],
)
def test_scale_follows_from_the_sizes(low: Size | None, size: Size, asked: dict[str, Any], scale: int) -> None:
    assert scale_of(low, size, asked) == scale
    module = dbpn_s(low, size, asked).eval()
    assert module.network.scale == scale
    with torch.no_grad():
        made = module(torch.rand(2, 3, *(low or (13, 9))))
    assert made.shape == (2, 3, *size) and made.min() >= 0 and made.max() <= 1


@pytest.mark.parametrize(
    ("low", "size", "asked", "error"),
    [
        (
            (12, 16), (60, 80), options(),
            "enlarges 12x16 by 2 or 4 or 8, which does not give 60x80; use --size 24x32 or 48x64 or 96x128, or --set "
            "enhancer.resize=true",
        ),
        ((12, 16), (48, 64), options(8), "enlarges 12x16 by 8, which does not give 48x64; use --size 96x128, or --set "
         "enhancer.resize=true"),
        (None, (50, 64), options(), "enlarges a part of the network's size by 4, which does not give 50x64; use --size "
         "48x64 or 52x64, or --set enhancer.resize=true"),
        (None, (9, 3), options(8), "which does not give 9x3; use --size 8x8 or 16x8, or --set enhancer.resize=true"),
    ],
)  # fmt: skip
def test_a_size_out_of_reach_is_refused_with_those_that_are_not(
    low: Size | None, size: Size, asked: dict[str, Any], error: str
) -> None:
    with pytest.raises(ElrError) as refused:
        scale_of(low, size, asked, "d-dbpn")
    assert str(refused.value).startswith("enhancer 'd-dbpn' ") and str(refused.value).endswith(error)


@pytest.mark.parametrize("name", ["dbpn-s", "dbpn", "d-dbpn"])
def test_a_plan_is_refused_before_data_is_touched(catalog: Catalog, name: str) -> None:
    with pytest.raises(ElrError, match=rf"^enhancer '{name}' enlarges 12x16 by 2 or 4 or 8, which does not give 60x80"):
        resolve_plan(catalog, PlanRequest(method="supervised", dataset="puppets", enhancer=name, size="60x80"))
    plan = resolve_plan(catalog, PlanRequest(method="supervised", dataset="puppets", enhancer=name, size="96x128"))
    assert plan.settings["enhancer.scale"] == 0 and plan.settings["enhancer.weights"] == "fit"


def test_d_dbpn_by_8_gives_96x128() -> None:
    with torch.no_grad():
        assert d_dbpn((12, 16), (96, 128), options())(torch.rand(1, 3, 12, 16)).shape == (1, 3, 96, 128)


def test_a_view_of_another_size_is_brought_to_the_networks_input() -> None:
    torch.manual_seed(0)
    enhance = dbpn_s(None, (32, 48), options()).eval()
    for clip in ((20, 30), (5, 9), (8, 12)):
        low = torch.rand(1, 3, *clip)
        with torch.no_grad():
            due = enhance.network(Interpolation((8, 12), "bicubic")(low)).clamp(0, 1)
            assert torch.equal(enhance(low), due)


@torch.no_grad()
def test_residual_adds_the_input_enlarged() -> None:
    torch.manual_seed(0)
    low = torch.rand(2, 3, 6, 8)
    enhance = dbpn_s((6, 8), (24, 32), options(residual=True)).eval()
    due = enhance.network(low) + Interpolation((24, 32), "bicubic")(low)
    torch.testing.assert_close(enhance.made(low), due)
    for parameter in enhance.network.output_conv.parameters():
        nn.init.zeros_(parameter)
    torch.testing.assert_close(enhance(low), Interpolation((24, 32), "bicubic")(low))
    plain = dbpn_s((6, 8), (24, 32), options()).eval()
    torch.testing.assert_close(plain.made(low), plain.network(low))


@pytest.mark.parametrize(
    ("size", "scale", "source"),
    [((96, 128), 4, (24, 32)), ((97, 128), 4, (25, 32)), ((98, 131), 4, (25, 33)), ((7, 9), 8, (1, 2))],
)
def test_clips_taken_as_recorded_are_brought_to_a_part_rounded_up(
    size: tuple[int, int], scale: int, source: tuple[int, int]
) -> None:
    """The network's output, scale times its input, is never smaller than the network size."""
    assert source_of(None, size, scale) == source
    assert all(scale * side >= wanted for side, wanted in zip(source, size, strict=True))
    assert source_of((12, 16), size, scale) == (12, 16)
