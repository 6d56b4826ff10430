"""The state of a job, as a JSON file that its worker writes and everybody reads."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from benchmark_core.atomic import write_whole
from benchmark_core.file_lock import is_locked
from elrbench_plugins.commands.suite.cluster.job import JobFolder

Phase = Literal["waiting", "queued", "running", "done", "failed", "cancelled", "lost"]
ENDED = ("done", "failed", "cancelled")


@dataclass(frozen=True, kw_only=True)
class JobState:
    """What is known of a job.

    phase: waiting for its turn or for a stage; queued by the executor; running; done; failed; cancelled; lost, if its
        worker ended without a result.
    host, pid: of the worker. stage, epoch, epochs: what it trains; epoch counts from 1; 0 outside a loop.
    eta: seconds of training left, or None. error: why it failed. attempt: from 1. started, updated: seconds since 1970.
    """

    phase: Phase = "waiting"
    host: str = ""
    pid: int = 0
    stage: str = ""
    epoch: int = 0
    epochs: int = 0
    eta: float | None = None
    error: str = ""
    attempt: int = 0
    started: float = 0.0
    updated: float = 0.0

    @property
    def ended(self) -> bool:
        """Whether the job has a result, good or bad."""
        return self.phase in ENDED


def write_state(folder: JobFolder, state: JobState) -> JobState:
    """Write the state with the present time."""
    state = replace(state, updated=time.time())
    write_whole(folder.state, json.dumps(asdict(state)).encode(), durable=False)
    return state


def read_state(folder: JobFolder) -> JobState:
    """Return the written state; "waiting" if there is none or it cannot be read."""
    try:
        plain: Any = json.loads(folder.state.read_bytes())
        known = {field.name for field in fields(JobState)}
        state = JobState(**{key: value for key, value in plain.items() if key in known})
        return state if state.phase in get_args(Phase) else JobState()
    except (OSError, ValueError, TypeError, AttributeError):
        return JobState()


def present_state(folder: JobFolder) -> JobState:
    """Return the state; "lost" if it says that a worker runs but no process holds the job's lock."""
    state = read_state(folder)
    if state.phase == "running" and not is_locked(folder.lock):
        state = read_state(folder)  # it may have ended in between
        if state.phase == "running":
            return replace(state, phase="lost")
    return state
