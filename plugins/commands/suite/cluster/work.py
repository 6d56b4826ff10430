"""Run one job in this process: check the machine, run the plan, keep the state. `python -m …work RUN_FOLDER`."""

from __future__ import annotations

import os
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from filelock import Timeout

from benchmark_core.cli.console import ConsoleReporter
from benchmark_core.errors import ElrError, RunFailed, exit_call, explain
from benchmark_core.file_lock import acquire
from benchmark_core.runs.context import RunContext
from elrbench_plugins.commands.suite.cluster.job import Job, JobFolder
from elrbench_plugins.commands.suite.cluster.job_reporter import JobReporter
from elrbench_plugins.commands.suite.cluster.state import JobState, Phase, read_state, write_state
from elrbench_plugins.commands.suite.cluster.worker_check import check_worker

PATIENCE = 3.0  # s to wait for a worker of the same plan that is about to end


def work(run_folder: str) -> Phase:
    """Run the job of a run folder, and return the phase in which it ended.

    Every error of the run is kept in the state. Another worker of the same plan is not disturbed. A signal handler
    of the executor may raise SystemExit, which passes. Raises RunFailed if this machine does not see the folder.
    """
    folder = JobFolder(Path(run_folder))
    if not folder.job.is_file():
        raise RunFailed(
            f"worker {socket.gethostname()} does not see {folder.job}; pass --out with a folder on a shared file system"
        )
    with folder.output.open("a", encoding="utf-8", buffering=1) as log, _output_to(log):
        reporter = ConsoleReporter(log, terminal=False)
        try:
            with acquire(folder.lock, timeout=PATIENCE):
                return _locked(folder, reporter)
        except Timeout:
            reporter.warn("another worker runs this plan; this one ends")
            return read_state(folder).phase


def _locked(folder: JobFolder, reporter: ConsoleReporter) -> Phase:
    before, host = read_state(folder), socket.gethostname()
    if before.phase == "cancelled":
        return before.phase
    state = JobState(phase="running", host=host, pid=os.getpid(), attempt=max(1, before.attempt), started=time.time())
    write_state(folder, state)
    error = ""
    try:
        _run(folder, state, reporter)
    except (ElrError, SystemExit) as caught:
        if (requeued := _exit_of_engine(caught)) is not None:
            raise requeued from None
        error = f"a plugin ended the program: {exit_call(caught)}" if isinstance(caught, SystemExit) else str(caught)
    except Exception as caught:  # a bug in a method, or out of memory
        line = explain(caught)
        error = line or f"{type(caught).__name__}: {' '.join(str(caught).split())}"
        if line is None:
            reporter.warn("".join(traceback.format_exception(caught)).rstrip())
    phase: Phase = "failed" if error else "done"
    if error:
        reporter.warn(error)
    write_state(folder, replace(state, phase=phase, error=error))
    return phase


def _run(folder: JobFolder, state: JobState, printer: ConsoleReporter) -> None:
    job = folder.read_job()
    os.environ["OMP_NUM_THREADS"] = str(job.threads)  # of child processes
    if "," in (gpus := os.environ.get("CUDA_VISIBLE_DEVICES", "")):  # the engine gave several: one process, one GPU
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus.partition(",")[0]
    catalog = check_worker(job, state.host)

    def note(stage: str, epoch: int, epochs: int, eta: float | None) -> None:
        write_state(folder, replace(state, stage=stage, epoch=epoch, epochs=epochs, eta=eta))

    import torch

    from benchmark_core.runs.folder import refuse_other_plan
    from benchmark_core.runs.runner import run

    torch.set_num_threads(job.threads)
    refuse_other_plan(job.out, job.plan.digest)
    run(job.plan, catalog, _context(job, JobReporter(printer, note, job.macs)))


def _context(job: Job, reporter: JobReporter) -> RunContext:
    return RunContext(
        data=job.data,
        out=job.out,
        cache=job.cache,
        extra=job.extra,
        reporter=reporter,
        bad_clips=job.bad_clips,
        shared_clips=job.shared_clips,
        device=job.device,
        track=job.track,
        validate=job.validate,
    )


def _exit_of_engine(error: BaseException | None) -> SystemExit | None:
    """Return the SystemExit of submitit's signal handler, which ends a job that is put back into the queue.

    The handler raises it at any point of the run, also inside a plugin, where the core turns it into an ElrError.
    """
    while error is not None:
        walked = traceback.walk_tb(error.__traceback__)
        modules = [str(frame.f_globals.get("__name__", "")) for frame, _ in walked]
        if isinstance(error, SystemExit) and any(module.partition(".")[0] == "submitit" for module in modules):
            return error
        error = error.__cause__
    return None


@contextmanager
def _output_to(log: TextIO) -> Iterator[None]:
    """Send standard output and error to `log`, also those of C libraries and child processes."""
    kept = {number: os.dup(number) for number in (1, 2)}
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    try:
        for number in kept:
            os.dup2(log.fileno(), number)
        with redirect_stdout(log), redirect_stderr(log):
            yield
    finally:
        log.flush()
        for number, copy in kept.items():
            os.dup2(copy, number)
            os.close(copy)


if __name__ == "__main__":
    try:
        sys.exit(0 if work(sys.argv[1]) == "done" else 1)
    except RunFailed as failure:
        sys.exit(f"elrbench: error: {failure}")
