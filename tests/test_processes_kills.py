"""Processes of the command line: started by torchrun, killed, interrupted; a killed run resumes to equal results."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TOY
from frozen_runs import EVERYTHING, FROZEN, frozen_catalog, logits, losses, one_thread, planned

from benchmark_core.catalog import Catalog
from benchmark_core.plans.plan import Plan

__all__ = ["frozen_catalog", "one_thread"]  # fixtures

SECONDS = 600  # of one run, on a machine that is busy with others


# -- torchrun


@pytest.mark.slow
def test_torchrun_starts_the_processes(frozen_catalog: Catalog, tmp_path: Path) -> None:
    """The first process prints the scores; without --processes the run is refused."""
    plan = planned(frozen_catalog, processes="2")

    def torchrun(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        words = ("-m", *command_of(plan, folder), *words)
        return subprocess.run([*start, *words], capture_output=True, text=True, env=environment, timeout=SECONDS)

    done = torchrun(tmp_path, "--processes", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("run folder:") == 1 and len(losses(tmp_path)) == 2
    refused = torchrun(tmp_path / "alone")
    assert refused.returncode == 1  # of torchrun
    assert "elrbench: error: torchrun started 2 processes, but the plan is trained by 1" in refused.stderr


# -- kills


def children(parent: int) -> list[int]:
    """Return the ids of the workers of a process, in the order of their ranks."""
    with contextlib.suppress(OSError):
        found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [int(one) for one in found]
    return []


def alive(process: int) -> bool:
    """Return whether a process exists and is not a zombie, which its parent has not waited for."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(processes: list[int]) -> bool:
    """Wait until these processes have ended; False if one has not after a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not any(map(alive, processes)):
            return True
        time.sleep(0.05)
    return False


@contextlib.contextmanager
def started(plan: Plan, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a plan of two processes by the command line in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command_of(plan, folder), "--processes", "2"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def command_of(plan: Plan, folder: Path) -> list[str]:
    """Return the words of `python -m` that run a plan in `folder`, without the number of processes."""
    words = ["--method", "frozen", "--dataset", "toy", "--backbone", "toynet", "--enhancer", "bilinear",
             "--size", "24x32", "--budget", "smoke", "--device", "cpu", "--plugin", str(TOY), "--plugin", str(FROZEN),
             "--out", str(folder / "out"), "--cache", str(folder / "cache")]  # fmt: skip
    settings = [word for key, value in plan.settings.items() for word in ("--set", f"{key}={str(value).lower()}")]
    return ["elrbench", "run", *words, *settings]


def after_first_epoch(folder: Path) -> None:
    """Wait until a checkpoint is there."""
    deadline = time.monotonic() + SECONDS
    while not list((folder / "cache").glob("stages/*/checkpoint.pt")):
        assert time.monotonic() < deadline, "no checkpoint"
        time.sleep(0.01)


def finished(plan: Plan, folder: Path) -> dict[str, Any]:
    """Run a plan by the command line to its end and return its record."""
    with started(plan, folder) as process:
        printed, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, printed
    (path,) = (folder / "out").glob(f"frozen-{plan.digest}.json")
    record: dict[str, Any] = json.loads(path.read_text())
    return record


@pytest.fixture(scope="module")
def long_run(frozen_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Path]:
    """A plan of many epochs, and the folder of its undisturbed run."""
    folder = tmp_path_factory.mktemp("long")
    plan = planned(frozen_catalog, *EVERYTHING, "method.epochs=40", processes="2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
        finished(plan, folder)
    return plan, folder


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_the_others_and_the_run_resumes(
    long_run: tuple[Plan, Path], rank: int, tmp_path: Path
) -> None:
    plan, whole = long_run
    with started(plan, tmp_path) as process:
        after_first_epoch(tmp_path)
        workers = children(process.pid)
        assert len(workers) == 2
        os.kill(workers[rank], signal.SIGKILL)
        printed, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 1 and gone(workers)
    errors = [line for line in printed.splitlines() if "error" in line]
    assert len(errors) == 1 and f"process {rank} of 2 was ended by SIGKILL; run the same command again" in errors[0]
    assert "Traceback" not in printed
    timings = finished(plan, tmp_path)["timings"]
    assert np.array_equal(logits(tmp_path), logits(whole)) and losses(tmp_path) == losses(whole)
    one, other = ((folder / "out" / "recognizer.safetensors").read_bytes() for folder in (tmp_path, whole))
    assert one == other
    assert timings["train_all_s"] > timings["train_s"]  # it went on from the checkpoint


def test_no_worker_outlives_the_process_that_started_it(long_run: tuple[Plan, Path], tmp_path: Path) -> None:
    with started(long_run[0], tmp_path) as process:
        after_first_epoch(tmp_path)
        workers = children(process.pid)
        process.kill()
        process.wait()
        assert len(workers) == 2 and gone(workers)


def test_ctrl_c_ends_all_processes_with_one_line(long_run: tuple[Plan, Path], tmp_path: Path) -> None:
    with started(long_run[0], tmp_path) as process:
        after_first_epoch(tmp_path)
        workers = children(process.pid)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 1 and gone(workers)
    assert [line for line in printed.splitlines() if "error" in line] == [
        "elrbench: error: interrupted; run the same command again to continue from the last finished epoch"
    ]


def test_the_benchmark_with_one_kill_of_each_process() -> None:
    script = Path(__file__).parents[1] / "benchmarks" / "processes.py"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, str(script), "--times", "1", "--epochs", "6", "--seed", str(os.getpid())]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=3 * SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("6 epochs, batch 24: losses of 2 processes and of one differ by")
    assert [line.split()[0] for line in lines[2:-1]] == ["same"] * 2 and lines[-1] == "2 kills: 0 wrong"
