"""Time and peak memory of work on a CUDA device."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch

QUERY = ("clocks.sm", "clocks.max.sm", "clocks.mem", "clocks.max.mem", "temperature.gpu")


class Clock(Protocol):
    """The device functions that `latency` uses."""

    def at_work(self) -> AbstractContextManager[None]:
        """Context for all timed work."""

    def time(self, step: Callable[[], object]) -> float:
        """Return the milliseconds of `step` on the device, after all earlier work is done."""

    def restart_peak(self) -> None:
        """Restart the measurement of peak memory."""

    def peak(self) -> int:
        """Return the peak memory in bytes since `restart_peak`, with weights and inputs."""

    def release(self) -> None:
        """Free cached memory."""

    def notes(self) -> dict[str, Any]:
        """Return what times depend on besides the network: settings, versions, clock rates."""


class CudaClock:
    """Time by CUDA events before and after a pass.

    Each pass is synchronised before the next one starts. Time that the GPU waits for kernel launches counts.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Make the device current, so that events and compiled kernels use it even if it is not device 0."""
        with torch.cuda.device(self.device):
            yield

    def time(self, step: Callable[[], object]) -> float:
        """Return the milliseconds between an event before `step` and one after it."""
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        torch.cuda.synchronize(self.device)
        start.record()
        step()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end))

    def restart_peak(self) -> None:
        """Reset the peak of torch's allocator."""
        torch.cuda.reset_peak_memory_stats(self.device)

    def peak(self) -> int:
        """Return the peak of torch's allocator; memory of CUDA itself and of libraries is not in it."""
        return int(torch.cuda.max_memory_allocated(self.device))

    def release(self) -> None:
        """Empty the cache of torch's allocator."""
        torch.cuda.empty_cache()

    def notes(self) -> dict[str, Any]:
        """Return TF32 and cuDNN settings, versions of CUDA and cuDNN, and clock rates."""
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        return {
            "tf32": {"convolution": torch.backends.cudnn.allow_tf32, "matmul": torch.backends.cuda.matmul.allow_tf32},
            "cudnn": {"version": cudnn, "benchmark": torch.backends.cudnn.benchmark},
            "cuda": torch.version.cuda,
            "clocks": self._clocks(),
        }

    def _clocks(self) -> dict[str, float] | None:
        """Return the clock rates that nvidia-smi reports just after the work, or None."""
        found = getattr(torch.cuda.get_device_properties(self.device), "uuid", None)
        if found is None:
            return None
        query = (f"--id=GPU-{str(found).removeprefix('GPU-')}", f"--query-gpu={','.join(QUERY)}")
        try:
            done = subprocess.run(
                ["nvidia-smi", *query, "--format=csv,noheader,nounits"],
                capture_output=True,
                text=True,
                timeout=20,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return read_clocks(done.stdout)


def read_clocks(line: str) -> dict[str, float] | None:
    """Parse `1980, 1980, 2619, 2619, 41` into MHz and degrees Celsius by name; None if there is no number.

    Values such as `[N/A]` and `[Not Supported]`, which a partition of a GPU reports, are left out.
    """
    cells = [cell.strip() for cell in (line.splitlines() or [""])[0].split(",")]
    read = {}
    for name, cell in zip(QUERY, cells, strict=False):
        with contextlib.suppress(ValueError):
            read[name] = float(cell)
    return read or None
