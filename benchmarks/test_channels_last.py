"""Compare orders of maps and precisions in training steps: `pytest -s benchmarks/test_channels_last.py`.

Forward and backward of 16 frames by 3D backbones, in channels-last and channels-first order, in fp32 and bf16. The four
alternate; medians of ratios are printed. bf16 is fast only on processors with instructions for it (AVX512-BF16, AMX).
"""

from __future__ import annotations

import os
import statistics
import time

import pytest
import torch
from torch import nn

from benchmark_core.training.device import autocast_to_train
from elrbench import load_catalog

ROUNDS = int(os.environ.get("ELRBENCH_BENCHMARK_ROUNDS", "7"))
CLIPS = int(os.environ.get("ELRBENCH_BENCHMARK_CLIPS", "8"))
SIDE = int(os.environ.get("ELRBENCH_BENCHMARK_SIDE", "64"))  # of frames, pixels; native3d-s gets a quarter
LAST, FIRST = torch.channels_last_3d, torch.contiguous_format
CPU = torch.device("cpu")
OWN_ORDER = ("i3d", "c3d", "native3d-s")  # channels-last in fp32, too


def seconds(net: nn.Module, clips: torch.Tensor, half: bool) -> float:
    began = time.perf_counter()
    with autocast_to_train(CPU, "bf16" if half else "fp32"):
        made = net(clips)
    made.float().square().mean().backward()
    net.zero_grad()
    return time.perf_counter() - began


@pytest.mark.parametrize("backbone", ["i3d", "c3d", "r2plus1d-18", "resnet3d-18", "native3d-s"])
def test_channels_last(backbone: str) -> None:
    build = load_catalog().backbones[backbone].build
    nets = {order: build(12).to(memory_format=order) for order in (LAST, FIRST)}
    side = SIDE // 4 if backbone.startswith("native") else SIDE
    clips = torch.rand(CLIPS, 3, 16, side, side)
    took = [
        {(order, half): seconds(net, clips, half) for order, net in nets.items() for half in (False, True)}
        for _ in range(ROUNDS + 1)
    ][1:]  # the first round warms up

    trained = LAST if backbone in OWN_ORDER else FIRST

    def share(one: tuple[torch.memory_format, bool], other: tuple[torch.memory_format, bool]) -> str:
        return f"takes {statistics.median(times[one] / times[other] for times in took):.2f} of the time of"

    print(
        f"\n{backbone} ({torch.get_num_threads()} threads): channels-last {share((LAST, False), (FIRST, False))} "
        f"channels-first in fp32, and {share((LAST, True), (FIRST, True))} it in bf16; "
        f"bf16 {share((LAST, True), (trained, False))} fp32 as trained"
    )
