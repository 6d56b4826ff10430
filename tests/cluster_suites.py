"""Suites on the toy of `toy.py` that tests run as jobs, and how to look at what they leave."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark_core.catalog import Catalog
from benchmark_core.plans.plan import Plan
from benchmark_core.provenance import versions
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.record import find_record, read_record
from benchmark_core.runs.context import NO_EXTRA_PATHS
from elrbench_plugins.commands.suite.cluster.job import Job
from elrbench_plugins.commands.suite.cluster.worker_check import cache_identity, owners_text

MARK = "ELRBENCH_TEST_FOLDER"  # environment variable of all processes of a test
root = Path()  # folder of the running test; the fixture `place` sets it
TOY = Path(__file__).with_name("toy.py")
FIELDS = "dataset: toy, backbone: toynet, budget: smoke, size: 24x32"
LONG = (
    f"common: {{{FIELDS}, set: {{method.batch: 12, method.epochs: 60}}}}\nrows: [{{row: student, method: supervised}}]"
)
ENDLESS = LONG.replace("method.epochs: 60", "method.epochs: 9999")  # for jobs that are cancelled
THREE = f"""
common: {{{FIELDS}, set: {{method.batch: 12, method.epochs: 1}}}}
rows:
  - {{row: student, method: supervised}}
  - {{row: distilled, method: kd}}
  - {{row: ceiling, method: teacher}}
"""


def processes(folder: Path) -> set[int]:
    """The processes of the test in a folder: heads, workers, parts of Ray, and jobs of `fake_slurm`."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"{MARK}={folder}\0".encode() in status.read_bytes():
                found.add(int(status.parent.name))
    return found


def end_all(folder: Path) -> None:
    """Kill every process that a test has left."""
    for process in processes(folder):
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGKILL)


def write(folder: Path, text: str) -> Path:
    """Write a suite `mine.yaml` into a folder; return the folder."""
    folder.mkdir(exist_ok=True)
    (folder / "mine.yaml").write_text(text)
    return folder


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a command in `folder`: one thread, a cache of its own, this process's modules."""
    own = {"ELRBENCH_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    own[MARK] = str(root)
    return {**os.environ, **own, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **more}


def start(folder: Path, *argv: str, **more: str) -> subprocess.Popen[str]:
    """Start `elrbench suite …` in a folder, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "elrbench", "suite", *argv],
        cwd=folder,
        env=environment(folder, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for a process; return its exit code, stdout and stderr."""
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def suite(folder: Path, *argv: str, **more: str) -> tuple[int, str, str]:
    """Run `elrbench suite …` in a folder."""
    return finish(start(folder, *argv, **more))


def until(condition: Callable[[], Any], seconds: float = 120) -> Any:
    """Wait until `condition` holds; return what it returned."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("waited too long")


def states(folder: Path) -> list[dict[str, Any]]:
    """The states of all jobs below `elrbench-runs`."""
    return [json.loads(path.read_bytes()) for path in (folder / "elrbench-runs").glob("*/job/state.json")]


def state(folder: Path) -> dict[str, Any]:
    """The state of the first job below `elrbench-runs`; empty if there is none."""
    return next(iter(states(folder)), {})


def records(folder: Path) -> list[RunRecord]:
    """The records of all finished runs below `elrbench-runs`."""
    weights = (folder / "elrbench-runs").glob("*/recognizer.safetensors")
    return [read_record(find_record(path.parent)) for path in weights]


def predictions(folder: Path) -> dict[str, str]:
    """Digest of a run -> sha256 of its predictions."""
    return {record["digest"]: record["predictions"]["sha256"] for record in records(folder)}


def trained(folder: Path) -> list[str]:
    """Keys of the stages that were trained, once for each time."""
    stages = [stage for record in records(folder) for stage in record["stages"]]
    return sorted(stage["key"] for stage in stages if not stage["reused"])


def waits(folder: Path) -> list[str]:
    """Lines of the jobs' logs that tell of a wait for the lock of a stage."""
    logs = (folder / "elrbench-runs").glob("*/job/output.txt")
    return [line for log in logs for line in log.read_text().splitlines() if "waiting for stage" in line]


def make_job(plan: Plan, catalog: Catalog, folder: Path) -> Job:
    """A job of a plan without data, with run folder and cache in `folder`."""
    return Job(
        rows=("student",),
        plan=plan,
        out=folder / plan.digest,
        cache=folder / "cache",
        data=None,
        extra=NO_EXTRA_PATHS,
        folders={},
        weights={},
        enhancer_weights={},
        plugins=(str(TOY),),
        bad_clips="fail",
        shared_clips=None,
        device="cpu",
        threads=1,
        cache_id=cache_identity(folder / "cache"),
        versions=versions(),
        owners=owners_text(catalog, plan),
    )
