"""A run is finished if its record, its predictions and its cost are all in the run folder; otherwise it continues."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_flow import opencv
from test_fusion import go as go_fused
from test_fusion import made, plan
from test_records import finished_run
from test_suite_command import TOY as TOY_FILE
from test_suite_command import call, write

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.cli import main
from benchmark_core.plans.plan import Plan
from benchmark_core.progress import Silent
from benchmark_core.records.cost_record import write_cost
from benchmark_core.records.finished import is_finished
from benchmark_core.records.publish import publish
from benchmark_core.records.record import find_record, read_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import RunResult, run
from elrbench import ElrError

__all__ = ["call", "made", "opencv", "plan"]  # fixtures
SUITE = """
common: {dataset: toy, backbone: toynet, budget: smoke, size: 24x32, set: {method.batch: 12, method.epochs: 1}}
rows: [{row: student, method: supervised}]
"""


def cost_of(folder: Path) -> Path:
    """The one cost record in a run folder."""
    (path,) = (path for path in folder.glob("toynet-*.json"))
    return path


def stop(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_run_that_is_stopped_before_its_cost_has_no_record(
    toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = RunContext(out=tmp_path / "out", cache=tmp_path / "cache", reporter=Silent())
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("benchmark_core.runs.runner.write_cost", stop)
        run(toy_plan, toy_catalog, context)
    assert list(context.out.glob("*.predictions.csv.gz")) and not list(context.out.glob("supervised-*.json"))
    record = run(toy_plan, toy_catalog, context).record
    assert record["stages"][0]["reused"] and is_finished(context.out, read_record(find_record(context.out)))


@pytest.mark.parametrize("lost", ["cost", "predictions"])
def test_a_suite_completes_a_run_folder_that_lacks_a_file(call, lost: str) -> None:
    flags = (write(SUITE), "--plugin", TOY_FILE)
    assert call("run", *flags)[0] == 0
    (folder,) = Path("elrbench-runs").iterdir()
    path = cost_of(folder) if lost == "cost" else next(folder.glob("*.predictions.csv.gz"))
    before = path.read_bytes()
    assert "1 of 1 runs are done" in call("run", *flags, "--dry-run")[1]
    assert "to publish" in call("missing", *flags)[1]
    path.unlink()
    assert "0 of 1 runs are done" in call("run", *flags, "--dry-run")[1]
    assert "to run" in call("missing", *flags)[1]
    code, _, err = call("run", *flags)
    assert code == 0 and f"{folder} lacks cost or predictions next to its record" in err
    assert "student: reused from the cache" in err and path.read_bytes() == before


def test_a_published_run_does_not_hide_that_its_folder_lacks_the_cost(call) -> None:
    flags = (write(SUITE), "--plugin", TOY_FILE, "--publish")
    assert call("run", *flags)[0] == 0
    (folder,) = Path("elrbench-runs").iterdir()
    for path in (cost_of(folder), cost_of(Path("leaderboards/costs"))):
        path.unlink()
    assert call("run", *flags)[0] == 0
    assert cost_of(Path("leaderboards/costs")).read_bytes() == cost_of(folder).read_bytes()


def test_a_run_without_its_cost_is_not_published(tmp_path: Path) -> None:
    record = finished_run(tmp_path / "run")
    (cost,) = (tmp_path / "run").glob(f"{record['structure']}-*.json")
    for damage in (lambda: cost.write_text(cost.read_text()[:-9]), cost.unlink):
        damage()
        assert not is_finished(tmp_path / "run", record)
    with pytest.raises(ElrError, match="has a record but no cost.* run its plan again with --out ") as caught:
        publish(tmp_path / "run", tmp_path / "board")
    assert "\n" not in str(caught.value) and not (tmp_path / "board").exists()


def test_a_stream_or_a_fused_run_without_its_cost_is_completed(
    made: RunResult, toy_catalog: Catalog, plan: Plan
) -> None:
    root = made.folder.parents[1]
    before = {each.folder: cost_of(each.folder).read_bytes() for each in (made, *made.streams)}
    for folder in (made.streams[1].folder, made.folder):
        cost_of(folder).unlink()
        told: list[str] = []
        go_fused(plan, toy_catalog, root, told)
        rerun = [stream.modality for stream in plan.streams if f"{stream.modality}: run {stream.digest}" in told]
        assert rerun == (["flow"] if folder != made.folder else [])
        costs = [json.loads(cost_of(each).read_text()) for each in before]
        assert [cost["params"] for cost in costs] == [json.loads(text)["params"] for text in before.values()]


def test_a_fused_run_whose_streams_were_measured_on_different_devices_has_no_cost(
    made: RunResult, toy_catalog: Catalog, plan: Plan, tmp_path: Path
) -> None:
    root = made.folder.parents[1]
    record = read_record(find_record(made.folder))
    cost = cost_of(made.folder)
    cost.unlink()
    assert not is_finished(made.folder, record)
    first = cost_of(made.streams[0].folder)
    kept = first.read_bytes()
    first.unlink()
    assert not is_finished(made.folder, record)  # the first stream has none at all
    write_cost(first.parent, {**json.loads(kept), "device": "cuda: other"})
    assert is_finished(made.folder, record)
    publish(made.folder, tmp_path / "board")
    assert not list((tmp_path / "board" / "costs").glob("*rgb-flow*"))
    next(first.parent.glob("toynet-*cuda*.json")).unlink()
    first.write_bytes(kept)
    go_fused(plan, toy_catalog, root)
    assert is_finished(made.folder, read_record(find_record(made.folder)))


def test_publishing_creates_the_leaderboards_folder(tmp_path: Path, monkeypatch, capsys) -> None:
    """`cost` and `suite run` do what `run` and `publish` do; the suite is tested above."""
    monkeypatch.setattr(catalog_module, "load_catalog", lambda **_: load_catalog([TOY_FILE], entry_points=False))
    flags = "cost --backbone toynet --classes 3 --sampling 2x1 --size 24x32 --no-latency --publish --folder"
    with pytest.raises(SystemExit) as stopped:
        main([*flags.split(), str(tmp_path / "new" / "board")])
    assert not stopped.value.code and cost_of(tmp_path / "new" / "board" / "costs").is_file()
