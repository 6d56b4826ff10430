"""A record holds the training time of its own process, and that of all processes if there were earlier ones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from run_records import make_record, put
from test_flow import opencv
from test_fusion import amend, made, plan, streams_at
from test_fusion import go as go_fused

from benchmark_core.catalog import Catalog
from benchmark_core.papers.collection import Library
from benchmark_core.plans.plan import Plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import RunResult, run
from benchmark_core.tables.gather import gather
from benchmark_core.training.stage_files import open_checkpoint
from benchmark_core.training.stage_folder import StageFolder
from elrbench_plugins.commands.site.row_details import row_details

__all__ = ["made", "opencv", "plan"]  # fixtures


def go(plan: Plan, catalog: Catalog, folder: Path) -> dict[str, Any]:
    context = RunContext(out=folder / "out", cache=folder / "cache", reporter=Silent())
    return dict(run(plan, catalog, context).record)


def test_a_reused_stage_counts_with_its_own_seconds(toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path) -> None:
    first = go(toy_plan, toy_catalog, tmp_path)
    assert "train_all_s" not in first["timings"] and first["stages"][0]["seconds"] > 0
    again = go(toy_plan, toy_catalog, tmp_path)
    assert again["stages"][0]["reused"] and "earlier" not in again["stages"][0]
    expected = again["timings"]["train_s"] + first["stages"][0]["seconds"]
    assert again["timings"]["train_all_s"] == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(("seconds", "counted"), [(100.0, True), (0.1, False)])
def test_a_wait_for_a_stage_counts_once(
    toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, counted: bool
) -> None:
    """Another process trains the stage in `seconds`, and this one waits for the last half second."""
    go(toy_plan, toy_catalog, tmp_path)
    locked, finished = StageFolder.locked, StageFolder.finished

    @contextmanager
    def late(self: StageFolder) -> Iterator[None]:
        time.sleep(0.5)
        with locked(self):
            yield

    def as_long(self: StageFolder) -> dict[str, Any] | None:
        note = finished(self)
        return None if note is None else {**note, "seconds": seconds}

    monkeypatch.setattr(StageFolder, "locked", late)
    monkeypatch.setattr(StageFolder, "finished", as_long)
    record = go(toy_plan, toy_catalog, tmp_path)
    (stage,), timings = record["stages"], record["timings"]
    assert stage["reused"] and stage["seconds"] == seconds and timings["train_s"] >= 0.5
    assert ("train_all_s" in timings) is counted
    if counted:
        assert seconds - 30 < timings["train_all_s"] - timings["train_s"] <= seconds - 0.49


def test_a_resumed_stage_counts_with_the_seconds_of_earlier_processes(
    toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = StageFolder.save_checkpoint

    def stop(self: StageFolder, state: dict[str, Any]) -> None:
        save(self, {**state, "seconds": state["seconds"] + 100})  # as if the first epoch had taken so long
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(StageFolder, "save_checkpoint", stop)
        go(toy_plan, toy_catalog, tmp_path)
    (checkpoint,) = (tmp_path / "cache" / "stages").glob("*/checkpoint.pt")
    with open_checkpoint(checkpoint, checkpoint.parent.name.rpartition("-")[2]) as file:
        spent = torch.load(file, weights_only=True)["seconds"]
    record = go(toy_plan, toy_catalog, tmp_path)
    timings = record["timings"]
    assert spent > 100 > timings["train_s"]
    assert timings["train_all_s"] == pytest.approx(timings["train_s"] + spent, abs=0.02)
    assert timings["train_all_s"] >= record["stages"][0]["seconds"] > 100
    assert timings["total_s"] < 100  # of the last process


def test_a_fused_run_counts_the_earlier_processes_of_either_stream(
    made: RunResult, toy_catalog: Catalog, plan: Plan, tmp_path: Path
) -> None:
    first, second = streams_at(made, tmp_path)
    one, other = (part.record["timings"] for part in made.streams)
    assert "train_all_s" not in made.record["timings"]
    amend(second, timings={**other, "train_all_s": 500.0})
    fused = go_fused(plan, toy_catalog, tmp_path).record["timings"]
    assert fused["train_all_s"] == pytest.approx(one["train_s"] + 500)
    assert fused["train_s"] == pytest.approx(one["train_s"] + other["train_s"])


def test_the_site_shows_the_time_of_earlier_processes(tmp_path: Path) -> None:
    for seed, more in enumerate(({}, {"train_all_s": 204.0})):
        put(tmp_path, make_record(seed=seed, more={"timings": {"train_s": 24.0, "total_s": 30.0, **more}}))
    (page,) = gather(tmp_path, Library({}, {}), whole=True).pages.values()
    assert page.table is not None
    first, second = (run["took"] for run in row_details(page.table.competitors[0], {}, "board")["runs"])
    assert first == "30 s" and second.startswith("30 s (") and "204 s" in second
