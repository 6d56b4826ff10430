"""Clips per second of a training step on one core: `pytest -s benchmarks/test_native_step.py`.

Native backbones on 24 frames of 12x16, next to image networks on 4 frames of 96x128 (bilinear), all on JHMDB's 21
classes in float32, forward, backward and AdamW. Rounds of all networks alternate, and the median of CPU seconds is
printed: other processes on the machine change it less than seconds of the clock.
"""

from __future__ import annotations

import os
import statistics
import time

import pytest
import torch
from torch.nn import functional as F

from benchmark_core.networks.assemble import build_recognizer
from benchmark_core.networks.recognizer import Recognizer
from elrbench import Catalog, load_catalog

CLASSES, LOW = 21, (12, 16)
CLIPS = int(os.environ.get("ELRBENCH_BENCHMARK_CLIPS", "16"))
ROUNDS = int(os.environ.get("ELRBENCH_BENCHMARK_ROUNDS", "5"))
# backbone -> enhancer, size, intervals, frames
NETWORKS = {
    "native3d-s": ("none", LOW, 1, 24),
    "native3d-m": ("none", LOW, 1, 24),
    "native3d-l": ("none", LOW, 1, 24),
    "native-vit": ("none", LOW, 1, 24),
    "resnet18": ("bilinear", (96, 128), 4, 1),
    "efficientnet-lite0": ("bilinear", (96, 128), 4, 1),
}


def recognizer(catalog: Catalog, backbone: str) -> Recognizer:
    """Return the network from scratch, in training mode."""
    enhancer, size, intervals, frames = NETWORKS[backbone]
    return build_recognizer(
        backbone_spec=catalog.backbones[backbone],
        enhancer_spec=catalog.enhancers[enhancer],
        classes=CLASSES,
        size=size,
        sampling=(intervals, frames),
        low=LOW,
    ).train()


def test_training_steps(capsys: pytest.CaptureFixture[str]) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        took = measure()
    finally:
        torch.set_num_threads(threads)
    with capsys.disabled():
        print(f"\n{CLIPS} clips a step, one thread, median of {ROUNDS}:")
        for name, seconds in took.items():
            _, size, intervals, frames = NETWORKS[name]
            what = f"{intervals}x{frames} at {size[0]}x{size[1]}"
            print(f"{name:20} {what:16} {CLIPS / statistics.median(seconds):7.1f} clips/s")


def measure() -> dict[str, list[float]]:
    """Return CPU seconds of each network's steps; a first round warms up."""
    catalog = load_catalog()
    nets = {name: recognizer(catalog, name) for name in NETWORKS}
    optimisers = {name: torch.optim.AdamW(net.parameters(), 1e-3) for name, net in nets.items()}
    took: dict[str, list[float]] = {name: [] for name in NETWORKS}
    target = torch.arange(CLIPS) % CLASSES
    for number in range(ROUNDS + 1):
        for name, net in nets.items():
            _, _, intervals, frames = NETWORKS[name]
            low = torch.rand(CLIPS, intervals, 3, frames, *LOW)
            began = time.process_time()
            loss = F.cross_entropy(net(low), target)
            optimisers[name].zero_grad(set_to_none=True)
            loss.backward()
            optimisers[name].step()
            if number:
                took[name].append(time.process_time() - began)
    return took
