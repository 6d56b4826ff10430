"""Memory order of convolutions: 2D networks, 3D networks in bf16, and backbones that choose for themselves."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmark_core.catalog import Catalog
from benchmark_core.training.map_order import order_maps

PLAIN, LAST_2D, LAST_3D = torch.contiguous_format, torch.channels_last, torch.channels_last_3d


@pytest.mark.parametrize(
    ("dims", "precision", "orders"),
    [
        (2, "fp32", (LAST_2D, PLAIN)),
        (2, "bf16", (LAST_2D, LAST_3D)),
        (3, "fp32", (PLAIN, PLAIN)),
        (3, "bf16", (PLAIN, LAST_3D)),
    ],
)
def test_orders(dims: int, precision: str, orders: tuple[torch.memory_format, ...]) -> None:
    torch.manual_seed(0)
    flat, deep = nn.Conv2d(2, 4, 3), nn.Conv3d(2, 4, 3)
    module = nn.ModuleList([flat, deep])
    before = [parameter.clone() for parameter in module.parameters()]
    order_maps(module, dims=dims, precision=precision)
    for net, order in zip((flat, deep), orders, strict=True):
        assert net.weight.is_contiguous(memory_format=order)
    assert all(torch.equal(one, other) for one, other in zip(before, module.parameters(), strict=True))


@pytest.mark.parametrize("backbone", ["i3d", "c3d", "native3d-s", "elr-two-stream", "lr-two-stream"])
def test_backbones_that_are_faster_in_fp32_choose_channels_last(catalog: Catalog, backbone: str) -> None:
    net = catalog.backbones[backbone].build(3)
    order_maps(net, dims=3, precision="fp32")
    several = [p for p in net.parameters() if p.dim() >= 4 and p.shape[1] > 1 and p[0, 0].numel() > 1]
    orders = {4: LAST_2D, 5: LAST_3D}
    assert several and all(weight.is_contiguous(memory_format=orders[weight.dim()]) for weight in several)
    assert net(torch.rand(1, 3, 16, 32, 32)).shape == (1, 3)


def test_elsewhere_than_on_a_cpu_3d_weights_keep_their_order() -> None:
    net = nn.Conv3d(2, 4, 3, device="meta")
    order_maps(net, dims=3, precision="bf16")
    assert net.weight.is_contiguous()
