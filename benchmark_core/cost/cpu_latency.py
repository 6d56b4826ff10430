"""Latency of a recognizer on a CPU, per engine and number of threads, with the load of the machine."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from benchmark_core.cost.cpu_clock import CpuClock
from benchmark_core.cost.engines import ENGINES, Engine, Subject, subject_of
from benchmark_core.cost.load import LIMIT, BusyMachine, read_ticks, usable_cpus
from benchmark_core.cost.passes import Effort, Step, reason, timed
from benchmark_core.errors import ElrError, unknown
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.provenance import version_of
from benchmark_core.training.device import describe_processor

CPU_EFFORT = Effort(warm_up=1, warm_up_ms=300.0, passes=5, passes_ms=700.0, most=300)
BATCH, BATCH_MS = 32, 500.0  # clips of a throughput batch: at most 32, and so few that a pass takes about half a second
ATTEMPTS = 3  # a pause in the work of others may come: measure again before the figure is refused
LISTEN = 0.5  # seconds of listening to the load before anything is timed


@dataclass(frozen=True, kw_only=True)
class CpuRequest:
    """What to time on a CPU.

    engines: names in `ENGINES`. limit: largest load from other processes, as a fraction of the usable CPUs.
    """

    engines: Sequence[str] = tuple(ENGINES)
    limit: float = LIMIT
    effort: Effort = field(default_factory=lambda: CPU_EFFORT)

    def __post_init__(self) -> None:
        """Raise ElrError if an engine is unknown or none is named, or if the limit is not a fraction."""
        for name in self.engines:
            if name not in ENGINES:
                raise unknown("engine", name, ENGINES)
        if not self.engines:
            raise ElrError("no engine is named; pass for example --engines eager,onnxruntime")
        if not 0 <= self.limit <= 1:
            raise ElrError(f"the load of a machine is 0 to 1; a limit of {self.limit:g} is not")


def measure_cpu_latency(
    recognizer: Recognizer,
    low: Tensor,
    request: CpuRequest | None = None,
    *,
    clock: Callable[[int], CpuClock] = CpuClock,
    engines: Mapping[str, Engine] = ENGINES,
) -> dict[str, Any] | None:
    """Time passes in milliseconds and read the peak memory in bytes. None if the load of the machine cannot be read.

    low: one clip, float (1, K, 3, T, h, w), on the CPU. Every engine runs on one thread and on all CPUs that this
    process may use, each with one clip (`single`) and with a batch (`throughput`), the same batch for all engines.
    `load` is the largest load during timed passes. A mode that fails has `failed`, the reason in one line.
    clock, engines: replaced in tests.

    Raises:
        BusyMachine: if other processes use more than the limit before or during the measurement.
    """
    request = request or CpuRequest()
    if not _listen(request.limit):
        return None
    threads = len(usable_cpus())
    training, before = recognizer.training, torch.get_num_threads()
    try:
        with subject_of(recognizer.eval()) as subject:
            measurement = _Measurement(subject, low, request, clock)
            batch = measurement.batch()
            modes = [
                measurement.mode(engines[name], count, batch)
                for name in request.engines
                for count in dict.fromkeys((1, threads))
            ]
    finally:
        recognizer.train(training)
        torch.set_num_threads(before)
    return {
        "unit": "ms",
        "threads": threads,
        "processor": describe_processor(),
        "load": max(mode["load"] for mode in modes),
        "limit": request.limit,
        "effort": asdict(request.effort),
        "versions": {name: found for name in ("onnx", "onnxscript", "onnxruntime") if (found := version_of(name))},
        "modes": modes,
    }


def _listen(limit: float) -> bool:
    """Whether the load can be read. Raises BusyMachine if it is above the limit while this process waits."""
    before = read_ticks()
    if before is None:
        return False
    time.sleep(LISTEN)
    after = read_ticks()
    if after is not None and (load := before.load_until(after)) > limit:
        raise BusyMachine(load, limit)
    return True


@dataclass(frozen=True)
class _Measurement:
    subject: Subject
    low: Tensor
    request: CpuRequest
    clock: Callable[[int], CpuClock]

    def batch(self) -> int:
        """Return the clips of a throughput batch: a power of two, from the time of a clip on one thread."""
        with _threads(1), torch.inference_mode():
            self.subject.network(self.low)
            began = time.perf_counter()
            self.subject.network(self.low)
            clip_ms = 1000 * (time.perf_counter() - began)
        return batch_for(clip_ms)

    def mode(self, engine: Engine, threads: int, batch: int) -> dict[str, Any]:
        """Time one engine with one number of threads."""
        facts = {"engine": engine.name, "precision": engine.precision, "threads": threads}
        loads = [0.0]
        try:
            with _threads(threads):
                single = self._timed(engine, self.low, threads, loads)
                many = single
                if batch > 1:
                    clips = self.low.repeat(batch, *[1] * (self.low.ndim - 1))
                    many = self._timed(engine, clips, threads, loads)
        except BusyMachine:
            raise
        except Exception as error:  # exporters and compilers may raise anything
            failed = str(error) if isinstance(error, ElrError) else reason(error)
            return {**facts, "load": max(loads), "failed": " ".join(failed.split())[:240]}
        throughput = {"batch": batch, **many, "clips_per_second": batch * 1000 / many["median"]}
        return {**facts, "load": max(loads), "single": single, "throughput": throughput}

    def _timed(self, engine: Engine, clips: Tensor, threads: int, loads: list[float]) -> dict[str, Any]:
        """Time one shape of input; append the load to `loads`. Raises BusyMachine after several attempts."""
        engine.ready(self.subject, clips)
        clock = self.clock(_bytes_of(self.subject.network) if engine.in_torch else 0)
        with engine.prepare(self.subject, clips, threads) as step:
            found = self._quiet(step, clock)
        loads.append(clock.load)
        return {key: value for key, value in found.items() if key != "peak_memory" or value}

    def _quiet(self, step: Step, clock: CpuClock) -> dict[str, Any]:
        for _ in range(ATTEMPTS):
            found = timed(step, clock, self.request.effort)
            if clock.load <= self.request.limit:
                return found
        raise BusyMachine(clock.load, self.request.limit)


def batch_for(clip_ms: float) -> int:
    """Return the largest power of two up to BATCH whose clips take BATCH_MS at most; at least 1."""
    batch = BATCH
    while batch > 1 and batch * clip_ms > BATCH_MS:
        batch //= 2
    return batch


def _bytes_of(network: nn.Module) -> int:
    held = {tensor.data_ptr(): tensor.nbytes for tensor in [*network.parameters(), *network.buffers()]}
    return sum(held.values())


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let torch compute with `count` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
