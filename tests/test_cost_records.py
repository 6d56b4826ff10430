"""`cost --records`: each published network once, from the plans of records, on this machine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from test_kd import go, toy

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Catalog
from benchmark_core.cli.app import main
from benchmark_core.cost.recorded import recorded
from benchmark_core.records.cost_record import read_cost
from benchmark_core.records.publish import publish
from benchmark_core.tables.load import load_leaderboard


@pytest.fixture(scope="module")
def published(toy_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of one network, and another network."""
    work = tmp_path_factory.mktemp("published")
    for method, seed in (("supervised", 0), ("supervised", 1), ("stat", 0)):
        result = go(toy_catalog, toy(toy_catalog, method, seed=seed), work)
        publish(result.folder, work / "board")
    return work / "board"


@pytest.fixture
def board(published: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return shutil.copytree(published, tmp_path / "board")


@pytest.fixture
def call(capsys: Any, monkeypatch: Any, toy_catalog: Catalog, board: Path) -> Any:
    monkeypatch.setattr(catalog_module, "load_catalog", lambda extra=(): toy_catalog)

    def run(*argv: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["cost", "--records", "--folder", str(board), "--device", "cpu", *argv])
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return run


def test_each_structure_is_measured_once_and_kept_the_next_time(call: Any, board: Path) -> None:
    structures = {run["structure"] for run in load_leaderboard(board).runs}
    assert len(structures) == 2
    flags = ("--publish", "--engines", "eager", "--max-load", "100")
    code, out, err = call(*flags)
    assert code == 0 and "2 measured" in out and "1/2 " in err
    timed = [read_cost(path) for path in (board / "costs").iterdir() if "cpu_latency" in path.read_text()]
    assert {cost["structure"] for cost in timed} == structures
    assert "2 kept" in call(*flags)[1]
    assert "2 measured" in call(*flags, "--refresh")[1]


def test_without_publish_nothing_is_written(call: Any, board: Path) -> None:
    before = sorted((board / "costs").iterdir())
    code, out, _ = call("--no-latency", "--json")
    found = json.loads(out)
    assert code == 0 and [cost["state"] for cost in found["costs"]] == ["measured", "measured"]
    assert {cost["kind"] for cost in found["costs"]} == {"recognizer"}
    assert sorted((board / "costs").iterdir()) == before


def test_counts_are_those_of_the_run(call: Any, board: Path) -> None:
    runs = {cost["structure"]: cost for costs in load_leaderboard(board).costs.values() for cost in costs}
    for cost in json.loads(call("--no-latency", "--json")[1])["costs"]:
        again = cost["record"]
        assert all(again[key] == runs[again["structure"]][key] for key in ("params", "macs", "describe"))


def test_a_plan_that_cannot_be_resolved_is_one_line(call: Any, board: Path, monkeypatch: Any) -> None:
    from benchmark_core.cost import recorded as module

    real = module.structure_key
    monkeypatch.setattr(module, "structure_key", lambda describe: real(describe).replace("mean-logits", "other"))
    code, out, _ = call("--no-latency")
    assert code == 1 and "1 measured, 1 failed" in out and "have changed since" in out


def test_files_of_weights_are_not_needed(toy_catalog: Catalog, board: Path) -> None:
    found = load_leaderboard(board)
    run = json.loads(json.dumps(found.runs[0]))
    run["plan"]["weights"] = "file:recognizer@0123456789abcdef"
    (network,) = recorded(toy_catalog, [run], found.costs)
    assert not network.fault and network.plan is not None and network.plan.weights == "scratch"


def test_clips_that_differ_in_size_are_counted_at_the_recorded_size(toy_catalog: Catalog, board: Path) -> None:
    found = load_leaderboard(board)
    (first, *_) = recorded(toy_catalog, found.runs, found.costs)
    assert first.low == (12, 16)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--all",), "pass one of them at a time"),
        (("--only", "resnet18"), "--only chooses components, and --records measures recognizers"),
        (("--backbone", "resnet18"), "--backbone describes a single network; remove it or --records"),
        (("--refresh",), "--refresh needs --records --publish"),
    ],
)
def test_what_does_not_go_together_is_refused(call: Any, flags: tuple[str, ...], says: str) -> None:
    code, _, err = call(*flags)
    assert code == 2 and says in err and len(err.splitlines()) == 1


def test_a_board_without_runs_is_refused(call: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, _, err = call("--no-latency", "--folder", str(tmp_path / "empty"))
    assert code == 2 and "has no run records" in err
