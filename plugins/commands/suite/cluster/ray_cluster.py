"""Jobs as tasks of Ray. Ray starts a task again whose worker was killed; it continues from the last finished epoch."""

from __future__ import annotations

import logging
import math
import os
import socket
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.extras import how_to_install
from elrbench_plugins.commands.suite.cluster.executor import EngineRequest
from elrbench_plugins.commands.suite.cluster.job import JobFolder
from elrbench_plugins.commands.suite.cluster.work import work

OPTIONS = ("address", "num_cpus", "num_gpus", "memory")
AHEAD = 2  # jobs that are queued in a Ray of this process, so that no worker waits for the head
RETRIES = 3  # how often Ray starts a job again whose worker was killed
QUIET: dict[str, Any] = {"namespace": "elrbench", "log_to_driver": False, "logging_level": logging.ERROR}
# Of a Ray that this process starts: no reports over the network, and workers that are not nicer than other processes.
SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_worker_niceness": "0"}


class Supervisor:
    """An actor that owns the tasks of one parent of run folders. It outlives the head, and its tasks with it."""

    def __init__(self, paths: Sequence[str]) -> None:
        sys.path += [path for path in paths if path not in sys.path]
        self._tasks: dict[str, Any] = {}
        self._functions: dict[str, Any] = {}  # by their options

    def submit(self, ident: str, run_folder: str, options: Mapping[str, Any]) -> None:
        """Start a task as soon as its resources are free."""
        import ray

        same = repr(sorted(options.items()))
        if same not in self._functions:
            self._functions[same] = ray.remote(**options)(run_job)
        self._tasks[ident] = self._functions[same].remote(run_folder, sys.path)

    def wait(self, seconds: float) -> None:
        """Return when a task has ended, at the latest after some seconds."""
        import ray

        if self._tasks:
            ray.wait(list(self._tasks.values()), num_returns=1, timeout=seconds)
        else:
            time.sleep(seconds)

    def ended(self, idents: Sequence[str]) -> dict[str, str]:
        """Return the tasks that have ended, with the reason if they have no result; unknown tasks count as ended."""
        import ray

        found = {ident: "" for ident in idents if ident not in self._tasks}
        known = {self._tasks[ident]: ident for ident in idents if ident in self._tasks}
        if not known:
            return found
        ready, _ = ray.wait(list(known), num_returns=len(known), timeout=0)
        for task in ready:
            try:
                ray.get(task)
                found[known[task]] = ""
            except ray.exceptions.RayError as error:
                found[known[task]] = _last_line(str(error))
            del self._tasks[known[task]]
        return found

    def cancel(self, idents: Sequence[str]) -> None:
        """End tasks and the processes that run them."""
        import ray

        for ident in idents:
            if ident in self._tasks:
                ray.cancel(self._tasks[ident], force=True)

    def busy(self) -> bool:
        """Return whether a task has not ended."""
        import ray

        tasks = list(self._tasks.values())
        return bool(tasks) and len(ray.wait(tasks, num_returns=len(tasks), timeout=0)[1]) > 0


def run_job(run_folder: str, paths: Sequence[str]) -> str:
    """Run the job of a run folder in a worker of Ray."""
    sys.path += [path for path in paths if path not in sys.path]
    return work(run_folder)


class RayExecutor:
    """Tasks on a running cluster (`--ray address=…`), or on a Ray that this process starts and ends.

    Raises ElrError if Ray is not installed, an option is unknown, or the cluster does not answer.
    """

    name = "ray"
    queues = False
    retries = 0
    tick = 0.5

    def __init__(self, request: EngineRequest, out: Path) -> None:
        for key in request.ray:
            if key not in OPTIONS:
                raise ElrError(f"--ray {key} is unknown; use one of {', '.join(OPTIONS)}")
        numbers = {key: _number(key, text) for key, text in request.ray.items() if key != "address"}
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        try:
            import ray
        except ImportError as error:
            raise ElrError(f"--on ray needs {how_to_install('ray', 'ray')} ({error})") from error
        self._ray = ray
        address = request.ray.get("address")
        self.own = address is None
        try:
            self.slots = _start_ray(request, numbers) + AHEAD if address is None else request.jobs
            if address is not None:
                _check_address(address)
                ray.init(address=address, **QUIET)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            where = f"the Ray cluster at {address}" if address else "Ray"
            raise ElrError(f"{where} cannot be used: {' '.join(str(error).split())[:300]}") from error
        gpus = ray.cluster_resources().get("GPU", 0) if request.device in (None, "cuda") else 0
        num_gpus = numbers.get("num_gpus", 1.0 if gpus else 0.0)
        self.threads = request.threads_of(gpu=bool(num_gpus))
        self._options = {
            "num_cpus": numbers.get("num_cpus", float(self.threads)),
            "num_gpus": num_gpus,
            "max_retries": RETRIES,
            "max_calls": 1 if num_gpus else 0,  # a process that ends gives back the memory of its GPU
            **({"memory": numbers["memory"]} if "memory" in numbers else {}),
        }
        self._supervisor = (
            ray.remote(Supervisor)
            .options(
                name=f"suites of {out.absolute()}",
                lifetime="detached",
                get_if_exists=True,
                num_cpus=0,
                max_concurrency=4,
            )
            .remote([os.path.abspath(path) for path in sys.path if path])
        )
        self._count = 0

    def submit(self, folder: JobFolder, after: Sequence[str] = ()) -> str:
        """Submit a task; `after` is not used."""
        self._count += 1
        ident = f"{folder.digest}-{os.getpid()}-{self._count}"
        try:
            self._ray.get(self._supervisor.submit.remote(ident, str(folder.run_folder.absolute()), self._options))
        except self._ray.exceptions.RayError as error:
            raise RunFailed(f"Ray refused the job: {_last_line(str(error))}") from error
        return ident

    def wait(self, seconds: float) -> None:
        """Return when a task has ended, at the latest after some seconds."""
        self._ray.get(self._supervisor.wait.remote(seconds))

    def ended(self, idents: Collection[str]) -> Mapping[str, str]:
        """Return the tasks that have ended."""
        if not idents:
            return {}
        found: dict[str, str] = self._ray.get(self._supervisor.ended.remote(list(idents)))
        return found

    def cancel(self, idents: Collection[str]) -> None:
        """End tasks."""
        self._ray.get(self._supervisor.cancel.remote(list(idents)))

    def farewell(self) -> str:
        """A cluster goes on; a Ray that this process has started does not."""
        return "end with this command, which started Ray" if self.own else "keep running on the Ray cluster"

    def close(self) -> None:
        """Leave the cluster, and end a supervisor that has nothing to do."""
        try:
            if not self._ray.get(self._supervisor.busy.remote(), timeout=10):
                self._ray.kill(self._supervisor)
        except (self._ray.exceptions.RayError, TimeoutError):  # the cluster is gone
            pass
        finally:
            self._ray.shutdown()


def _start_ray(request: EngineRequest, numbers: Mapping[str, float]) -> int:
    """Start a Ray that runs as many jobs at once as asked for; return their number.

    By default one per GPU, else as many as the cores have threads for.
    """
    import ray

    from elrbench_plugins.commands.suite.cluster.local import visible_gpus

    gpus = len(visible_gpus(request.device))
    threads = request.threads_of(gpu=bool(gpus))
    jobs = request.jobs or gpus or max(1, (os.cpu_count() or 1) // threads)
    cpus = math.ceil(numbers.get("num_cpus", threads) * jobs)
    ray.init(num_cpus=cpus, num_gpus=gpus, include_dashboard=False, _node_ip_address="127.0.0.1", **QUIET)
    return jobs


def _check_address(address: str) -> None:
    """Raise OSError if nothing listens at HOST:PORT. Ray itself tries for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and host and port.isdecimal() and "/" not in address:
        socket.create_connection((host, int(port)), timeout=10).close()


def _last_line(text: str) -> str:
    return ([line.strip() for line in text.splitlines() if line.strip()] or [""])[-1]


def _number(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ElrError(f"--ray {key}={text} is not a number") from None
