"""What the head needs from an engine that runs jobs: local processes, Slurm or Ray."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchmark_core.errors import ElrError
from elrbench_plugins.commands.suite.cluster.job import JobFolder

ENGINES = ("local", "slurm", "ray")
CPU_THREADS, GPU_THREADS = 1, 4  # of a job, unless --threads or OMP_NUM_THREADS says otherwise


class Executor(Protocol):
    """Runs jobs by `work.work(run folder)`, each in a process of its own.

    name: one of `ENGINES`. slots: number of jobs at once; None: the engine decides. threads: of each job.
    queues: the engine keeps jobs until the jobs that they wait for have ended, so that all are submitted at once.
    retries: how often the head submits a job again whose worker was killed; 0 if the engine does that itself.
    tick: seconds between two looks at the jobs.
    """

    name: str
    slots: int | None
    threads: int
    queues: bool
    retries: int
    tick: float

    def submit(self, folder: JobFolder, after: Sequence[str] = ()) -> str:
        """Start or queue a job; return its id. after: ids of jobs that must end first, if the engine queues."""

    def wait(self, seconds: float) -> None:
        """Return when a job may have ended, at the latest after some seconds."""

    def ended(self, idents: Collection[str]) -> Mapping[str, str]:
        """Return the jobs that neither run nor will, with what is known of their end ("" or a reason)."""

    def cancel(self, idents: Collection[str]) -> None:
        """End jobs, running or not."""

    def farewell(self) -> str:
        """Return what happens to running jobs when the head stops now: `they keep running`."""

    def close(self) -> None:
        """Release what the executor holds. Jobs are not touched."""


@dataclass(frozen=True, kw_only=True)
class EngineRequest:
    """The options of `suite run` that choose and set an engine.

    on: one of `ENGINES`. jobs: number of jobs at once. threads: of each job. device: as in `pick_device`.
    slurm, ray: values of --slurm and --ray by key.
    """

    on: str = "local"
    jobs: int | None = None
    threads: int | None = None
    device: str | None = None
    slurm: Mapping[str, str] = field(default_factory=dict)
    ray: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("slurm", "ray"):
            if getattr(self, name) and self.on != name:
                raise ElrError(f"--{name} has no effect with --on {self.on}; add --on {name}")
        if self.device is not None and ":" in self.device:
            raise ElrError(
                f"--device {self.device} names one device, but each job gets one of its own; use --device "
                f"{self.device.partition(':')[0]} (CUDA_VISIBLE_DEVICES selects some)"
            )

    def threads_of(self, *, gpu: bool) -> int:
        """Return the threads of a job. They depend on the kind of device and not on the number of jobs.

        Threads change the last bits of results on a CPU, so that a stage is the same in whichever job it is trained.
        """
        if self.threads is not None:
            return self.threads
        named = os.environ.get("OMP_NUM_THREADS", "")
        return int(named) if named.isdecimal() and int(named) else GPU_THREADS if gpu else CPU_THREADS

    def to_json(self) -> dict[str, Any]:
        """Return plain names and numbers, from which `suite cancel` makes the executor again."""
        return {**vars(self), "slurm": dict(self.slurm), "ray": dict(self.ray)}


def read_pairs(flag: str, texts: Sequence[str]) -> dict[str, str]:
    """Return KEY=VALUE texts as a mapping. ElrError for another form or a repeated key."""
    pairs: dict[str, str] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not key or not equals or not value:
            example = {"slurm": "partition=gpu", "ray": "address=auto"}[flag]
            raise ElrError(f"--{flag} {text} is not KEY=VALUE, e.g. --{flag} {example}")
        if key in pairs:
            raise ElrError(f"--{flag} {key} is given twice; keep one")
        pairs[key] = value
    return pairs
