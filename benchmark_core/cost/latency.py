"""How long a GPU takes for a clip. Without a GPU there is no answer: a processor's time is no stand-in."""

from __future__ import annotations

import statistics
from typing import Any

import torch
from torch import Tensor

from benchmark_core.networks.recognizer import Recognizer

WARM_UP = 10  # passes before the clock starts: kernels are chosen, memory is claimed
PASSES = 50
THROUGHPUT_BATCH = 32  # clips; halved until it fits


def measure_latency(
    recognizer: Recognizer, low: Tensor, device: torch.device, *, passes: int = PASSES, batch: int = THROUGHPUT_BATCH
) -> dict[str, Any] | None:
    """Milliseconds of a forward pass in fp32, by CUDA events; None where `device` is no GPU.

    low: one clip, float (1, K, 3, T, h, w). `single` is a batch of one clip, `throughput` a batch of many with clips
    per second by its median; each with median and quartiles over `passes`. `peak_memory` is of `single`, in bytes.
    """
    if device.type != "cuda":
        return None
    training = recognizer.training
    recognizer.to(device).eval()
    try:
        with torch.inference_mode(), torch.cuda.device(device):
            torch.cuda.reset_peak_memory_stats(device)
            single = _quartiles(_times(recognizer, low.to(device), passes))
            peak = torch.cuda.max_memory_allocated(device)
            batch, times = _many(recognizer, low.to(device), batch, passes)
    finally:
        recognizer.train(training)
    throughput = _quartiles(times)
    return {
        "unit": "ms",
        "precision": "fp32",
        "tf32": {"convolution": torch.backends.cudnn.allow_tf32, "matmul": torch.backends.cuda.matmul.allow_tf32},
        "warm_up": WARM_UP,
        "passes": passes,
        "single": single,
        "throughput": {"batch": batch, **throughput, "clips_per_second": batch * 1000 / throughput["median"]},
        "peak_memory": peak,
    }


def _many(recognizer: Recognizer, low: Tensor, batch: int, passes: int) -> tuple[int, list[float]]:
    """The largest batch that fits, of `batch`, its half, its quarter, …; and its times."""
    while True:
        try:
            return batch, _times(recognizer, low.repeat(batch, *[1] * (low.ndim - 1)), passes)
        except torch.cuda.OutOfMemoryError:
            if batch == 1:
                raise
        batch //= 2
        torch.cuda.empty_cache()


def _times(recognizer: Recognizer, low: Tensor, passes: int) -> list[float]:
    """Milliseconds of each pass on the GPU's own clock."""
    for _ in range(WARM_UP):
        recognizer(low)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    times = []
    for _ in range(passes):
        start.record()
        recognizer(low)
        end.record()
        end.synchronize()  # the next pass does not queue behind this one
        times.append(start.elapsed_time(end))
    return times


def _quartiles(times: list[float]) -> dict[str, float]:
    low, median, high = statistics.quantiles(times, n=4, method="inclusive")
    return {"median": median, "q1": low, "q3": high}
