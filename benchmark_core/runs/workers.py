"""Start the processes of a plan that has several, and wait for them.

`elrbench run --processes N` starts N workers (`benchmark_core.cli.worker`), each of which runs the whole plan as one of
the ranks, and waits for them. They find each other through a store that this process holds, at a port that the system
chose. A worker's standard input is its line to this process: it carries the request, and if it closes, the worker ends.
So no worker outlives this process, however it ends.

A worker that fails leaves its error in the store. This process then ends the others and raises the error.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.plans.plan import Plan
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.places import LOOPBACK, check_devices, kind_of
from benchmark_core.runs.requests import request_of
from benchmark_core.training.ranks import PeerLost

WORKER = "benchmark_core.cli.worker"
STARTED = "ELRBENCH_WORKER"  # set in the environment of workers
ERROR = "elrbench/error/{rank}"  # key in the store
GRACE = 10.0  # s in which the other workers may end by themselves after one failed


def start(plan: Plan, catalog: Catalog, context: RunContext) -> None:
    """Run the plan in `plan.processes` workers on this machine and wait for them.

    Raises the error of the first worker that fails, after all have ended.
    """
    check_devices(plan, context.device)
    store = _store_class()(LOOPBACK, 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=60))
    line = json.dumps(request_of(plan, catalog, context)).encode() + b"\n"
    with _workers(plan.processes, store.port, context.device) as workers:
        for worker in workers:
            assert worker.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # it ended; its exit code says so
                worker.stdin.write(line)
                worker.stdin.flush()
        codes = _wait(workers)
    if any(codes):
        raise _failure(store, codes)


def _store_class() -> Any:
    """Return torch's store. Raises ElrError if this torch was built without `torch.distributed`."""
    if not dist.is_available():
        raise ElrError("this build of torch has no torch.distributed; install another build or remove --processes")
    return dist.TCPStore  # type: ignore[attr-defined]


@contextlib.contextmanager
def _workers(number: int, port: int, device: str | None) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start the workers; end those that still run when the block ends."""
    workers: list[subprocess.Popen[bytes]] = []
    try:
        for rank in range(number):
            workers.append(
                subprocess.Popen(
                    [sys.executable, "-m", WORKER],
                    env=worker_environment(os.environ, rank, number, port, kind_of(device)),
                    stdin=subprocess.PIPE,
                    stdout=None if rank == 0 else subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C reaches this process alone
                )
            )
        yield workers
    finally:
        _end(workers)


def worker_environment(given: Mapping[str, str], rank: int, number: int, port: int, kind: str) -> dict[str, str]:
    """Return the environment of a worker: what torchrun sets, one GPU, and its share of the threads of a CPU."""
    made = {
        **given,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(number),
        "LOCAL_WORLD_SIZE": str(number),
        "MASTER_ADDR": LOOPBACK,
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # torch: the store is that of the process that started this one
        STARTED: "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    made.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # no lines about connections that closed
    if "lo" in (name for _, name in socket.if_nameindex()):
        made.setdefault("GLOO_SOCKET_IFNAME", "lo")  # works without a network and a name of this machine
    if kind == "cpu":
        made.setdefault("OMP_NUM_THREADS", str(max(1, torch.get_num_threads() // number)))
    else:
        visible = [name for name in given.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
        made["CUDA_VISIBLE_DEVICES"] = visible[rank] if visible else str(rank)
    return made


def _wait(workers: list[subprocess.Popen[bytes]]) -> list[int]:
    """Return the exit codes, in order. After a failure the others have `GRACE` seconds to end by themselves."""
    deadline = None
    while any(worker.poll() is None for worker in workers):
        if deadline is None and any(worker.poll() for worker in workers):
            deadline = time.monotonic() + GRACE
        if deadline is not None and time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return [worker.poll() or 0 for worker in workers]


def _end(workers: list[subprocess.Popen[bytes]]) -> None:
    """End the workers that still run, first by SIGTERM, and close the lines to them."""
    running = [worker for worker in workers if worker.poll() is None]
    for worker in running:
        worker.terminate()
    for worker in workers:
        with contextlib.suppress(OSError):
            if worker.stdin is not None:
                worker.stdin.close()
        try:
            worker.wait(5)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
    if running and sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write("\x1b[?25h")  # the cursor, which a progress bar hides


def leave_error(rank: int, error: BaseException) -> None:
    """Put the error of a worker into the store of the process that started it."""
    known = isinstance(error, ElrError)
    note = {
        "text": str(error) if known else f"{type(error).__name__}: {error}; its traceback is above",
        "code": error.exit_code if isinstance(error, ElrError) else RunFailed.exit_code,
        "known": known,
        "lost": isinstance(error, PeerLost),
    }
    with contextlib.suppress(RuntimeError):  # it ended
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = _store_class()(address, port, is_master=False, timeout=timedelta(seconds=10))
        store.set(ERROR.format(rank=rank), json.dumps(note))


def _failure(store: Any, codes: list[int]) -> ElrError:
    """Return the error of the first worker that left one; else say which worker was ended by what."""
    left: dict[int, dict[str, Any]] = {}
    for rank in range(len(codes)):
        if store.check([ERROR.format(rank=rank)]):
            left[rank] = json.loads(store.get(ERROR.format(rank=rank)))
    killed = {rank: f"was ended by {signal.Signals(-code).name}" for rank, code in enumerate(codes) if code < 0}
    others = {rank: f"ended with code {code}" for rank, code in enumerate(codes) if code > 0 and rank not in left}
    found = [(rank, one) for rank, one in left.items() if not one["lost"]]
    if not found and not killed and not others:
        found = list(left.items())
    for rank, one in sorted(found, key=lambda item: not item[1]["known"]):
        text = f"process {rank}: {one['text']}" if rank or not one["known"] else one["text"]
        return RunFailed(text) if one["code"] == RunFailed.exit_code else ElrError(text)
    rank, how = next(iter((killed or others).items()))
    return RunFailed(
        f"process {rank} of {len(codes)} {how}; run the same command again to continue from the last finished epoch"
    )
