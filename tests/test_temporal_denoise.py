"""The temporal denoiser: weights by hand, noise that it removes, motion that it leaves, and padding."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from benchmark_core.cost.macs import count_work
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from elrbench import Catalog, ElrError
from elrbench_plugins.temporal_denoise.denoise import TemporalDenoise, bilinear, estimate_sigma


def video(*levels: float) -> Tensor:
    """One pixel (1, 3, T, 1, 1) in grey levels."""
    return torch.tensor(levels).reshape(1, 1, -1, 1, 1).expand(1, 3, -1, 1, 1) / 255


def test_weights_by_hand() -> None:
    # sigma 2, s 1: d^2 = 9 is 1 above 2 sigma^2 = 8: exp(-1/8). d^2 = 4 is below: weight 1. d^2 = 25: exp(-17/8).
    found = TemporalDenoise(radius=1, patch=1, sigma=2.0)(video(10, 13, 15)).flatten()[:3] * 255
    near, far = math.exp(-1 / 8), math.exp(-17 / 8)
    assert found.tolist() == pytest.approx(
        [(10 + near * 13) / (1 + near), (13 + near * 10 + 15) / (2 + near), (15 + 13) / 2], rel=1e-4
    )
    wide = TemporalDenoise(radius=2, patch=1, sigma=2.0)(video(10, 13, 15)).flatten()[:1] * 255
    assert wide.item() == pytest.approx((10 + near * 13 + far * 15) / (1 + near + far), rel=1e-4)


def test_box_is_the_mean() -> None:
    found = TemporalDenoise(filter="box", radius=1, sigma=1.0)(video(3, 6, 12)).flatten()[:3] * 255
    assert found.tolist() == pytest.approx([4.5, 7, 9], rel=1e-5)


def test_a_patch_is_compared_as_a_whole() -> None:
    """One pixel of 3x3 differs by 30 levels: d^2 = 100 at its centre, and 0 five pixels away."""
    seen = torch.zeros(1, 3, 2, 9, 9)
    seen[:, :, 1, 4, 4] = 30 / 255
    found = TemporalDenoise(radius=1, patch=3, sigma=2.0)(seen) * 255
    weight = math.exp(-(100 - 8) / 8)
    assert found[0, 0, 0, 4, 4].item() == pytest.approx(30 * weight / (1 + weight), rel=1e-3)


def noisy(sigma: float, moves: bool = False) -> tuple[Tensor, Tensor]:
    """A scene (1, 3, 16, 12, 16) with an edge, still or moving by a pixel a frame; and with noise."""
    row = torch.arange(16)
    scene = torch.stack([(row < 4 + t * moves).float() * 0.4 + 0.3 for t in range(16)])[:, None, :].expand(-1, 12, -1)
    scene = scene.expand(1, 3, -1, -1, -1)
    return scene, scene + sigma / 255 * torch.randn(scene.shape, generator=torch.Generator().manual_seed(0))


def test_noise_falls_and_is_estimated() -> None:
    scene, seen = noisy(2.0)
    assert 255 * estimate_sigma(seen, torch.ones(1, 16)).item() == pytest.approx(2.0, rel=0.05)
    left = 255 * (TemporalDenoise()(seen) - scene).std()
    assert left < 2.0 / math.sqrt(5) * 1.2  # five frames


def test_noise_is_estimated_from_new_frames() -> None:
    """Differences 3, (0: not new), 1, 6: the lower middle of 1, 3, 6 is 3. Without a new frame: 1/10 grey level."""
    seen, new = video(10, 13, 13, 14, 20), torch.tensor([[1.0, 1, 0, 1, 1]])
    assert 255 * estimate_sigma(seen, new).item() == pytest.approx(3 / (0.6745 * math.sqrt(2)), rel=1e-4)
    still = torch.tensor([[1.0, 0, 0, 0, 0]])
    assert 255 * estimate_sigma(seen, still).item() == pytest.approx(0.1, rel=1e-4)


def test_a_moving_edge_stays() -> None:
    scene, seen = noisy(2.0, moves=True)
    blurred, found = (255 * (TemporalDenoise(filter=kind)(seen) - scene).abs().max() for kind in ("box", "nlm"))
    assert blurred > 40 and found < 10


def test_repeated_frames_get_the_result_of_the_frame_that_they_repeat() -> None:
    _, seen = noisy(2.0)
    padded = torch.cat([seen[:, :, :10], seen[:, :, 9:10].expand(-1, -1, 6, -1, -1)], 2)
    clean = TemporalDenoise()
    assert torch.allclose(clean(padded)[:, :, :10], clean(seen[:, :, :10]))
    assert torch.equal(clean(padded)[:, :, 10:], clean(padded)[:, :, 9:10].expand(-1, -1, 6, -1, -1))


def test_one_frame_and_still_frames_stay() -> None:
    _, seen = noisy(2.0)
    still = seen[:, :, :1].expand(-1, -1, 16, -1, -1)
    assert torch.equal(TemporalDenoise()(seen[:, :, :1]), seen[:, :, :1])
    assert torch.allclose(TemporalDenoise()(still), still)


def test_enhancer_returns_network_size() -> None:
    module = bilinear((12, 16), (48, 64), {"filter": "nlm", "radius": 2, "patch": 3, "sigma": 0.0, "strength": 1.0})
    assert module(noisy(2.0)[1]).shape == (1, 3, 16, 48, 64)
    assert not list(module.parameters())


@pytest.mark.parametrize(
    ("asked", "word"), [({"settings": ("enhancer.patch=4",)}, "odd"), ({"modality": "rgb+flow"}, "one by one")]
)
def test_refusals(catalog: Catalog, asked: dict[str, object], word: str) -> None:
    request = {"method": "supervised", "dataset": "puppets", "enhancer": "denoise-bilinear", **asked}
    with pytest.raises(ElrError, match=word):
        resolve_plan(catalog, PlanRequest(**request))  # type: ignore[arg-type]


def test_the_denoiser_counts_as_lighter_work() -> None:
    """Element-wise arithmetic and pooling, no multiply-adds of products; the same on tensors without values."""
    module = bilinear((12, 16), (48, 64), {"filter": "nlm", "radius": 2, "patch": 3, "sigma": 0.0, "strength": 1.0})
    counter = count_work(module, torch.rand(1, 3, 16, 12, 16))
    assert counter.products == 0 and counter.work["elementwise"] > 0
    assert count_work(module, torch.rand(1, 3, 16, 12, 16, device="meta")).work["elementwise"] > 0
