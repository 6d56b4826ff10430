"""Measure what running the plans of a suite as jobs gains and costs, on an idle machine.

    python benchmarks/suite_jobs.py table              # cstat-table4 on puppets: two local jobs against one
    python benchmarks/suite_jobs.py table --only '*-resnet34'                    # with options of `suite run`
    python benchmarks/suite_jobs.py overhead           # 1,000 plans of 1 s each over four workers of Ray

`table` runs `cstat-table4` at smoke budget on `puppets` with one local job at a time, then with two, one thread each.
Two jobs must take at most 0.62 of the time on two cores, end with the same predictions, train no stage twice, and never
wait at the lock of a stage.

`overhead` runs a method that sleeps for `--seconds` instead of training. Scheduling overhead is the time that the slots
spend outside of plans, from the first start to the last end, as a share of the time inside. It must be below 10 %, and
`suite status` must answer within a second meanwhile.

Exit code 1 if a target is missed. `--ignore-targets` ends with 0 anyway, for other machines and other numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from elrbench import MethodSpec, Option, hookimpl

SHARE, OVERHEAD, STATUS = 0.62, 0.10, 1.0  # targets


# -- the method that stands in for training


@hookimpl
def elr_methods() -> Iterable[MethodSpec]:
    """Return a method that sleeps."""
    return [
        MethodSpec(
            name="sleep",
            summary="sleeps instead of training",
            fit="suite_jobs:fit",
            options={"seconds": Option(default=1.0, low=0.0, help="time that a plan takes")},
            defaults={"backbone": "native3d-xs", "enhancer": "none", "sampling": "clip-8"},
            budgets={"smoke": {}},
        )
    ]


def fit(training: Any) -> Any:
    """Sleep, then return an untrained recognizer."""
    recognizer = training.recognizer()
    if training.device.type != "meta":
        time.sleep(float(training.options["seconds"]))
    return recognizer


# -- measuring


def start(folder: Path, *argv: str) -> subprocess.Popen[bytes]:
    """Start `elrbench suite …` in a folder, with one thread. Its output goes to files in the folder."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ELRBENCH_CACHE": str(folder / "cache")}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    with (folder / f"{argv[0]}.out").open("wb") as out, (folder / f"{argv[0]}.err").open("wb") as err:
        words = [sys.executable, "-m", "elrbench", "suite", *argv]
        return subprocess.Popen(words, cwd=folder, env=environment, stdout=out, stderr=err)


def elrbench(folder: Path, *argv: str) -> None:
    """Run `elrbench suite …` in a folder; end this script if it fails."""
    if code := start(folder, *argv).wait():
        sys.exit(f"suite {' '.join(argv)} ended with {code}:\n{(folder / f'{argv[0]}.err').read_text()}")


def records(folder: Path) -> list[dict[str, Any]]:
    """Return the records of all runs in a folder."""
    found = []
    for path in (folder / "elrbench-runs").glob("*/*.json"):
        plain = json.loads(path.read_bytes())
        if isinstance(plain, Mapping) and "predictions" in plain:
            found.append(dict(plain))
    return found


def table(asked: argparse.Namespace, work: Path) -> bool:
    """Compare two local jobs with one."""
    flags = ["--dataset", "puppets", "--budget", "smoke", *asked.more]
    took, found, folders = {}, {}, {}
    for jobs in (1, 2):
        folder = folders[jobs] = work / f"jobs-{jobs}"
        folder.mkdir()
        began = time.monotonic()
        elrbench(folder, "run", "cstat-table4", *flags, "--jobs", str(jobs))
        took[jobs] = time.monotonic() - began
        found[jobs] = records(folder)
        print(f"{jobs} at once: {took[jobs]:.1f} s for {len(found[jobs])} runs", flush=True)
    one, two = ({each["digest"]: each["predictions"]["sha256"] for each in found[jobs]} for jobs in (1, 2))
    stages = [stage["key"] for each in found[2] for stage in each["stages"] if not stage["reused"]]
    logs = (folders[2] / "elrbench-runs").glob("*/job/output.txt")
    waits = sum("waiting for stage" in log.read_text() for log in logs)
    share, same, twice = took[2] / took[1], one == two and bool(one), len(stages) - len(set(stages))
    print(
        f"two against one: {share:.2f} of the time (at most {SHARE}); the same predictions: {'yes' if same else 'NO'}"
    )
    print(f"stages trained: {len(stages)}, twice: {twice}; jobs that waited at the lock of a stage: {waits}")
    return share <= SHARE and same and not twice and not waits


def overhead(asked: argparse.Namespace, work: Path) -> bool:
    """Compare the time of all slots with the time that plans sleep."""
    sets = ["dataset.train=12", "dataset.test=12", f"method.seconds={asked.seconds}"]
    text = "common: {dataset: puppets, method: sleep, budget: smoke, degradation: average-6x8}\n"
    text += f"matrix: {{seed: {list(range(asked.plans))}}}\n"
    (work / "sleepers.yaml").write_text(text)
    flags = ["sleepers.yaml", "--plugin", str(Path(__file__).resolve())]
    for setting in sets:
        flags += ["--set", setting]
    elrbench(work, "run", *flags, "--seeds", str(asked.plans))  # stores the clips
    head = start(work, "run", *flags, "--on", "ray", "--jobs", str(asked.workers))
    answers = []
    while head.poll() is None:
        time.sleep(asked.every)
        if (work / "elrbench-runs" / "suites" / "sleepers.json").exists() and head.poll() is None:
            asked_at = time.monotonic()
            elrbench(work, "status", "sleepers", "--json")
            answers.append(time.monotonic() - asked_at)
    if head.returncode:
        sys.exit((work / "run.err").read_text())
    states = [json.loads(path.read_bytes()) for path in (work / "elrbench-runs").glob("*/job/state.json")]
    span = max(each["updated"] for each in states) - min(each["started"] for each in states)
    inside = sum(each["updated"] - each["started"] for each in states)
    share = span * asked.workers / inside - 1
    print(f"{len(states)} plans that sleep {asked.seconds:g} s, on {asked.workers} workers of Ray: {span:.1f} s")
    print(f"a plan takes {inside / len(states):.2f} s in its worker. Overhead: {share:.1%} (below {OVERHEAD:.0%})")
    usual, slowest = statistics.median(answers or [0]), max(answers, default=0.0)
    print(f"suite status: {len(answers)} calls, median {usual:.2f} s (below {STATUS:g}), slowest {slowest:.2f} s")
    return len(states) == asked.plans and share < OVERHEAD and usual < STATUS


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("table", "overhead"))
    parser.add_argument("--plans", type=int, default=1000, help="of `overhead`")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each plan of `overhead`")
    parser.add_argument("--workers", type=int, default=4, help="of `overhead`")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two calls of `suite status`")
    parser.add_argument("--ignore-targets", action="store_true")
    asked, asked.more = parser.parse_known_args(argv)
    with tempfile.TemporaryDirectory(prefix="elrbench-jobs-") as work:
        met = {"table": table, "overhead": overhead}[asked.what](asked, Path(work))
    return 0 if met or asked.ignore_targets else 1


if __name__ == "__main__":
    sys.exit(main())
