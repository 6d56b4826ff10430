"""End the jobs of a suite: `elrbench suite cancel`."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from elrbench_plugins.commands.suite.cluster.engines import make_executor
from elrbench_plugins.commands.suite.cluster.job import JobFolder
from elrbench_plugins.commands.suite.cluster.sheet import Sheet, cancel_mark
from elrbench_plugins.commands.suite.cluster.state import present_state, write_state

PATIENCE = 30.0  # s until a cancelled command has ended the Ray that it started


def cancel_jobs(sheet: Sheet, out: Path) -> int:
    """End all jobs of a suite that run or are queued, and tell a running head to start no other.

    Returns the number of jobs that were ended; a job that was done before it could be ended does not count. Raises
    ElrError if the engine is absent.
    """
    folders = [JobFolder(out / run.digest) for run in sheet.runs]
    cancel_mark(out, sheet.suite).touch()
    alive = [folder for folder in folders if present_state(folder).phase in ("running", "queued")]
    if not alive:
        return 0
    if sheet.engine.on == "ray" and "address" not in sheet.engine.ray:
        _wait(alive)  # the command that started this Ray ends it
    else:
        _end(sheet, out, alive)
    for folder in alive:
        state = present_state(folder)
        if state.phase == "running" and state.host == socket.gethostname():  # the engine did not end it
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(state.pid, signal.SIGKILL)
        if not state.ended:
            write_state(folder, replace(state, phase="cancelled"))
    return sum(present_state(folder).phase == "cancelled" for folder in alive)


def _end(sheet: Sheet, out: Path, alive: Sequence[JobFolder]) -> None:
    """Tell the engine to end jobs."""
    executor = make_executor(replace(sheet.engine, jobs=None), out)
    try:
        for folder in alive:
            state = present_state(folder)
            if state.phase == "queued":  # a worker that starts now ends at once
                write_state(folder, replace(state, phase="cancelled"))
        executor.cancel([ident for on, ident in (folder.read_engine() for folder in alive) if on == executor.name])
    finally:
        executor.close()


def _wait(alive: Sequence[JobFolder]) -> None:
    """Wait until no job runs, for some time."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and any(present_state(folder).phase == "running" for folder in alive):
        time.sleep(0.1)
