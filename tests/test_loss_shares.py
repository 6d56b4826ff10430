"""The script that compares the gradients of CSTAT's three losses."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from scripts import load_script

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Catalog
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("loss_shares")


@pytest.fixture(autouse=True)
def no_entry_points(toy_catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_module, "load_catalog", lambda extra=(): toy_catalog)


def finished(catalog: Catalog, folder: Path, method: str, *settings: str) -> Path:
    usual = ("dataset.train=4", "dataset.test=4", "method.batch=2", "method.epochs=1", *settings)
    request = PlanRequest(
        method=method, dataset="toy", backbone="toynet", budget="smoke", size="24x32", settings=usual, seed=1
    )
    plan = resolve_plan(catalog, request)
    out = folder / plan.digest
    return run(
        plan, catalog, RunContext(data=None, out=out, cache=folder / "cache", reporter=Silent(), device="cpu")
    ).folder


def told(script: ModuleType, run_folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> Any:
    assert script.main([str(run_folder), "--cache", str(run_folder.parent / "cache"), "--json", *more]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("method", ["cstat", "stat"])
def test_a_gradient_is_as_long_as_its_weight(
    script: ModuleType, toy_catalog: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str
) -> None:
    joint = "method.joint_epochs=1"
    one = told(script, finished(toy_catalog, tmp_path, method, joint, "method.w_sat=0.1"), capsys)
    other = told(script, finished(toy_catalog, tmp_path, method, joint, "method.w_sat=0.4"), capsys)
    for loss, factor in (("ce", 1), ("sat", 4), ("tat", 1)):  # the same start, for its stages are the same
        assert other["start"][loss]["norm"] == pytest.approx(factor * one["start"][loss]["norm"], rel=1e-5)
        assert other["start"][loss]["cosine"] == pytest.approx(one["start"][loss]["cosine"], abs=1e-5)
    assert one["start"]["ce"]["cosine"] == pytest.approx(1) and one["start"]["sat"]["norm"] > 0
    assert one["end"]["ce"]["norm"] != one["start"]["ce"]["norm"]


def test_the_table_and_what_is_refused(
    script: ModuleType, toy_catalog: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = finished(toy_catalog, tmp_path, "cstat", "method.joint_epochs=1")
    assert script.main([str(folder), "--cache", str(tmp_path / "cache"), "--batches", "1"]) == 0
    first, heading, *rows = capsys.readouterr().out.splitlines()
    assert first.startswith("cstat:mlp+rc on toy, seed 1: ") and heading.split()[:2] == ["weight", "start"]
    assert [row.split()[0] for row in rows] == ["ce", "sat", "tat"] and rows[0].split()[3] == "1.000"
    assert script.main([str(folder), "--batches", "0"]) == 2
    assert "--batches 0 is not a number of batches" in capsys.readouterr().err
    other = finished(toy_catalog, tmp_path, "supervised")
    assert script.main([str(other)]) == 2
    assert "is a run of 'supervised', which has no joint phase" in capsys.readouterr().err
    (folder / "recognizer.safetensors").unlink()
    assert script.main([str(folder)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
