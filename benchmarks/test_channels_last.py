"""Compare orders of maps and precisions in training steps: `pytest -s benchmarks/test_channels_last.py`.

Forward and backward of 16 frames by backbones of clips, in channels-last and channels-first order, in fp32 and bf16.
The four alternate; medians of ratios are printed. Two-stream networks also compute flow, which has no order. bf16 is
fast only on processors with instructions for it (AVX512-BF16, AMX).
"""

from __future__ import annotations

import os
import statistics
import time

import pytest
import torch
from torch import nn

from benchmark_core.training.device import autocast_to_train
from benchmark_core.training.map_order import order_maps
from elrbench import load_catalog

ROUNDS = int(os.environ.get("ELRBENCH_BENCHMARK_ROUNDS", "7"))
CLIPS = int(os.environ.get("ELRBENCH_BENCHMARK_CLIPS", "8"))
SIDE = int(os.environ.get("ELRBENCH_BENCHMARK_SIDE", "64"))  # of frames, pixels
SHARE = {"native3d-s": 4, "lr-two-stream": 4, "elr-two-stream": 2}  # these get a part of the side, as they are trained
LAST, FIRST = "last", "first"
CPU = torch.device("cpu")
OWN_ORDER = ("i3d", "c3d", "native3d-s", "lr-two-stream", "elr-two-stream")  # channels-last in fp32, too


def ordered(net: nn.Module, order: str) -> nn.Module:
    net.to(memory_format=torch.contiguous_format)
    if order == LAST:
        order_maps(net, dims=2, precision="bf16")  # weights of 2D and of 3D convolutions
    return net


def seconds(net: nn.Module, clips: torch.Tensor, half: bool) -> float:
    began = time.perf_counter()
    with autocast_to_train(CPU, "bf16" if half else "fp32"):
        made = net(clips)
    made.float().square().mean().backward()
    net.zero_grad()
    return time.perf_counter() - began


@pytest.mark.parametrize(
    "backbone", ["i3d", "c3d", "r2plus1d-18", "resnet3d-18", "native3d-s", "lr-two-stream", "elr-two-stream"]
)
def test_channels_last(backbone: str) -> None:
    build = load_catalog().backbones[backbone].build
    nets = {order: ordered(build(12), order) for order in (LAST, FIRST)}
    side = max(SIDE // SHARE.get(backbone, 1), 12)  # the least of DIS flow
    clips = torch.rand(CLIPS, 3, 16, side, side)
    took = [
        {(order, half): seconds(net, clips, half) for order, net in nets.items() for half in (False, True)}
        for _ in range(ROUNDS + 1)
    ][1:]  # the first round warms up

    trained = LAST if backbone in OWN_ORDER else FIRST

    def share(one: tuple[str, bool], other: tuple[str, bool]) -> str:
        return f"takes {statistics.median(times[one] / times[other] for times in took):.2f} of the time of"

    print(
        f"\n{backbone} ({torch.get_num_threads()} threads): channels-last {share((LAST, False), (FIRST, False))} "
        f"channels-first in fp32, and {share((LAST, True), (FIRST, True))} it in bf16; "
        f"bf16 {share((LAST, True), (trained, False))} fp32 as trained"
    )
