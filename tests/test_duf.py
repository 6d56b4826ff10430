"""Dynamic upsampling filters: layers, filters, windows and files, and how they are trained, with ToSR's terms."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from test_dbpn_fit import Fitted, batch, fit_enhancer, same
from torch import nn

from benchmark_core.catalog import Catalog
from benchmark_core.training.averaging import step
from benchmark_core.training.training import Training
from benchmark_core.weights_file import add_enhancer_weights
from elrbench import ElrError
from elrbench_plugins.duf import fit
from elrbench_plugins.duf.enhancer import duf_s, window
from elrbench_plugins.duf.losses import siamese_terms
from elrbench_plugins.duf.network import Duf, bilinear_filters, duf, filtered

USE: dict[str, Any] = {"resize": False, "start": "authors"}
SMALL = {"enhancer": "duf-s", "degradation": "average-4x4", "size": "16x16"}
TOSR = "duf-s:tosr"


@pytest.fixture
def fitted(toy_catalog: Catalog, tmp_path: Path) -> Fitted:
    """`fitted(*settings, cache="a")`: see `fit_enhancer`; from 4x4 by 4 to 16x16."""

    def make(*settings: str, catalog: Catalog = toy_catalog, **fields: Any) -> tuple[nn.Module, Training]:
        return fit_enhancer(catalog, tmp_path, *settings, **{**SMALL, **fields})

    return make


def count(network: nn.Module) -> int:
    return sum(each.numel() for each in network.parameters())


# -- the network


@pytest.mark.parametrize(("layers", "total"), [(16, 1_900_640), (28, 2_118_432), (52, 5_821_952)])
def test_parameters(layers: int, total: int) -> None:
    """From the layers of Jo et al., table 1: dense blocks of a 1x1x1 and a 3x3x3 convolution, each after BN."""
    blocks, growth = {16: (3, 32), 28: (9, 16), 52: (21, 16)}[layers]
    widths = [64 + growth * number for number in range(blocks + 3)]
    dense = sum(2 * width + width * width + width + 2 * width + 27 * width * growth + growth for width in widths)
    last = widths[-1] + growth
    ends = 3 * 64 * 9 + 64 + 2 * last + 9 * last * 256 + 256
    branches = 256 * 256 + 256 + 256 * 48 + 48 + 256 * 512 + 512 + 512 * 400 + 400
    with torch.device("meta"):
        network = duf(layers)
    assert count(network) == dense + ends + branches == total
    depth = sum(isinstance(part, nn.Conv3d) for part in network.modules())
    assert depth - 2 == layers  # two branches of two layers each


def test_names_and_shapes_are_those_of_the_public_checkpoints() -> None:
    with torch.device("meta"):
        state = duf(52).state_dict()
    for name, shape in {
        "conv3d1.weight": (64, 3, 1, 3, 3),
        "dense_block1.dense_blocks.0.0.running_mean": (64,),
        "dense_block1.dense_blocks.20.5.weight": (16, 384, 3, 3, 3),
        "dense_block2.temporal_reduce1.2.weight": (400, 400, 1, 1, 1),
        "dense_block2.temporal_reduce3.5.weight": (16, 432, 3, 3, 3),
        "bn3d2.weight": (448,),
        "conv3d2.weight": (256, 448, 1, 3, 3),
        "conv3d_r1.weight": (256, 256, 1, 1, 1),
        "conv3d_r2.weight": (48, 256, 1, 1, 1),
        "conv3d_f1.weight": (512, 256, 1, 1, 1),
        "conv3d_f2.weight": (400, 512, 1, 1, 1),
    }.items():
        assert state[name].shape == shape
    assert {part.eps for part in Duf(1, 2).modules() if isinstance(part, nn.BatchNorm3d)} == {1e-3}


def test_filters_by_hand() -> None:
    """One result takes each pixel's right neighbour, the other the mean of the pixel and the one two rows above."""
    frame = torch.arange(1.0, 28.0).reshape(1, 3, 3, 3)
    filters = torch.zeros(1, 25, 2, 3, 3)
    filters[:, 2 * 5 + 3, 0] = 1.0
    filters[:, 2 * 5 + 2, 1], filters[:, 0 * 5 + 2, 1] = 0.5, 0.5
    found = filtered(frame, filters)
    assert found.shape == (1, 6, 3, 3)
    assert found[0, 0].tolist() == [[2.0, 3, 0], [5, 6, 0], [8, 9, 0]]  # 0 outside
    pairs = [[19 / 2, 20 / 2, 21 / 2], [22 / 2, 23 / 2, 24 / 2], [(25 + 19) / 2, (26 + 20) / 2, (27 + 21) / 2]]
    assert found[0, 5].tolist() == pairs  # the third colour's


def test_equal_filters_and_no_residual_blur_the_middle_frame() -> None:
    network = Duf(1, 2, features=4, width=4, filters=4).eval()
    for part in (network.conv3d_f2, network.conv3d_r2):
        nn.init.zeros_(part.weight)
    low = torch.rand(2, 3, 7, 6, 6)
    mean = nn.functional.avg_pool2d(nn.functional.pad(low[:, :, 3], (2, 2, 2, 2)), 5, 1)
    torch.testing.assert_close(network(low), mean.repeat_interleave(4, 2).repeat_interleave(4, 3))


def test_a_network_may_start_as_linear_interpolation() -> None:
    assert bilinear_filters().sum(0).tolist() == pytest.approx([1.0] * 16)
    # the upper left result, 3/8 of a pixel from the centre towards its neighbours
    corner = bilinear_filters()[:, 0].reshape(5, 5)
    assert corner[1, 1].item() == pytest.approx((3 / 8) ** 2) and corner[2, 2].item() == pytest.approx((5 / 8) ** 2)
    module = duf_s((6, 7), (24, 28), {**USE, "start": "bilinear"}).eval()
    low = torch.rand(1, 3, 16, 6, 7)
    due = nn.functional.interpolate(low[:, :, 5], scale_factor=4, mode="bilinear", align_corners=False)
    with torch.no_grad():
        found = module(low)[:, :, 5]
    torch.testing.assert_close(found[..., 4:-4, 4:-4], due[..., 4:-4, 4:-4], atol=1e-4, rtol=0)
    assert module.network.conv3d_f2.weight.requires_grad


def test_every_result_is_of_the_seven_frames_around() -> None:
    frames = [torch.full((1, 3, 2, 2), float(number)) for number in range(16)]
    assert window(frames, 8)[0, 0, :, 0, 0].tolist() == [5.0, 6, 7, 8, 9, 10, 11]
    assert window(frames, 0)[0, 0, :, 0, 0].tolist() == [0.0, 0, 0, 0, 1, 2, 3]
    assert window(frames, 14)[0, 0, :, 0, 0].tolist() == [11.0, 12, 13, 14, 15, 15, 15]
    torch.manual_seed(0)
    module = duf_s((4, 5), (16, 20), USE).eval()
    low = torch.rand(2, 3, 16, 4, 5)
    with torch.no_grad():
        view = module(low)
        alone = module.network(low[:, :, 4:11]).clamp(0, 1)
        other = low.clone()
        other[:, :, 12] += 1
        changed = (module(other) - view).abs().amax((0, 1, 3, 4)) > 1e-6
    assert view.shape == (2, 3, 16, 16, 20)
    torch.testing.assert_close(view[:, :, 7], alone)
    assert changed.nonzero().flatten().tolist() == list(range(9, 16))


def test_gradients_reach_every_parameter() -> None:
    torch.manual_seed(0)
    network = Duf(3, 8, features=16, width=64, filters=64)
    assert count(network) == 131_624
    network(torch.rand(2, 3, 7, 5, 6)).square().mean().backward()
    silent = [name for name, each in network.named_parameters() if each.grad is None or not each.grad.any()]
    assert silent == []


# -- training


class Moves(nn.Module):
    """Stands for the module: its network multiplies the middle frame, enlarged, by a number."""

    def __init__(self) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor(1.0))

    def network(self, windows: torch.Tensor) -> torch.Tensor:
        assert windows.shape[1:3] == (3, 7)
        return self.by * windows[:, :, 3].repeat_interleave(4, -1).repeat_interleave(4, -2)


@pytest.mark.parametrize(("sr", "hr"), [(0.0, 0.0), (1.0, 0.0), (0.5, 2.0)])
def test_an_update_is_eq_3(sr: float, hr: float) -> None:
    options = {"delta": 0.01, "warp_sr": sr, "warp_hr": hr}
    training: Any = SimpleNamespace(options=options, autocast=contextlib.nullcontext, step=step)
    module: Any = Moves()
    torch.manual_seed(1)
    low, high, flow = torch.rand(2, 8, 3, 3, 4), torch.rand(2, 2, 3, 12, 16), torch.rand(2, 2, 12, 16)
    made = [low[:, number].repeat_interleave(4, -1).repeat_interleave(4, -2) for number in (3, 4)]
    terms = siamese_terms((made[0], made[1]), (high[:, 0], high[:, 1]), flow, 0.01)
    due = terms["reconstruction"] + sr * terms["warp_sr"] + hr * terms["warp_hr"]
    found = fit.update(training, module, torch.optim.SGD(module.parameters(), lr=1.0), low, high, flow)
    assert found["loss"].item() == pytest.approx(due.item(), rel=1e-5)
    assert module.by.item() != 1.0


def test_samples_are_two_frames_in_the_middle_of_eight(monkeypatch: pytest.MonkeyPatch) -> None:
    module = duf_s((4, 6), (16, 24), USE)
    high, low = torch.rand(1, 2, 3, 8, 16, 24), torch.rand(1, 2, 3, 8, 4, 6)
    monkeypatch.setattr(fit, "flow_between", lambda one, other: torch.stack([one[:, 0], other[:, 0]], 1))
    rng = SimpleNamespace(random=lambda shape: torch.tensor([[0.99, 0.34]]))
    training: Any = SimpleNamespace(options={"pair_least": 1.0, "patch": 3}, rng=rng)
    seen, due, flow = fit.samples(training, module, batch(low, high))
    assert (seen.shape, due.shape, flow.shape) == ((2, 8, 3, 3, 3), (2, 2, 3, 12, 12), (2, 2, 12, 12))
    assert torch.equal(seen[1, 7], low[0, 1, :, 7, 1:4, 1:4])  # 2 and 4 places
    assert torch.equal(due[0, 0], high[0, 0, :, 3, 4:16, 4:16]) and torch.equal(due[0, 1], high[0, 0, :, 4, 4:16, 4:16])
    assert torch.equal(flow[1, 1], due[1, 1, 0])


def test_it_learns_and_its_terms_matter(fitted: Fitted) -> None:
    plain, first = fitted("enhancer.epochs=8")
    tied, second = fitted("enhancer.epochs=8", enhancer=TOSR)
    rows = [training.stages[0]["history"] for training in (first, second)]
    assert first.stages[0]["name"] == "duf" and not same(plain, tied)
    assert all(row[-1]["reconstruction"] < row[0]["reconstruction"] for row in rows)
    assert rows[0][0].keys() >= {"warp_sr", "warp_hr", "psnr"}  # logged, even if they have no weight
    assert first.stages[0]["key"] != second.stages[0]["key"]


# -- files


@pytest.mark.parametrize("wrapper", ["", "params"])
def test_a_public_file_is_loaded(fitted: Fitted, toy_catalog: Catalog, tmp_path: Path, wrapper: str) -> None:
    torch.manual_seed(3)
    state = {name: value.clone() for name, value in duf(16).state_dict().items()}
    torch.save({wrapper: state} if wrapper else state, tmp_path / "DUF_x4_16L.pth")
    catalog, name = add_enhancer_weights(toy_catalog, str(tmp_path / "DUF_x4_16L.pth"))
    module, training = fitted(catalog=catalog, enhancer_weights=name, enhancer="duf")
    assert same(module.network, SimpleNamespace(state_dict=lambda: state))  # type: ignore[arg-type]
    assert training.stages == []
    with pytest.raises(ElrError, match="do not fit enhancer 'duf' from 4x4 to 16x16"):
        fitted("enhancer.layers=28", catalog=catalog, enhancer_weights=name, enhancer="duf")
