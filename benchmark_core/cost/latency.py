"""How long a GPU takes for a clip. Without a GPU there is no answer: a processor's time is no stand-in."""

from __future__ import annotations

import contextlib
import gc
import statistics
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmark_core.cost.clock import Clock, CudaClock
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.training.device import autocast

THROUGHPUT_BATCH = 32  # clips; halved until it fits
Step = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is measured: of either number or time whichever is more, and no more passes than `most`.

    warm_up: passes before the clock counts, after a first one that takes what it takes: kernels are chosen, memory is
    claimed, and the GPU reaches the clock that it holds under load.
    """

    warm_up: int = 5
    warm_up_ms: float = 500.0
    passes: int = 20
    passes_ms: float = 1000.0
    most: int = 1000


EFFORT = Effort()


@dataclass(frozen=True)
class Variant:
    """bf16: by autocast, as in training: weights stay fp32, and each pass rounds them. compiled: `torch.compile`."""

    precision: str
    compiled: bool


VARIANTS = (Variant("bf16", False), Variant("fp32", True), Variant("bf16", True))  # beside fp32 as it is


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
    """Milliseconds of a forward pass and bytes of memory at their peak; None where `device` is no GPU.

    low: one clip, float (1, K, 3, T, h, w). `single` is a batch of one clip, `throughput` a batch of many with clips
    per second by its median; each with median and quartiles over its passes, in fp32 and not compiled. `variants` are
    the same of other settings, or `failed` with a line that says why one of them cannot be had.
    clock, compiler: CUDA events and `torch.compile`, where nothing else is given.
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
                single = _timed(_passes(recognizer, low, "fp32"), clock, effort)
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
    """A graph for each shape: one that fits any batch would be slower."""
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
    """`single` and `throughput` of it; or `failed`: that something cannot be compiled here is no failed measurement."""
    facts = asdict(variant)
    try:
        clock.release()
        # Inference mode is no place to compile in: torch guards against its tensors. No gradient is asked for either.
        with torch.no_grad() if variant.compiled else torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # compilers talk
            network = compiler(recognizer) if variant.compiled else recognizer
            single = _timed(_passes(network, low, variant.precision), clock, effort)
            return {
                **facts,
                "single": single,
                "throughput": _many(network, low, variant.precision, batch, clock, effort),
            }
    except Exception as error:  # whatever a compiler raises
        first = (str(error).strip().splitlines() or ["no reason given"])[0]
        return {**facts, "failed": f"{type(error).__name__}: {first}"[:240]}
    finally:
        if variant.compiled:
            torch.compiler.reset()  # its graphs go; the next network begins anew


def _passes(network: Callable[[Tensor], Tensor], low: Tensor, precision: str) -> Step:
    """One forward pass."""
    if precision == "fp32":
        return lambda: network(low)

    def step() -> Tensor:
        with autocast(low.device, precision):
            return network(low)

    return step


def _many(
    network: Callable[[Tensor], Tensor], low: Tensor, precision: str, batch: int, clock: Clock, effort: Effort
) -> dict[str, Any]:
    """Of the largest batch that fits, of `batch`, its half, its quarter, …"""
    while True:
        try:
            clips = low.repeat(batch, *[1] * (low.ndim - 1))
            timed = _timed(_passes(network, clips, precision), clock, effort)
            return {"batch": batch, **timed, "clips_per_second": batch * 1000 / timed["median"]}
        except torch.cuda.OutOfMemoryError:
            if batch == 1:
                raise
        batch //= 2
        clock.release()


def _timed(step: Step, clock: Clock, effort: Effort) -> dict[str, Any]:
    """Median and quartiles in milliseconds, how many passes they are of, and the peak of memory."""
    step()
    _times(step, clock, effort.warm_up, effort.warm_up_ms, effort.most)
    clock.restart_peak()
    with _undisturbed():
        times = _times(step, clock, effort.passes, effort.passes_ms, effort.most)
    return {**_quartiles(times), "passes": len(times), "peak_memory": clock.peak()}


def _times(step: Step, clock: Clock, least: int, least_ms: float, most: int) -> list[float]:
    """Milliseconds of each pass."""
    times: list[float] = []
    spent = 0.0
    while len(times) < least or (spent < least_ms and len(times) < most):
        times.append(clock.time(step))
        spent += times[-1]
    return times


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Without Python's collector of cycles in the middle of a pass."""
    collects = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _quartiles(times: list[float]) -> dict[str, float]:
    low, median, high = statistics.quantiles(times, n=4, method="inclusive")
    return {"median": median, "q1": low, "q3": high}
