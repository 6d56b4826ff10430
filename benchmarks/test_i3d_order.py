"""Compare a training step of I3D in channels-last and channels-first order: `pytest -s benchmarks/test_i3d_order.py`.

Forward and backward of 8 windows of 16 frames at 64x84 in bfloat16. The two alternate; the median ratio is printed.
"""

from __future__ import annotations

import os
import statistics
import time

import torch

from elrbench_plugins.i3d.i3d import I3d, i3d

ROUNDS = int(os.environ.get("ELRBENCH_BENCHMARK_ROUNDS", "7"))
CLIPS = int(os.environ.get("ELRBENCH_BENCHMARK_CLIPS", "8"))


def seconds(net: I3d, clips: torch.Tensor) -> float:
    began = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16):
        made = net(clips)
    made.float().square().mean().backward()
    net.zero_grad()
    return time.perf_counter() - began


def test_the_order_of_maps() -> None:
    last, first = i3d(12), i3d(12)
    first.to(memory_format=torch.contiguous_format)
    assert last.Mixed_3b.b1b.conv3d.weight.is_contiguous(memory_format=torch.channels_last_3d)
    assert first.Mixed_3b.b1b.conv3d.weight.is_contiguous()
    clips = torch.rand(CLIPS, 3, 16, 64, 84)
    pairs = [(seconds(last, clips), seconds(first, clips)) for _ in range(ROUNDS + 1)][1:]
    ratio = statistics.median(one / other for one, other in pairs)
    print(f"\nchannels-last over channels-first: {ratio:.2f} of the time ({torch.get_num_threads()} threads)")
