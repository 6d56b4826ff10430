"""The GPU's own stopwatch and memory gauge."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch

QUERY = ("clocks.sm", "clocks.max.sm", "clocks.mem", "clocks.max.mem", "temperature.gpu")


class Clock(Protocol):
    """What `latency` asks of a device."""

    def at_work(self) -> AbstractContextManager[None]:
        """Everything that is timed stands in it."""

    def time(self, step: Callable[[], object]) -> float:
        """Milliseconds that `step` takes on the device, once all before it is done."""

    def restart_peak(self) -> None:
        """The peak of memory is measured from here on."""

    def peak(self) -> int:
        """Bytes held at most since then, weights and inputs included."""

    def release(self) -> None:
        """Memory that nothing holds any more goes back."""

    def notes(self) -> dict[str, Any]:
        """What times depend on beside the network: settings, versions, the clocks that the device runs at."""


class CudaClock:
    """By CUDA events, which stand in the stream of work: what is between two of them is what a pass takes.

    A pass is waited for before the next begins, so that a launch that waits for the processor counts.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Events, streams and generated kernels are the device's own, also where it is not the first one."""
        with torch.cuda.device(self.device):
            yield

    def time(self, step: Callable[[], object]) -> float:
        """Milliseconds between an event before `step` and one after it."""
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        torch.cuda.synchronize(self.device)
        start.record()
        step()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end))

    def restart_peak(self) -> None:
        """Of torch's allocator."""
        torch.cuda.reset_peak_memory_stats(self.device)

    def peak(self) -> int:
        """As torch's allocator gave it out; what CUDA itself and libraries claim is beside it."""
        return int(torch.cuda.max_memory_allocated(self.device))

    def release(self) -> None:
        """Of torch's allocator."""
        torch.cuda.empty_cache()

    def notes(self) -> dict[str, Any]:
        """Whether fp32 products are rounded to TF32, whether cuDNN tries its kernels out, versions, clocks."""
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        return {
            "tf32": {"convolution": torch.backends.cudnn.allow_tf32, "matmul": torch.backends.cuda.matmul.allow_tf32},
            "cudnn": {"version": cudnn, "benchmark": torch.backends.cudnn.benchmark},
            "cuda": torch.version.cuda,
            "clocks": self._clocks(),
        }

    def _clocks(self) -> dict[str, float] | None:
        """As the driver tells them just after work; None where it does not."""
        found = getattr(torch.cuda.get_device_properties(self.device), "uuid", None)
        if found is None:
            return None
        asked = (f"--id=GPU-{str(found).removeprefix('GPU-')}", f"--query-gpu={','.join(QUERY)}")
        try:
            told = subprocess.run(
                ["nvidia-smi", *asked, "--format=csv,noheader,nounits"],
                capture_output=True,
                text=True,
                timeout=20,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return read_clocks(told.stdout)


def read_clocks(told: str) -> dict[str, float] | None:
    """`1980, 1980, 2619, 2619, 41` by name, in MHz and degrees Celsius; what is not told is left out, None if nothing.

    A part of a GPU tells `[N/A]`, or `[Not Supported]`.
    """
    cells = [cell.strip() for cell in (told.splitlines() or [""])[0].split(",")]
    read = {}
    for name, cell in zip(QUERY, cells, strict=False):
        with contextlib.suppress(ValueError):
            read[name] = float(cell)
    return read or None
