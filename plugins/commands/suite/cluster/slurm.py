"""Jobs on Slurm, by submitit. Every job is queued at once, with the jobs that it must wait for as dependencies.

At preemption and at the time limit, submitit requeues a job under its id; it continues from its last finished epoch.
"""

from __future__ import annotations

import contextlib
import getpass
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.extras import how_to_install
from elrbench_plugins.commands.suite.cluster.executor import EngineRequest
from elrbench_plugins.commands.suite.cluster.job import JobFolder
from elrbench_plugins.commands.suite.cluster.state import Phase, read_state, write_state
from elrbench_plugins.commands.suite.cluster.work import work

CLUSTERS = ("slurm", "local", "debug")  # of submitit; the last two run without Slurm, to try things out
MINUTES = 240  # time limit of a job, unless --slurm time=… says otherwise
TIMEOUTS = 20  # how often a job is requeued at the time limit, unless --slurm max_num_timeout=… says otherwise
GRACE = 30.0  # s from a job's end until it counts as lost: its state may come late over a network file system
OWN = ("cluster", "time", "setup", "max_num_timeout", "python", "signal_delay_s", "srun_args", "use_srun")
ORDERED = ("dependency", "array", "job_name", "output", "error")  # set here


class PlanCall:
    """What submitit calls in a job, and what it submits again when the job is preempted or out of time."""

    def __call__(self, run_folder: str) -> Phase:
        """Run the job of a run folder."""
        return work(run_folder)

    def checkpoint(self, run_folder: str) -> Any:
        """Return the same call; the state on disk is that of the last finished epoch."""
        import submitit

        folder = JobFolder(Path(run_folder))
        state = read_state(folder)
        write_state(folder, replace(state, phase="queued", eta=None, attempt=state.attempt + 1))
        return submitit.helpers.DelayedSubmission(self, run_folder)


class SlurmExecutor:
    """Jobs by `sbatch`. Ids are Slurm's; with `--slurm cluster=local`, they are process ids.

    Raises ElrError if submitit or `sbatch` is absent, or for an option that is set here.
    """

    name = "slurm"
    retries = 0

    def __init__(self, request: EngineRequest, out: Path) -> None:
        try:
            import submitit
        except ImportError as error:
            raise ElrError(f"--on slurm needs {how_to_install('submitit', 'slurm')} ({error})") from error
        given = {key.removeprefix("slurm_").replace("-", "_"): value for key, value in request.slurm.items()}
        for key in ORDERED:
            if key in given:
                raise ElrError(f"--slurm {key} cannot be set: elrbench sets it for each job; remove it")
        self.cluster = given.get("cluster", "slurm")
        if self.cluster not in CLUSTERS:
            raise ElrError(f"--slurm cluster={self.cluster} is unknown; use one of {', '.join(CLUSTERS)}")
        for program in ("sbatch", "srun", "squeue", "scancel") if self.cluster == "slurm" else ():
            if shutil.which(program) is None:
                raise ElrError(
                    f"--on slurm needs '{program}', which is not on the PATH; run on a login node of the cluster, or "
                    "use --on local"
                )
        gpus = [key for key in given if key.startswith("gpu") or (key == "gres" and "gpu" in given[key])]
        gpu = bool(gpus) or (request.device or "").startswith("cuda")
        self.threads = request.threads_of(gpu=gpu)
        self.queues = self.cluster == "slurm"
        self.slots: int | None = request.jobs if self.queues else request.jobs or 1
        self.tick = 5.0 if self.queues else 0.2
        self._options: dict[str, Any] = {"cpus_per_task": self.threads}
        if gpu and not gpus:
            self._options["gpus_per_node"] = 1
        self._options |= {key: value for key, value in given.items() if key not in OWN}
        minutes = read_minutes(given["time"]) if "time" in given else MINUTES
        start = {"slurm_python": given["python"]} if "python" in given else {}
        self._folder = out / "suites" / "submitit"
        self._executor = submitit.AutoExecutor(
            folder=self._folder,
            cluster=self.cluster,
            slurm_max_num_timeout=int(given.get("max_num_timeout", TIMEOUTS)),
            **start,
        )
        self._executor.update_parameters(timeout_min=minutes, **_own_parameters(given, self.threads))
        self._jobs: dict[str, Any] = {}
        self._gone: dict[str, float] = {}  # id -> when it was first missing in the queue

    def submit(self, folder: JobFolder, after: Sequence[str] = ()) -> str:
        """Submit a job. Raises RunFailed with the answer of sbatch if it is refused."""
        waits = {"dependency": f"afterany:{':'.join(after)}"} if after else {}
        self._executor.update_parameters(
            name=f"elrbench-{folder.digest}", slurm_additional_parameters={**self._options, **waits}
        )
        try:
            with _deaf_children() if self.cluster == "local" else contextlib.nullcontext():
                job = self._executor.submit(PlanCall(), str(folder.run_folder.absolute()))
            if self.cluster == "debug":
                job.wait()
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            raise RunFailed(f"sbatch refused the job: {_last_line(str(error))}; correct --slurm") from error
        self._jobs[job.job_id] = job
        return str(job.job_id)

    def wait(self, seconds: float) -> None:
        """Sleep: the queue tells nobody when a job ends."""
        time.sleep(seconds)

    def ended(self, idents: Collection[str]) -> Mapping[str, str]:
        """Return the jobs that are not in the queue any more; on a cluster, for `GRACE` seconds at least."""
        if not idents:
            return {}
        if not self.queues:
            return {one: "" for one in idents if one not in self._jobs or self._jobs[one].done()}
        queued = _queue()
        if queued is None:  # Slurm does not answer; ask again later
            return {}
        missing = [one for one in idents if one not in queued]
        for one in missing:
            self._gone.setdefault(one, time.monotonic())
        late = [one for one in missing if time.monotonic() - self._gone[one] >= GRACE]
        return {one: ": ".join(filter(None, (_slurm_state(one), self._last_words(one)))) for one in late}

    def _last_words(self, ident: str) -> str:
        """Return the last line that a job wrote to standard error outside of its own log."""
        try:
            text = (self._folder / f"{ident}_0_log.err").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return ([line.strip() for line in text.splitlines() if line.strip()] or [""])[-1]

    def cancel(self, idents: Collection[str]) -> None:
        """Call scancel. Raises RunFailed if jobs stay in the queue, or if Slurm does not answer.

        scancel also fails on jobs that Slurm has forgotten, and ends the others.
        """
        if not self.queues or not idents or _call("scancel", *idents) is not None:
            return
        queue = _queue()
        if queue is None or not queue.isdisjoint(idents):
            raise RunFailed(
                f"scancel did not end the jobs {', '.join(idents)}; run it on a machine of the cluster, or repeat the "
                "command there"
            )

    def farewell(self) -> str:
        """Slurm keeps its queue."""
        return "stay in Slurm's queue" if self.queues else "keep running on this machine"

    def close(self) -> None:
        """Do nothing: Slurm has the jobs."""


def read_minutes(text: str) -> int:
    """Return Slurm's time limit in minutes, at least 1: `90`, `90:00`, `8:00:00`, `1-12`, `1-12:30`, `1-12:30:00`."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text)
    if found is None:
        raise ElrError(f"--slurm time={text} is not a time of Slurm, e.g. 90 (minutes), 8:00:00 or 1-12:00:00")
    days, *rest = (None if one is None else int(one) for one in found.groups())
    numbers = [one for one in rest if one is not None]
    if days is not None:
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
    elif len(numbers) == 3:
        hours, minutes, seconds = numbers
    else:
        hours, (minutes, seconds) = 0, (*numbers, 0)[:2]
    return max(1, ((days or 0) * 24 + hours) * 60 + minutes + (seconds > 0))


def _own_parameters(given: Mapping[str, str], threads: int) -> dict[str, Any]:
    """Return the parameters that submitit itself reads."""
    lines = [f"export OMP_NUM_THREADS={threads}", *([given["setup"]] if "setup" in given else [])]
    found: dict[str, Any] = {"slurm_setup": lines}
    if "signal_delay_s" in given:
        found["slurm_signal_delay_s"] = int(given["signal_delay_s"])
    if "srun_args" in given:
        found["slurm_srun_args"] = given["srun_args"].split()
    if "use_srun" in given:
        found["slurm_use_srun"] = given["use_srun"].lower() not in ("false", "no", "0")
    return found


@contextlib.contextmanager
def _deaf_children() -> Iterator[None]:
    """Inside the block, new processes ignore Ctrl-C, as they would on a cluster."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _queue() -> set[str] | None:
    """Return the ids of this user's jobs that are pending or running; None if Slurm does not answer."""
    answer = _call("squeue", "--noheader", "--format=%i", f"--user={getpass.getuser()}")
    return None if answer is None else set(answer.split())


def _slurm_state(ident: str) -> str:
    """Return the state that Slurm's accounting gives, such as OUT_OF_MEMORY; "" if there is no accounting."""
    if shutil.which("sacct") is None:
        return ""
    answer = _call("sacct", "--noheader", "--allocations", "--parsable2", "--format=State", f"--jobs={ident}")
    return f"Slurm's state {words[0]}" if answer and (words := answer.split()) else ""


def _call(*words: str) -> str | None:
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None


def _last_line(text: str) -> str:
    return ([line.strip() for line in text.splitlines() if line.strip()] or ["no reason is given"])[-1]
