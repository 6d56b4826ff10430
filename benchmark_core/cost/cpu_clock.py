"""Time, peak memory and load of work on a CPU."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmark_core.cost.load import read_ticks

SELF = Path("/proc/self")


class CpuClock:
    """Time by a monotonic clock; memory and load from /proc.

    weights: bytes of weights that are in memory before the clock is made.
    load: after `peak`, the fraction of CPU time that other processes used since `restart_peak`; 0 without /proc.
    """

    def __init__(self, weights: int = 0) -> None:
        self.weights = weights
        self.load = 0.0
        self.release()
        self._before = _memory("VmRSS")
        self._ticks = read_ticks()
        self._resets = False

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """A CPU needs no context."""
        yield

    def time(self, step: Callable[[], object]) -> float:
        """Return the milliseconds of `step`."""
        began = time.perf_counter()
        step()
        return 1000 * (time.perf_counter() - began)

    def restart_peak(self) -> None:
        """Restart the kernel's record of the peak, and the measurement of load."""
        try:
            (SELF / "clear_refs").write_text("5", encoding="ascii")  # resets VmHWM, see proc(5)
            self._resets = True
        except OSError:
            self._resets = False
        self._ticks = read_ticks()

    def peak(self) -> int:
        """Return the peak of resident memory in bytes above that before the clock was made, plus the weights.

        Libraries that were loaded before are not in it. 0 if the system does not tell.
        """
        now = read_ticks()
        self.load = self._ticks.load_until(now) if self._ticks and now else 0.0
        return max(0, _memory("VmHWM") - self._before) + self.weights if self._resets else 0

    def release(self) -> None:
        """Return freed memory to the system, so that it is not taken for memory in use."""
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):  # glibc alone has it
            ctypes.CDLL(None).malloc_trim(0)

    def notes(self) -> dict[str, Any]:
        """Return nothing: a CPU has no settings that times depend on."""
        return {}


def _memory(key: str) -> int:
    """Return VmRSS (resident now) or VmHWM (peak) of this process in bytes, or 0."""
    try:
        found = re.search(rf"{key}:\s+(\d+) kB", (SELF / "status").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return 0
    return 1024 * int(found[1]) if found else 0
