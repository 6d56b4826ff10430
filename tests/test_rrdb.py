"""ESRGAN's network: layers, sizes and files, and its training, with SoSR's weights and with a discriminator."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from test_dbpn_fit import Fitted, batch, fit_enhancer, same
from torch import Tensor, nn

from benchmark_core.catalog import Catalog
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.runs.time_estimate import estimate_times
from benchmark_core.training.averaging import step
from benchmark_core.training.training import Training
from benchmark_core.weights_file import add_enhancer_weights
from elrbench import ElrError
from elrbench_plugins.rrdb import fit
from elrbench_plugins.rrdb.enhancer import rrdb_s
from elrbench_plugins.rrdb.network import Rrdb
from elrbench_plugins.video_pairs.pairs import pairs_of

USE: dict[str, Any] = {"resize": False, "residual": False}
SMALL = {"enhancer": "rrdb-s", "degradation": "average-4x4", "size": "16x16"}


@pytest.fixture
def fitted(toy_catalog: Catalog, tmp_path: Path) -> Fitted:
    """`fitted(*settings, cache="a")`: see `fit_enhancer`; from 4x4 by 4 to 16x16."""

    def make(*settings: str, catalog: Catalog = toy_catalog, **fields: Any) -> tuple[nn.Module, Training]:
        return fit_enhancer(catalog, tmp_path, *settings, **{**SMALL, **fields})

    return make


def count(network: nn.Module) -> int:
    return sum(each.numel() for each in network.parameters())


# -- the network


def test_parameters_are_those_of_esrgan() -> None:
    def conv(ins: int, outs: int) -> int:
        return 9 * ins * outs + outs

    dense = sum(conv(64 + 32 * number, 32) for number in range(4)) + conv(64 + 4 * 32, 64)
    total = conv(3, 64) + 23 * 3 * dense + 4 * conv(64, 64) + conv(64, 3)
    with torch.device("meta"):
        network = Rrdb()
    assert count(network) == total == 16_697_987
    assert count(Rrdb(3, 32, 16)) == 578_755


def test_names_and_shapes_are_those_of_the_public_checkpoints() -> None:
    with torch.device("meta"):
        state = Rrdb().state_dict()
    assert len(state) == 2 * (23 * 3 * 5 + 6)
    for name, shape in {
        "conv_first.weight": (64, 3, 3, 3),
        "RRDB_trunk.0.RDB1.conv1.weight": (32, 64, 3, 3),
        "RRDB_trunk.22.RDB3.conv5.weight": (64, 192, 3, 3),
        "trunk_conv.bias": (64,),
        "upconv1.weight": (64, 64, 3, 3),
        "upconv2.weight": (64, 64, 3, 3),
        "HRconv.weight": (64, 64, 3, 3),
        "conv_last.weight": (3, 64, 3, 3),
    }.items():
        assert state[name].shape == shape


def test_a_dense_block_by_hand() -> None:
    """With every weight 0 but the biases, each map is its bias; a fifth of the last is added."""
    network = Rrdb(1, 2, 1)
    block = network.RRDB_trunk[0].RDB1
    for each in network.parameters():
        nn.init.zeros_(each)
    nn.init.constant_(block.conv5.bias, 1.0)
    x = torch.rand(1, 2, 3, 3)
    torch.testing.assert_close(block(x), x + 0.2)
    torch.testing.assert_close(network.RRDB_trunk[0](x), x + 0.2 * (x + 0.2))


def test_sizes_and_gradients() -> None:
    module = rrdb_s((5, 7), (20, 28), USE)
    view = module(torch.rand(2, 3, 5, 7))
    assert view.shape == (2, 3, 20, 28) and view.min() >= 0 and view.max() <= 1
    module.made(torch.rand(1, 3, 5, 7)).square().mean().backward()
    assert all(each.grad is not None and each.grad.isfinite().all() for each in module.parameters())


@pytest.mark.parametrize("enhancer", ["rrdb", "rrdb-s", "duf", "duf-s"])
def test_other_scales_are_refused(toy_catalog: Catalog, enhancer: str) -> None:
    request = {
        "method": "supervised",
        "dataset": "toy",
        "backbone": "resnet18",
        "budget": "smoke",
        "enhancer": enhancer,
    }
    with pytest.raises(ElrError, match=rf"'{enhancer}' enlarges 12x16 by 4, .*32x32; use --size 48x64, or --set"):
        resolve_plan(toy_catalog, PlanRequest(**request, size="32x32"))  # type: ignore[arg-type]
    plan = resolve_plan(
        toy_catalog,
        PlanRequest(**request, size="32x32", settings=("enhancer.resize=true",)),  # type: ignore[arg-type]
    )
    components = components_of(toy_catalog, plan)
    module = components.enhancer.build((12, 16), plan.size, components.options(plan, "enhancer")).eval()
    low = torch.rand(1, 3, *((16,) if components.enhancer.frames > 1 else ()), 12, 16)
    with torch.no_grad():
        assert module(low).shape[-2:] == (32, 32)


# -- pairs


def test_pairs_of_frames_are_flipped_alike() -> None:
    module = rrdb_s((4, 6), (16, 24), USE)
    high = torch.rand(2, 3, 3, 2, 16, 24)
    low = torch.rand(2, 3, 3, 2, 4, 6)
    box = torch.tensor([[0.0, 0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 1.0, 1.0, 1.0]])
    pairs = pairs_of(module, batch(low, high, box), 1.0)
    assert pairs.low.shape == (6, 2, 3, 4, 6) and pairs.high.shape == (6, 2, 3, 16, 24)
    assert pairs.clips == [0, 0, 0, 1, 1, 1]
    assert torch.equal(pairs.high[1, 0], high[0, 1, :, 0]) and torch.equal(pairs.low[2, 1], low[0, 2, :, 1])
    assert torch.equal(pairs.high[5, 1], high[1, 2, :, 1].flip(-1))
    assert torch.equal(pairs.low[3, 0], low[1, 0, :, 0].flip(-1))


def test_natively_low_pairs_are_of_clips_that_are_large_enough() -> None:
    module = rrdb_s(None, (16, 16), USE)
    high = [torch.rand(1, 3, 2, side, side) for side in (20, 12, 16)]
    low = [torch.rand(1, 3, 2, side, side) for side in (5, 6, 4)]
    pairs = pairs_of(module, batch(low, high), 1.0)
    assert pairs.clips == [0, 2] and pairs.low.shape == (2, 2, 3, 4, 4)
    assert torch.equal(pairs.high[1, 1], high[2][0, :, 1]) and torch.equal(pairs.low[1, 0], low[2][0, :, 0])


# -- updates


class Grows(nn.Module):
    """Multiplies its input by a number."""

    def __init__(self) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor(2.0))

    def enlarged(self, low: Tensor) -> Tensor:
        return self.by * low


@pytest.mark.parametrize("micro_batch", [0, 1])
def test_an_update_by_hand(micro_batch: int) -> None:
    """Two images of one pixel: 0.2 - 0.3 with weight 3, and 0.8 - 0.4 with weight 1."""
    training: Any = SimpleNamespace(
        options={"micro_batch": micro_batch, "pixel": "mse"}, autocast=contextlib.nullcontext, step=step
    )
    module: Any = Grows()
    low, high = torch.tensor([0.1, 0.4]).reshape(2, 1, 1, 1), torch.tensor([0.3, 0.4]).reshape(2, 1, 1, 1)
    weight = torch.tensor([3.0, 1.0]).reshape(2, 1, 1, 1)
    found = fit.update(training, module, torch.optim.SGD(module.parameters(), lr=1.0), low, high, weight)
    assert found["loss"].item() == pytest.approx((3 * 0.01 + 0.16) / 2)
    assert module.by.item() == pytest.approx(2 - (3 * 2 * -0.1 * 0.1 + 2 * 0.4 * 0.4) / 2, abs=1e-6)
    assert found["psnr"].item() == pytest.approx((20 + -10 * torch.tensor(0.16).log10().item()) / 2, rel=1e-4)


def test_the_rate_falls_in_the_second_half() -> None:
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    rates = []
    for epoch in range(4):
        fit.set_rate(optimiser, 0.5, epoch, 4)
        rates.append(optimiser.param_groups[0]["lr"])
    assert rates == pytest.approx([0.5, 0.5, 0.05, 0.05])


# -- stages


def test_it_learns(fitted: Fitted) -> None:
    _, training = fitted("enhancer.epochs=8", "enhancer.lr=0.001", "enhancer.residual=false", "enhancer.frames=2")
    (stage,) = training.stages
    loss = [row["loss"] for row in stage["history"]]
    assert stage["name"] == "rrdb" and loss[-1] < 0.7 * loss[0]


@pytest.mark.parametrize("residual", ["false", "true"])
def test_it_learns_patches(fitted: Fitted, residual: str) -> None:
    """Patches of 2x2 of the 4x4 low pixels; a patch is not resized to the network's usual input."""
    settings = ("enhancer.epochs=8", "enhancer.lr=0.001", "enhancer.frames=2", f"enhancer.residual={residual}")
    patches, training = fitted(*settings, "enhancer.patch=2")
    loss = [row["loss"] for row in training.stages[0]["history"]]
    assert loss[-1] < loss[0]
    whole, _ = fitted(*settings, "enhancer.patch=4")
    assert not same(whole, patches)


def test_patches_are_weighted_and_judged(fitted: Fitted) -> None:
    _, training = fitted("enhancer.patch=2", enhancer="rrdb-s:sosr-adversarial")
    assert [stage["name"] for stage in training.stages] == ["rrdb", "rrdb-later"]
    assert all(torch.tensor(value).isfinite() for value in training.stages[1]["history"][-1].values())


@pytest.mark.parametrize("residual", [False, True])
def test_a_patch_is_enlarged_by_four(residual: bool) -> None:
    module = rrdb_s((4, 6), (16, 24), {**USE, "residual": residual})
    view = torch.rand(2, 3, 4, 6)
    assert torch.equal(module.enlarged(view), module.made(view))
    patch = module.enlarged(view[..., :2, 1:4])
    assert patch.shape == (2, 3, 8, 12)
    module.network.conv_last.weight.detach().zero_()
    if residual:  # what is left is the input, enlarged bicubically
        due = torch.nn.functional.interpolate(view[..., :2, 1:4], scale_factor=4, mode="bicubic").clamp(0, 1)
        due = due + module.network.conv_last.bias.reshape(1, 3, 1, 1)
        assert torch.allclose(module.enlarged(view[..., :2, 1:4]), due, atol=1e-5)


def test_motion_weights_the_errors(fitted: Fitted) -> None:
    plain, first = fitted()
    weighted, second = fitted(enhancer="rrdb-s:sosr")
    assert not same(plain, weighted) and first.stages[0]["key"] != second.stages[0]["key"]
    assert "motion" in second.stages[0]["history"][0] and "motion" not in first.stages[0]["history"][0]
    equal, _ = fitted(enhancer="rrdb-s:mse")
    assert not same(equal, weighted)


def test_a_discriminator_follows(fitted: Fitted) -> None:
    _, training = fitted(enhancer="rrdb-s:sosr-adversarial")
    first, second = training.stages
    _, plain = fitted(enhancer="rrdb-s:sosr")
    assert (first["name"], second["name"]) == ("rrdb", "rrdb-later")
    assert plain.stages[0]["reused"] and plain.stages[0]["key"] == first["key"]
    row = second["history"][-1]
    assert {"pixels", "adversarial", "discriminator", "psnr"} <= row.keys() and "features" not in row
    assert all(torch.tensor(value).isfinite() for value in row.values())


def test_the_discriminator_learns_and_deceives(toy_catalog: Catalog) -> None:
    """Its step leaves the network alone, and the network's step leaves it alone."""
    training: Any = SimpleNamespace(
        options={"pixel": "mse", "pixel_weight": 0.01, "feature_weight": 0.0, "gan_weight": 1.0},
        autocast=contextlib.nullcontext,
        step=step,
        log=lambda **_: None,
    )
    module, judge = rrdb_s((4, 4), (16, 16), USE), fit.Discriminator((16, 16))
    optimisers = [torch.optim.SGD(each.parameters(), lr=0.01) for each in (module, judge)]
    low, high = torch.rand(3, 3, 4, 4), torch.rand(3, 3, 16, 16)

    def weights(network: nn.Module) -> Tensor:
        return nn.utils.parameters_to_vector(network.parameters()).detach().clone()

    before = [weights(each) for each in (module, judge)]
    fake = fit.deceive(training, module, judge, None, optimisers[0], low, high, None)
    between = [weights(each) for each in (module, judge)]
    assert not torch.equal(before[0], between[0]) and torch.equal(before[1], between[1])
    assert not fake.requires_grad and all(each.requires_grad for each in judge.parameters())
    fit.discern(training, judge, optimisers[1], fake, high)
    after = [weights(each) for each in (module, judge)]
    assert torch.equal(between[0], after[0]) and not torch.equal(between[1], after[1])


def test_the_feature_loss_reaches_the_image_alone(toy_catalog: Catalog) -> None:
    class Doubles(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.by = nn.Parameter(torch.tensor(2.0), requires_grad=False)

        def forward_features(self, x: Tensor) -> list[Tensor]:
            return [x, self.by * x]

    network: Any = SimpleNamespace(backbone=Doubles(), backbone_input=lambda x: x - 0.5)
    training: Any = SimpleNamespace(autocast=contextlib.nullcontext)
    made = torch.full((1, 3, 2, 2), 0.7, requires_grad=True)
    loss = fit.feature_error(training, network, made, torch.full((1, 3, 2, 2), 0.4))
    assert loss.item() == pytest.approx(2 * 0.3)
    loss.backward()
    assert made.grad is not None and made.grad.flatten()[0].item() == pytest.approx(2 / 12)


def test_the_feature_loss_needs_a_trained_network_of_frames(toy_catalog: Catalog) -> None:
    request = {"method": "supervised", "dataset": "toy", "budget": "smoke", "size": "48x64"}
    with pytest.raises(ElrError, match="needs a trained network, but --weights is scratch; pass --weights FILE") as one:
        resolve_plan(toy_catalog, PlanRequest(**request, enhancer="rrdb-s:sosr-perceptual", backbone="resnet18"))  # type: ignore[arg-type]
    with pytest.raises(ElrError, match="compares single frames, but backbone 'resnet3d-18'") as other:
        resolve_plan(
            toy_catalog,
            PlanRequest(**request, enhancer="rrdb-s:sosr-perceptual", backbone="resnet3d-18", sampling="1x4"),  # type: ignore[arg-type]
        )
    assert "\n" not in f"{one.value}{other.value}"


def test_clips_that_hardly_move_are_noted() -> None:
    notes: list[str] = []
    training: Any = SimpleNamespace(history=[{"motion": 0.01}], options={"weight_base": 0.0}, note=notes.append)
    fit.note_still_clips(training)
    assert len(notes) == 1 and "enhancer.weight_base" in notes[0]
    training.options["weight_base"] = 1.0
    fit.note_still_clips(training)
    training.options["weight_base"], training.history = 0.0, [{"motion": 0.5}]
    fit.note_still_clips(training)
    assert len(notes) == 1


def test_natively_low_clips(toy_catalog: Catalog, tmp_path: Path) -> None:
    for enhancer in ("rrdb-s:sosr-adversarial", "duf-s:tosr"):
        plan = resolve_plan(
            toy_catalog,
            PlanRequest(
                method="supervised", dataset="tiny-puppets", backbone="toynet", budget="smoke", size="32x32",
                enhancer=enhancer, settings=("method.batch=4",),
            ),
        )  # fmt: skip
        seconds = estimate_times(
            plan, components_of(toy_catalog, plan), clips=4, device=torch.device("cpu"), cache=tmp_path
        )
        assert all(each > 0 for each in seconds.values()) and len(seconds) >= 2


# -- files


@pytest.mark.parametrize("wrapper", ["", "params_ema", "params"])
def test_a_public_file_is_loaded(fitted: Fitted, toy_catalog: Catalog, tmp_path: Path, wrapper: str) -> None:
    torch.manual_seed(3)
    state = Rrdb(3, 32, 16).state_dict()
    torch.save({wrapper: state} if wrapper else state, tmp_path / "RRDB_x4.pth")
    catalog, name = add_enhancer_weights(toy_catalog, str(tmp_path / "RRDB_x4.pth"))
    module, training = fitted(catalog=catalog, enhancer_weights=name)
    assert same(module.network, SimpleNamespace(state_dict=lambda: state))  # type: ignore[arg-type]
    assert training.stages == [] and f"({len(state)} of {len(state)} tensors)" in training.notes[0]


def test_another_networks_file_is_refused(fitted: Fitted, toy_catalog: Catalog, tmp_path: Path) -> None:
    torch.save(Rrdb(1, 16, 8).state_dict(), tmp_path / "small.pth")
    catalog, name = add_enhancer_weights(toy_catalog, str(tmp_path / "small.pth"))
    with pytest.raises(ElrError, match=r"enhancer 'rrdb-s' from 4x4 to 16x16: .* pass another --enhancer"):
        fitted(catalog=catalog, enhancer_weights=name)


def test_frames_enhanced_by_a_file_are_kept_apart_by_residual(
    fitted: Fitted, toy_catalog: Catalog, tmp_path: Path
) -> None:
    """The file has the same weights for both; the output differs."""
    module, _ = fitted()
    file = tmp_path / "own.pth"
    torch.save(module.network.state_dict(), file)
    catalog, weights = add_enhancer_weights(toy_catalog, str(file))
    stages = set()
    for residual in ("false", "true", "true"):
        _, training = fitted(f"enhancer.residual={residual}", catalog=catalog, enhancer_weights=weights)
        enhancer = training._stored_enhancer(high=False)
        assert enhancer is not None
        stages.add(enhancer.stage)
    assert len(stages) == 2
