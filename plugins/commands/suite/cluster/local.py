"""Jobs as processes of this machine. They belong to no terminal, so that Ctrl-C and the head's end do not end them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence

from benchmark_core.errors import ElrError
from benchmark_core.file_lock import process_status
from elrbench_plugins.commands.suite.cluster.executor import EngineRequest
from elrbench_plugins.commands.suite.cluster.job import JobFolder

WORKER = "elrbench_plugins.commands.suite.cluster.work"
POLL = 0.02  # s between two looks at the processes
GENTLE = 5.0  # s that a process has to end before it is killed


class LocalExecutor:
    """One process a job; with GPUs, one GPU a process.

    Ids are `PID.START.GPU`: process, its start in ticks since boot, and the value of CUDA_VISIBLE_DEVICES, if any.
    """

    name = "local"
    queues = False
    retries = 2
    tick = 0.2

    def __init__(self, request: EngineRequest, gpus: Sequence[str] = ()) -> None:
        if gpus and request.jobs is not None and request.jobs > len(gpus):
            raise ElrError(
                f"--jobs {request.jobs} is more than the {len(gpus)} GPUs of this machine, and each job gets one; use "
                f"--jobs {len(gpus)} or --device cpu"
            )
        self.slots: int | None = request.jobs or len(gpus) or 1
        self.threads = request.threads_of(gpu=bool(gpus))
        self.gpus = tuple(gpus)
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._taken: dict[str, str] = {}  # id -> GPU

    def submit(self, folder: JobFolder, after: Sequence[str] = ()) -> str:
        """Start the process; `after` is not used."""
        gpu = next((one for one in self.gpus if one not in self._taken.values()), "")
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": str(self.threads),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "CUDA_VISIBLE_DEVICES": gpu,
        }
        with folder.output.open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-m", WORKER, str(folder.run_folder.absolute())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        ident = f"{child.pid}.{process_status(child.pid)[1]}.{gpu}"
        self._children[ident] = child
        self._taken[ident] = gpu
        return ident

    def wait(self, seconds: float) -> None:
        """Return when a process has ended, at the latest after some seconds."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and all(child.poll() is None for child in self._children.values()):
            time.sleep(POLL)

    def ended(self, idents: Collection[str]) -> Mapping[str, str]:
        """Return the jobs whose process has ended, with its signal or exit code."""
        found = {}
        for ident in idents:
            child = self._children.get(ident)
            self._taken.setdefault(ident, ident.split(".", 2)[2])  # of an earlier head
            if child is None and _runs(ident):
                continue
            if child is not None and child.poll() is None:
                continue
            found[ident] = "" if child is None else _reason(child.returncode)
            self._children.pop(ident, None)
            self._taken.pop(ident, None)
        return found

    def cancel(self, idents: Collection[str]) -> None:
        """End the processes and their children."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            until = time.monotonic() + GENTLE
            for ident in filter(_runs, idents):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(int(ident.partition(".")[0]), number)
            while time.monotonic() < until and any(map(_runs, idents)):
                for child in self._children.values():
                    child.poll()
                time.sleep(POLL)

    def farewell(self) -> str:
        """Processes go on."""
        return "keep running on this machine"

    def close(self) -> None:
        """Do nothing: the processes belong to no head."""


def _runs(ident: str) -> bool:
    """Whether the process of an id is alive. A process that has ended and was not waited for is not."""
    pid, born, _ = ident.split(".", 2)
    status, ticks = process_status(int(pid))
    return str(ticks) == born and status not in ("Z", "X", "")


def _reason(code: int) -> str:
    if code < 0:
        return f"its process was killed by signal {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"


def visible_gpus(device: str | None) -> tuple[str, ...]:
    """Return the names of the GPUs that this process may use, for CUDA_VISIBLE_DEVICES; none if it is to use a CPU."""
    if device not in (None, "cuda"):
        return ()
    from benchmark_core.training.device import pick_device

    if pick_device(device).type != "cuda":
        return ()
    import torch

    named = [one.strip() for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one.strip()]
    return tuple(named or map(str, range(torch.cuda.device_count())))
