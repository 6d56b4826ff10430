"""Latency of a recognizer on a GPU, and time of optical flow on the CPU. `cpu_latency` times recognizers on a CPU."""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark_core.clips.modality import algorithm
from benchmark_core.cost.clock import Clock, CudaClock
from benchmark_core.cost.passes import Effort, Step, reason, timed
from benchmark_core.cost.quiet_compiler import quiet_compiler
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.training.device import autocast, describe_device

THROUGHPUT_BATCH = 32  # clips; halved until the batch fits into memory
FLOW_PASSES = 5
FLOW_SHIFT = 2  # pixels between the two pictures that flow is timed on


EFFORT = Effort()


@dataclass(frozen=True)
class Variant:
    """A setting to time. precision "bf16" is autocast: weights stay fp32. compiled: `torch.compile`."""

    precision: str
    compiled: bool


VARIANTS = (Variant("bf16", False), Variant("fp32", True), Variant("bf16", True))  # in addition to plain fp32


def measure_latency(
    recognizer: Recognizer,
    low: Tensor,
    device: torch.device,
    *,
    effort: Effort = EFFORT,
    batch: int = THROUGHPUT_BATCH,
    variants: Sequence[Variant] = (),
    clock: Clock | None = None,
    compiler: Callable[[nn.Module], Callable[[Tensor], Tensor]] | None = None,
) -> dict[str, Any] | None:
    """Time forward passes in milliseconds and read the peak memory in bytes; None if `device` is not a GPU.

    low: one clip, float (1, K, 3, T, h, w). `single` is a batch of one clip. `throughput` is a batch of many clips,
    with clips per second from its median. Both give median and quartiles, in fp32 and not compiled. `variants` are
    the same in other settings; a variant that fails has `failed`, the reason in one line.
    clock, compiler: replace CUDA events and `torch.compile` in tests.
    """
    if clock is None:
        if device.type != "cuda":
            return None
        clock = CudaClock(device)
    training = recognizer.training
    recognizer.to(device).eval()
    low = low.to(device)
    try:
        with clock.at_work():
            with torch.inference_mode():
                single = timed(_passes(recognizer, low, "fp32"), clock, effort)
                throughput = _many(recognizer, low, "fp32", batch, clock, effort)
            notes = clock.notes()
            others = [
                _variant(variant, recognizer, low, throughput["batch"], clock, effort, compiler or _compile)
                for variant in variants
            ]
    finally:
        recognizer.train(training)
    return {
        "unit": "ms",
        "precision": "fp32",
        "compiled": False,
        **notes,
        "effort": asdict(effort),
        "single": single,
        "throughput": throughput,
        **({"variants": others} if variants else {}),
    }


def _compile(module: nn.Module) -> Callable[[Tensor], Tensor]:
    """Compile one graph per shape; a graph for any batch size would be slower."""
    compiled: Callable[[Tensor], Tensor] = torch.compile(module, dynamic=False)
    return compiled


def _variant(
    variant: Variant,
    recognizer: Recognizer,
    low: Tensor,
    batch: int,
    clock: Clock,
    effort: Effort,
    compiler: Callable[[nn.Module], Callable[[Tensor], Tensor]],
) -> dict[str, Any]:
    """Time one variant; a variant that cannot be compiled here returns `failed` and does not stop the measurement."""
    facts = asdict(variant)
    try:
        clock.release()
        # torch.compile does not support tensors made in inference mode.
        with torch.no_grad() if variant.compiled else torch.inference_mode(), quiet_compiler():
            network = compiler(recognizer) if variant.compiled else recognizer
            single = timed(_passes(network, low, variant.precision), clock, effort)
            return {
                **facts,
                "single": single,
                "throughput": _many(network, low, variant.precision, batch, clock, effort),
            }
    except Exception as error:  # a compiler may raise anything
        return {**facts, "failed": reason(error)}
    finally:
        if variant.compiled:
            torch.compiler.reset()  # free the graphs of this network


def _passes(network: Callable[[Tensor], Tensor], low: Tensor, precision: str) -> Step:
    """Return a function that runs one forward pass."""
    if precision == "fp32":
        return lambda: network(low)

    def step() -> Tensor:
        with autocast(low.device, precision):
            return network(low)

    return step


def _many(
    network: Callable[[Tensor], Tensor], low: Tensor, precision: str, batch: int, clock: Clock, effort: Effort
) -> dict[str, Any]:
    """Time the largest batch that fits into memory: `batch` clips, or half as many, a quarter, …"""
    while True:
        try:
            clips = low.repeat(batch, *[1] * (low.ndim - 1))
            times = timed(_passes(network, clips, precision), clock, effort)
            return {"batch": batch, **times, "clips_per_second": batch * 1000 / times["median"]}
        except torch.cuda.OutOfMemoryError:
            if batch == 1:
                raise
        batch //= 2
        clock.release()


def time_flow(stream: str, size: tuple[int, int]) -> dict[str, Any] | None:
    """Return median milliseconds of one flow field at `size` (H, W), in one thread; None if OpenCV is not installed.

    The two pictures are smooth noise, one shifted. The content changes the time of DIS little; TV-L1 stops when it has
    converged.
    """
    if importlib.util.find_spec("cv2") is None:
        return None
    from benchmark_core.clips.flow import calculator
    from benchmark_core.clips.flow_format import opencv

    height, width = size
    coarse = np.random.default_rng(0).integers(0, 256, (12, 16), dtype=np.uint8)
    wide = opencv().resize(coarse, (width + FLOW_SHIFT, height), interpolation=opencv().INTER_CUBIC)
    before, after = (np.ascontiguousarray(wide[:, left : left + width]) for left in (FLOW_SHIFT, 0))
    calculate = calculator(algorithm(stream))
    calculate(before, after)  # warms up
    times = []
    for _ in range(FLOW_PASSES):
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
