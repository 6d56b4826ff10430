"""How long optical flow takes: made before the network sees it, on the processor, and so a line of its own."""

from __future__ import annotations

import importlib.util
import statistics
import time
from typing import Any

import numpy as np
import torch

from benchmark_core.clips.modality import algorithm
from benchmark_core.training.device import describe_device

PASSES = 5
SHIFT = 2  # pixels that the second picture lies to the right of the first


def time_flow(stream: str, size: tuple[int, int]) -> dict[str, Any] | None:
    """Median milliseconds of one field at `size` (H, W), in one thread; None where OpenCV is not installed.

    Between two pictures of smooth noise, one shifted: what is in a picture changes the time little for DIS, and for
    TV-L1 in so far as it stops when it has settled.
    """
    if importlib.util.find_spec("cv2") is None:
        return None
    from benchmark_core.clips.flow import calculator
    from benchmark_core.clips.flow_format import opencv

    height, width = size
    coarse = np.random.default_rng(0).integers(0, 256, (12, 16), dtype=np.uint8)
    wide = opencv().resize(coarse, (width + SHIFT, height), interpolation=opencv().INTER_CUBIC)
    before, after = (np.ascontiguousarray(wide[:, left : left + width]) for left in (SHIFT, 0))
    calculate = calculator(algorithm(stream))
    calculate(before, after)
    times = []
    for _ in range(PASSES):
        began = time.perf_counter()
        calculate(before, after)
        times.append(1000 * (time.perf_counter() - began))
    return {
        "unit": "ms",
        "algorithm": algorithm(stream),
        "size": list(size),
        "field": statistics.median(times),
        "device": describe_device(torch.device("cpu")),
    }
