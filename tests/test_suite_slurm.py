"""`suite run --on slurm`: what sbatch is given, dependencies, requeueing; submitit's `debug` and `local`."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fake_slurm
import pytest
from cluster_suites import (
    ENDLESS,
    LONG,
    THREE,
    TOY,
    finish,
    make_job,
    predictions,
    start,
    state,
    states,
    suite,
    trained,
    until,
    waits,
    write,
)

from benchmark_core.catalog import Catalog
from benchmark_core.errors import RunFailed
from benchmark_core.plans.plan import Plan
from elrbench import ElrError
from elrbench_plugins.commands.suite.cluster import slurm as cluster
from elrbench_plugins.commands.suite.cluster.executor import EngineRequest
from elrbench_plugins.commands.suite.cluster.job import JobFolder
from elrbench_plugins.commands.suite.cluster.slurm import SlurmExecutor
from elrbench_plugins.commands.suite.cluster.state import read_state

pytest.importorskip("submitit", reason="the extra 'slurm' is not installed")


def path_with(folder: Path) -> str:
    return os.pathsep.join([str(fake_slurm.install(folder)), os.environ["PATH"]])


@pytest.mark.slow
def test_all_jobs_are_queued_at_once_with_dependencies(place: Path):
    folder, path = write(place / "work", THREE), path_with(place / "slurm")
    flags = ("--on", "slurm", "--slurm", "partition=cpu", "--slurm", "slurm_account=x", "--slurm", "time=1:30:00")
    code, _, err = suite(folder, "run", "mine.yaml", "--plugin", str(TOY), *flags, PATH=path)
    assert code == 0, err
    assert len(predictions(folder)) == 3 and trained(folder) == sorted(set(trained(folder))) and waits(folder) == []
    asked = fake_slurm.submitted(place / "slurm")
    assert [(one["partition"], one["account"], one["time"]) for one in asked.values()] == [("cpu", "x", "90")] * 3
    assert all(one["cpus-per-task"] == "1" and one["job-name"].startswith("elrbench-") for one in asked.values())
    # ceiling, student, distilled: the last reuses the teacher and the student; without --jobs nothing else delays it
    assert [one.get("dependency") for one in asked.values()] == [None, None, "afterany:1:2"]
    _, told, _ = suite(folder, "status", "mine.yaml", "--json")
    assert json.loads(told)["on"] == "slurm" and json.loads(told)["counts"] == {"done": 3}


@pytest.mark.slow
def test_a_number_of_jobs_is_kept_by_dependencies_and_cancel_empties_the_queue(place: Path):
    rows = ", ".join(f"{{row: r{seed}, method: supervised, seed: {seed}}}" for seed in range(4))
    text = ENDLESS.replace("rows: [{row: student, method: supervised}]", f"rows: [{rows}]")
    folder, path = write(place / "work", text), path_with(place / "slurm")
    flags = ("--plugin", str(TOY), "--on", "slurm", "--jobs", "2")
    head = start(folder, "run", "mine.yaml", *flags, PATH=path)
    until(lambda: len(fake_slurm.submitted(place / "slurm")) == 4)
    until(lambda: any(each["phase"] == "running" for each in states(folder)))
    head.send_signal(signal.SIGINT)
    code, _, err = finish(head)
    assert code == 1 and re.search(r"[1-4] jobs stay in Slurm's queue", err), err  # those that the head had seen
    asked = fake_slurm.submitted(place / "slurm")
    assert [one.get("dependency") for one in asked.values()] == [None, None, "afterany:1", "afterany:2"]
    code, text, err = suite(folder, "cancel", "mine.yaml", PATH=path)
    assert code == 0 and text == "4 jobs cancelled\n", err
    until(lambda: all(fake_slurm.state_of(place / "slurm" / "jobs", one) == "CANCELLED" for one in asked))
    _, told, _ = suite(folder, "status", "mine.yaml", "--json")
    assert json.loads(told)["counts"] == {"cancelled": 4}


@pytest.mark.slow
def test_a_preempted_job_is_requeued_and_continues(place: Path, undisturbed: dict[str, str]):
    folder, path = write(place / "work", LONG), path_with(place / "slurm")
    head = start(folder, "run", "mine.yaml", "--plugin", str(TOY), "--on", "slurm", PATH=path)
    worker = until(lambda: state(folder).get("epoch", 0) >= 2 and state(folder)["pid"])
    os.kill(worker, signal.SIGUSR2)  # what Slurm sends before it preempts a job, and before the time limit
    code, _, err = finish(head)
    assert code == 0, err
    assert state(folder)["attempt"] == 2 and predictions(folder) == undisturbed
    (log,) = (folder / "elrbench-runs").glob("*/job/output.txt")
    assert "resuming at epoch" in log.read_text()


@pytest.mark.slow
def test_a_refused_job_is_one_line(place: Path):
    folder, path = write(place / "work", LONG), path_with(place / "slurm")
    flags = ("--plugin", str(TOY), "--on", "slurm", "--slurm", "partition=absent")
    code, out, err = suite(folder, "run", "mine.yaml", *flags, PATH=path)
    (line,) = [line for line in err.splitlines() if line.startswith("elrbench: error: ")]
    assert (code, out) == (1, "") and "sbatch refused the job" in line and "invalid partition specified: absent" in line


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # submitit leaves its log files open
def test_submitits_debug_runs_the_job_here(
    toy_plan: Plan, toy_catalog: Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr("elrbench_plugins.commands.suite.cluster.job.load_catalog", lambda extra: toy_catalog)
    job = make_job(toy_plan, toy_catalog, tmp_path)
    executor = SlurmExecutor(EngineRequest(on="slurm", slurm={"cluster": "debug"}, threads=1), tmp_path)
    folder = JobFolder(job.out)
    folder.write_job(job)
    ident = executor.submit(folder)
    assert read_state(folder).phase == "done" and executor.ended([ident]) == {ident: ""}
    assert not executor.queues and executor.slots == 1


@pytest.mark.slow
def test_submitits_local_jobs_run_in_waves(place: Path):
    folder = write(place, THREE)
    flags = ("--on", "slurm", "--slurm", "cluster=local", "--jobs", "2")
    code, _, err = suite(folder, "run", "mine.yaml", "--plugin", str(TOY), *flags)
    assert code == 0, err
    assert len(predictions(folder)) == 3 and trained(folder) == sorted(set(trained(folder))) and waits(folder) == []


def test_options_that_elrbench_sets_are_refused(tmp_path: Path):
    for slurm, error in (
        ({"dependency": "afterok:1"}, "--slurm dependency cannot be set"),
        ({"cluster": "lsf"}, "--slurm cluster=lsf is unknown; use one of slurm, local, debug"),
        ({"cluster": "local", "time": "soon"}, "--slurm time=soon is not a time"),
    ):
        with pytest.raises(ElrError, match=error):
            SlurmExecutor(EngineRequest(on="slurm", slurm=slurm), tmp_path)


def test_jobs_that_scancel_does_not_end_are_not_called_cancelled(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster, "_call", lambda *words: None)
    executor: Any = SimpleNamespace(queues=True)
    with pytest.raises(RunFailed, match="scancel did not end the jobs 3, 4; run it on a machine of the cluster"):
        SlurmExecutor.cancel(executor, ["3", "4"])
    SlurmExecutor.cancel(executor, [])
    monkeypatch.setattr(cluster, "_queue", lambda: {"4"})
    with pytest.raises(RunFailed, match="scancel did not end"):
        SlurmExecutor.cancel(executor, ["3", "4"])
    SlurmExecutor.cancel(executor, ["3"])  # forgotten
