"""Repeat a step and summarise its times: warm-up, then passes by number and by time, then median and quartiles."""

from __future__ import annotations

import contextlib
import gc
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmark_core.cost.clock import Clock

Step = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Number of passes: at least `passes`, for at least `passes_ms` milliseconds, and at most `most`.

    warm_up, warm_up_ms: the same for untimed passes. They follow one untimed pass in which kernels are chosen and
    memory is allocated, and let the device reach its clock rate under load.
    """

    warm_up: int = 5
    warm_up_ms: float = 500.0
    passes: int = 20
    passes_ms: float = 1000.0
    most: int = 1000


def timed(step: Step, clock: Clock, effort: Effort) -> dict[str, Any]:
    """Return median and quartiles in milliseconds, the number of passes, and the peak memory in bytes."""
    step()
    _times(step, clock, effort.warm_up, effort.warm_up_ms, effort.most)
    clock.restart_peak()
    with _no_collection():
        times = _times(step, clock, effort.passes, effort.passes_ms, effort.most)
    return {**quartiles(times), "passes": len(times), "peak_memory": clock.peak()}


def _times(step: Step, clock: Clock, least: int, least_ms: float, most: int) -> list[float]:
    """Return the milliseconds of each pass."""
    times: list[float] = []
    spent = 0.0
    while len(times) < least or (spent < least_ms and len(times) < most):
        times.append(clock.time(step))
        spent += times[-1]
    return times


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python's garbage collector from running during a pass."""
    collects = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def quartiles(times: list[float]) -> dict[str, float]:
    """Return median and quartiles."""
    low, median, high = statistics.quantiles(times, n=4, method="inclusive")
    return {"median": median, "q1": low, "q3": high}


def reason(error: Exception) -> str:
    """Return why something was not measured, in one line of at most 240 characters."""
    first = (str(error).strip().splitlines() or ["no reason given"])[0]
    return f"{type(error).__name__}: {first}"[:240]
