"""Trackers get every figure once, change nothing, and cannot end a run; mistakes are one line before training."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import TOY
from tracked_runs import EXAMPLE, Memory, catalog, forget, go, planned, points

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.cli import main
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.requests import read_request, request_of

__all__ = ["catalog", "forget"]  # fixtures


# -- figures


def test_a_tracker_gets_plan_figures_scores_and_record(catalog: Catalog, tmp_path: Path) -> None:
    plan = planned(catalog)
    result = go(plan, catalog, tmp_path, "memory:mine")
    tracker = Memory.last()
    assert tracker.project == "mine" and tracker.run.plan == plan.to_json() and not tracker.run.resumed
    assert tracker.run.id.startswith(f"{plan.digest}-") and tracker.run.folder == tmp_path / "out"
    assert tracker.run.flat["size"] == "24x32" and tracker.run.flat["method.epochs"] == 3
    found = points(tracker)
    assert [step for step, _ in found["student/loss"]] == [1, 2, 3, 4, 5, 6]  # 24 clips in batches of 12
    assert found["student/epoch/number"] == [(2, 1.0), (4, 2.0), (6, 3.0)]
    each = [value for _, value in found["student/loss"]]
    means = [(step, (each[step - 2] + each[step - 1]) / 2) for step in (2, 4, 6)]
    assert found["student/epoch/loss"] == [(step, pytest.approx(mean, abs=1e-6)) for step, mean in means]
    assert found["test/top1"] == [(6, result.record["scores"]["top1"]["value"])]
    assert tracker.ended == [result.record]
    assert not (tmp_path / "out" / "tracking.json").exists()  # the run has ended


def test_stages_follow_each_other_and_those_of_the_cache_have_the_same_steps(catalog: Catalog, tmp_path: Path) -> None:
    plan = planned(catalog, "method.joint_epochs=2", method="kd")
    trained, reused = (
        points(Memory.last()) for out in ("one", "other") if go(plan, catalog, tmp_path, "memory", out=tmp_path / out)
    )
    stages = list(dict.fromkeys(name.partition("/")[0] for name in trained))
    assert len(stages) >= 3 and stages[-1] == "test"
    assert [step for step, _ in trained[f"{stages[0]}/loss"]] == [1, 2, 3, 4, 5, 6]
    assert trained[f"{stages[1]}/loss"][0][0] == 7
    of_epochs = {name: values for name, values in trained.items() if "/epoch/" in name or name.startswith("test/")}
    assert reused == of_epochs


def test_several_values_in_one_update_are_averaged(catalog: Catalog) -> None:
    from benchmark_core.training.figures import EPOCH, UPDATE, StageFigures
    from benchmark_core.training.metric_logger import MetricLogger

    seen: list[Any] = []
    figures, metrics = StageFigures(lambda *each: seen.append(each), "s", 10), MetricLogger("")
    for value in (1.0, 3.0):
        metrics.add("loss", value)
    figures.update(1, metrics, send=False)
    figures.update(2, metrics, send=False)  # nothing was logged
    metrics.add("loss", 5.0)
    figures.update(3, metrics, send=False)
    assert seen == []
    figures.epoch(1, 3, {"epoch": 0, **metrics.means("")}, {"epoch": 1, "top1": 0.5})
    assert seen == [
        (11, UPDATE, {"s/loss": 2.0}),
        (13, UPDATE, {"s/loss": 5.0}),
        (13, EPOCH, {"s/epoch/number": 1.0, "s/epoch/loss": 3.0, "s/holdout/top1": 0.5}),
    ]


def test_nothing_of_a_run_depends_on_its_trackers(catalog: Catalog, tmp_path: Path) -> None:
    plan = planned(catalog)
    plain, tracked = go(plan, catalog, tmp_path / "plain"), go(plan, catalog, tmp_path / "tracked", "memory")
    for name in ("recognizer.safetensors", plain.record["predictions"]["file"], "log.json"):
        assert (plain.folder / name).read_bytes() == (tracked.folder / name).read_bytes()
    left_out = ("timings", "finished", "seal", "stages")
    assert {key: value for key, value in plain.record.items() if key not in left_out} == {
        key: value for key, value in tracked.record.items() if key not in left_out
    }
    assert [stage["key"] for stage in plain.record["stages"]] == [stage["key"] for stage in tracked.record["stages"]]
    notes = [
        {**json.loads(path.read_bytes()), "seconds": 0}
        for folder in ("plain", "tracked")
        for path in (tmp_path / folder).glob("cache/stages/*/stage.json")
    ]
    assert len(notes) == 2 and notes[0] == notes[1]
    assert {path.name for path in tracked.folder.iterdir()} == {path.name for path in plain.folder.iterdir()}


# -- a kill


def test_a_run_that_continues_repeats_and_loses_nothing(catalog: Catalog, tmp_path: Path) -> None:
    plan = planned(catalog)
    go(plan, catalog, tmp_path / "whole", "memory")
    whole = points(Memory.last())
    Memory.interrupt_at = 5
    with pytest.raises(KeyboardInterrupt):
        go(plan, catalog, tmp_path, "memory")
    first = Memory.last()
    assert first.ended == [None] and first.figures and first.figures[-1][0] < 5
    Memory.interrupt_at = None
    go(plan, catalog, tmp_path, "memory")
    second = Memory.last()
    assert second.run.id == first.run.id and second.run.resumed
    assert points(first, second) == whole
    go(plan, catalog, tmp_path, "memory")  # the finished run again: a run of its own, of stages from the cache
    third = Memory.last()
    assert third.run.id != first.run.id and not third.run.resumed and "student/loss" not in points(third)


def test_refit_is_another_run(catalog: Catalog, tmp_path: Path) -> None:
    Memory.interrupt_at = 5
    with pytest.raises(KeyboardInterrupt):
        go(planned(catalog), catalog, tmp_path, "memory")
    first, Memory.interrupt_at = Memory.last(), None
    go(planned(catalog), catalog, tmp_path, "memory", refit=True)
    assert Memory.last().run.id != first.run.id and len(points(Memory.last())["student/loss"]) == 6


@pytest.mark.parametrize(
    "text", ["", "[]", '{"id": 3}', '{"id": "x-1", "sent": [1, 2]}', '{"id": "PLAN-0", "sent": 3}']
)
def test_a_damaged_state_begins_a_new_run(catalog: Catalog, tmp_path: Path, text: str) -> None:
    plan = planned(catalog)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "tracking.json").write_text(text.replace("PLAN", plan.digest))
    go(plan, catalog, tmp_path, "memory")
    assert not Memory.last().run.resumed and len(points(Memory.last())["student/loss"]) == 6


def test_a_killed_process_and_the_next_one_write_one_file(tmp_path: Path) -> None:
    """The example of the documentation, by SIGKILL."""

    def argv(name: str) -> list[str]:
        plan = "--method supervised --dataset toy --backbone toynet --budget smoke --size 24x32 --device cpu"
        settings = "--set method.batch=12 --set method.epochs=60"
        own = f"--out {tmp_path / name / 'out'} --cache {tmp_path / name / 'cache'} --plugin {TOY} --plugin {EXAMPLE}"
        return [sys.executable, "-m", "elrbench", "run", *f"{plan} {settings} {own} --track csv".split()]

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    path = tmp_path / "killed" / "out" / "figures.csv"
    with subprocess.Popen(argv("killed"), env=environment, stderr=subprocess.PIPE) as process:
        end = time.monotonic() + 120
        while not (path.is_file() and "student/epoch/loss" in path.read_text()):
            assert process.poll() is None and time.monotonic() < end, process.stderr and process.stderr.read()
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    before = read_csv(path)
    assert 0 < len(before) < 60 * 4
    for name in ("killed", "whole"):
        done = subprocess.run(argv(name), env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    resumed, whole = read_csv(path), read_csv(tmp_path / "whole" / "out" / "figures.csv")
    assert resumed[: len(before)] == before
    # At most what was sent between the file and `tracking.json` is there twice.
    assert sorted(set(resumed)) == sorted(whole) and len(resumed) - len(whole) <= 4


def read_csv(path: Path) -> list[tuple[str, ...]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [tuple(line) for line in csv.reader(file)]


# -- where it can be given


def test_workers_and_jobs_get_the_trackers(catalog: Catalog, tmp_path: Path) -> None:
    context = RunContext(out=tmp_path, cache=tmp_path, track=("memory:a", "csv"), validate=2)
    request = json.loads(json.dumps(request_of(planned(catalog), catalog, context)))
    assert read_request({**request, "plugins": [*request["plugins"]]})[2].track == ("memory:a", "csv")


def test_the_first_process_of_several_tracks(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    catalog = load_catalog([*toy_catalog.extra, str(EXAMPLE)], entry_points=False)
    result = go(planned(catalog, processes="2"), catalog, tmp_path, "csv")
    lines = read_csv(result.folder / "figures.csv")
    assert [step for step, name, _ in lines if name == "student/loss"] == ["1", "2", "3", "4", "5", "6"]
    log = json.loads((result.folder / "log.json").read_bytes())["student"]
    means = [float(value) for _, name, value in lines if name == "student/epoch/loss"]
    assert means == [row["loss"] for row in log]  # over the clips of both processes
    assert lines[-1][1].startswith("test/")


@pytest.mark.parametrize("jobs", [[], ["--jobs", "1", "--threads", "1"]], ids=["here", "jobs"])
def test_each_run_of_a_suite_is_tracked(place: Path, jobs: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    from cluster_suites import FIELDS, suite, write

    rows = "[{row: student, method: supervised}, {row: ceiling, method: teacher}]"
    settings = "set: {method.batch: 12, method.epochs: 1}"
    folder = write(place / "suite", f"common: {{{FIELDS}, {settings}}}\nrows: {rows}")
    argv = ("run", "mine.yaml", "--plugin", str(TOY), "--plugin", str(EXAMPLE), *jobs)
    code, _, err = suite(folder, *argv, "--track", "cvs")
    assert code == 2 and "unknown tracker 'cvs'. Did you mean 'csv'?" in err and err.count("\n") == 1
    assert not (folder / "cache" / "stages").exists()
    code, _, err = suite(folder, *argv, "--track", "csv")
    assert code == 0, err
    files = list((folder / "elrbench-runs").glob("*/figures.csv"))
    assert len(files) == 2 and all("test/top1" in file.read_text() for file in files)


def test_trackers_are_listed_and_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"elrbench_plugins.trackers.{name}" for name in ("tensorboard", "wandb", "mlflow", "trackio")]
    monkeypatch.setattr(catalog_module, "load_catalog", lambda extra=(), **_: load_catalog(names, entry_points=False))
    for argv, words in (
        (["list", "trackers"], ["mlflow", "tensorboard", "trackio", "wandb"]),
        (["show", "wandb"], ["Weights & Biases", "needs the extra"]),
    ):
        with pytest.raises(SystemExit):
            main(argv)
        out = capsys.readouterr().out
        assert all(word in out for word in words), out
