"""The head: starts jobs in waves, follows them, and starts those again whose worker was killed."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.progress import Reporter, duration
from elrbench_plugins.commands.suite.cluster.executor import Executor
from elrbench_plugins.commands.suite.cluster.job import Job, JobFolder
from elrbench_plugins.commands.suite.cluster.state import JobState, present_state, read_state, write_state
from elrbench_plugins.commands.suite.cluster.waves import Waves, known, lanes, simulate
from elrbench_plugins.commands.suite.suite_runs import SuiteRun

LOOK = 2.0  # s between two looks at runs that heads on other machines may have started
START = 20.0  # s in which a process starts, at most


class Head:
    """Runs the jobs of a suite. Their order is that of `runs`.

    jobs: what to run, by digest of the plan. out: parent of the run folders. remarks: printed with a run, by digest.
    cancelled: whether to stop; it is asked often.
    failures: reasons of the runs that failed, by digest.
    """

    def __init__(
        self,
        *,
        suite: str,
        runs: Sequence[SuiteRun],
        jobs: Mapping[str, Job],
        out: Path,
        executor: Executor,
        waves: Waves,
        reporter: Reporter,
        remarks: Mapping[str, str] = MappingProxyType({}),
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.suite, self.jobs, self.out = suite, jobs, out
        self.executor, self.waves, self.reporter, self.cancelled = executor, waves, reporter, cancelled
        self.failures: dict[str, str] = {}
        self._names = {run.plan.digest: f"[{number}/{len(runs)}] {run}" for number, run in enumerate(runs, 1)}
        self._names |= {digest: f"{self._names[digest]} ({remark})" for digest, remark in remarks.items()}
        self._waiting = [run.plan.digest for run in runs if run.plan.digest in jobs]
        self._running: dict[str, str] = {}  # digest -> id
        self._theirs: list[str] = []  # runs of other heads
        self._began = time.time()
        self._look_again = 0.0
        self._attempts: dict[str, int] = {}
        self._started = 0

    def run(self) -> dict[str, str]:
        """Run all jobs; return `failures`. Raises RunFailed if the user interrupts it, which leaves jobs running."""
        try:
            self._adopt()
            if self.executor.queues:
                self._queue()
            while self._running or self._waiting or self._theirs:
                if self.cancelled():
                    self._stop()
                    break
                if not self.executor.queues:
                    self._look_at_others()
                self._start_free()
                self.executor.wait(self.executor.tick)
                self._collect()
        except KeyboardInterrupt:
            raise RunFailed(self._farewell()) from None
        finally:
            self.executor.close()
        return self.failures

    # -- starting

    def _adopt(self) -> None:
        """Follow the jobs that an earlier head has started and that still run or are queued."""
        for digest in list(self._waiting):
            folder = JobFolder(self.out / digest)
            state = present_state(folder)
            on, ident = folder.read_engine()
            if state.phase not in ("running", "queued"):
                continue
            if on == self.executor.name and ident not in self.executor.ended([ident]):
                self._waiting.remove(digest)
                self._running[digest] = ident
                self._attempts[digest] = max(1, state.attempt)
                self.reporter.say(f"{self._names[digest]}: an earlier command started it{_on(state)}")
            elif state.phase == "queued" and on not in ("", "local", self.executor.name):
                raise ElrError(
                    f"{self._names[digest]} is queued on {on}; pass --on {on}, or end it with 'elrbench suite cancel "
                    f"{self.suite}'"
                )

    def _look_at_others(self) -> None:
        """Follow the runs that heads on other machines have started on the same folder."""
        if time.monotonic() < self._look_again:
            return
        self._look_again = time.monotonic() + LOOK
        for digest in (*self._theirs, *self._waiting):
            state = present_state(JobFolder(self.out / digest))
            fresh = state.phase == "queued" and time.time() - state.updated < LOOK + START
            if state.phase == "running" or fresh:
                if digest in self._waiting:
                    self._waiting.remove(digest)
                    self._theirs.append(digest)
                    self.reporter.say(f"{self._names[digest]}: another command runs it{_on(state)}")
            elif state.ended and state.updated > self._began:
                (self._waiting if digest in self._waiting else self._theirs).remove(digest)
                self._report(digest, state)
            elif digest in self._theirs:
                self._theirs.remove(digest)
                self._waiting.insert(0, digest)

    def _queue(self) -> None:
        """Submit every job at once, each after the jobs that it must wait for."""
        order = [*self._running, *self._waiting]
        after = {digest: list(others) for digest, others in self.waves.dependencies(order).items()}
        if self.executor.slots is not None:
            spans = simulate(order, self.waves.stages, lambda stage: known(stage.macs), self.executor.slots, whole=True)
            for digest, before in lanes(spans).items():
                after[digest].append(before)
        looked = time.monotonic()
        for digest in list(self._waiting):
            if time.monotonic() - looked > self.executor.tick:  # Slurm forgets jobs some minutes after their end
                self._collect()
                looked = time.monotonic()
            self._start(digest, [self._running[one] for one in after[digest] if one in self._running])

    def _start_free(self) -> None:
        """Start the runs that would not wait for another, as long as a slot is free."""
        slots = self.executor.slots
        while self._waiting and (slots is None or len(self._running) < slots):
            digest = self.waves.next(self._waiting, [*self._running, *self._theirs])
            if digest is None:
                return
            self._start(digest)

    def _start(self, digest: str, after: Sequence[str] = ()) -> None:
        folder = JobFolder(self.out / digest)
        attempt = self._attempts[digest] = self._attempts.get(digest, 0) + 1
        self._waiting.remove(digest)
        try:
            with _uninterrupted():  # a job that was submitted is always noted
                folder.write_job(self.jobs[digest])
                write_state(folder, JobState(phase="queued", attempt=attempt))
                ident = self._running[digest] = self.executor.submit(folder, after)
                folder.write_engine(self.executor.name, ident)
        except ElrError as error:
            if not self._started:  # the same would happen to all
                raise
            self._fail(digest, str(error))
            return
        self._started += 1
        again = f", attempt {attempt}" if attempt > 1 else ""
        verb = "queued" if self.executor.queues else "started"
        self.reporter.say(f"{self._names[digest]}: {verb}{again}")

    # -- following

    def _collect(self) -> None:
        """Take the jobs off the list that have ended."""
        for digest in list(self._running):
            state = read_state(JobFolder(self.out / digest))
            if state.ended:
                self._finish(digest, state)
        digests = {ident: digest for digest, ident in self._running.items()}
        for ident, reason in self.executor.ended(list(digests)).items():
            digest = digests[ident]
            state = present_state(JobFolder(self.out / digest))  # again: the worker writes it just before it ends
            if state.ended:
                self._finish(digest, state)
            elif state.phase != "running" and not self.cancelled():  # running: a worker of an earlier command has it
                self._lose(digest, state, reason)

    def _finish(self, digest: str, state: JobState) -> None:
        del self._running[digest]
        self._report(digest, state)

    def _report(self, digest: str, state: JobState) -> None:
        if state.phase == "done":
            took = f" in {duration(state.updated - state.started)}" if state.started else ""
            self.reporter.say(f"{self._names[digest]}: done{took}{_on(state)}")
        else:
            self._fail(digest, state.error or state.phase)

    def _lose(self, digest: str, state: JobState, reason: str) -> None:
        """Start a run again whose worker ended without a result, or give it up."""
        del self._running[digest]
        folder = JobFolder(self.out / digest)
        text = f"its worker{_on(state)} ended without a result{f' ({reason})' if reason else ''}"
        if self._attempts[digest] <= self.executor.retries:
            self.reporter.warn(f"{self._names[digest]}: {text}; it continues from its last finished epoch")
            self._waiting.insert(0, digest)
        else:
            text = f"{text}; see {folder.output}"
            write_state(folder, JobState(phase="failed", error=text, host=state.host, attempt=state.attempt))
            self._fail(digest, text)

    def _fail(self, digest: str, reason: str) -> None:
        self.failures[digest] = reason
        self.reporter.warn(f"{self._names[digest]}: {reason}")

    def _stop(self) -> None:
        """Take all runs as cancelled, except those that ended in the meantime."""
        self.executor.wait(self.executor.tick)
        self._collect()
        for digest in (*self._running, *self._theirs, *self._waiting):
            self.failures[digest] = "cancelled"
        self.reporter.warn(f"suite '{self.suite}' was cancelled")

    def _farewell(self) -> str:
        running, waiting = len(self._running), len(self._waiting)
        parts = [f"{running} jobs {self.executor.farewell()}"] if running else ["no job is running"]
        if waiting:
            parts.append(f"{waiting} runs were not started yet")
        return (
            f"interrupted; {', and '.join(parts)}. The same command continues; 'elrbench suite status {self.suite}' "
            f"shows the jobs, 'elrbench suite cancel {self.suite}' ends them"
        )


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Delay Ctrl-C until the end of the block. It does nothing in other threads, or where Ctrl-C is ignored."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    if not main or before is signal.SIG_IGN:
        yield
        return
    asked: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: asked.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        raise KeyboardInterrupt


def _on(state: JobState) -> str:
    return f" on {state.host}" if state.host else ""
