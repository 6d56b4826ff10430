"""Runs of Purwanto's system: the stages of every row of Table 2, which of them are shared, and resumed ones."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from purwanto_plans import ROWS, TOY, go, plan_of

from benchmark_core.catalog import Catalog
from benchmark_core.training.recipe import Recipe


@pytest.fixture(scope="module")
def rows(toy_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The record of every row of Table 2, on one cache, in the table's order."""
    work = tmp_path_factory.mktemp("rows")
    settings = ("dataset.train=8", "dataset.test=6", "method.head_batch=4")
    records = {}
    for row in ROWS:
        sr = ("enhancer.scale=2",) if "sr" in row.split("+") else ()
        records[row] = go(toy_catalog, plan_of(toy_catalog, f"purwanto:{row}", *settings, *sr, **TOY), work).record
    return records


def test_every_row_runs(rows: dict[str, Any]) -> None:
    stages = {row: [stage["name"] for stage in record["stages"]] for row, record in rows.items()}
    assert stages == {
        "two-stream": ["student"],
        "sr": ["dbpn", "student"],
        "kd": ["teacher", "student"],
        "sa": ["student", "attention"],
        "kd+sa": ["teacher", "student", "attention"],
        "sr+kd": ["teacher", "dbpn", "student"],
        "sr+kd+sa": ["teacher", "dbpn", "student", "attention"],
    }
    for record in rows.values():
        assert record["clips"]["test"] == 6 and all(count > 0 for count in record["updates"].values())
    assert rows["sa"]["updates"]["attention"] == 2 * 2  # passes over 8 clips, 4 at once


def test_rows_share_what_they_train(rows: dict[str, Any]) -> None:
    keys = {
        (row, stage["name"]): (stage["key"], stage["reused"])
        for row, record in rows.items()
        for stage in record["stages"]
    }
    for name, first, *others in [
        ("student", "two-stream", "sa"),
        ("student", "kd", "kd+sa"),
        ("student", "sr+kd", "sr+kd+sa"),
        ("teacher", "kd", "kd+sa", "sr+kd", "sr+kd+sa"),
        ("dbpn", "sr", "sr+kd", "sr+kd+sa"),
    ]:
        assert not keys[first, name][1]
        assert all(keys[other, name] == (keys[first, name][0], True) for other in others)
    apart = [keys[row, "student"][0] for row in ("two-stream", "sr", "kd", "sr+kd")]
    apart += [keys[row, "attention"][0] for row in ("sa", "kd+sa", "sr+kd+sa")]
    assert len(set(apart)) == 7


def test_the_attention_network_alone_is_its_own_method(toy_catalog: Catalog, tmp_path: Path) -> None:
    settings = ("dataset.train=8", "dataset.test=6", "method.head_batch=4")
    row = go(toy_catalog, plan_of(toy_catalog, "purwanto:sa", *settings, **TOY), tmp_path).record
    alone = go(toy_catalog, plan_of(toy_catalog, "st-mhsa", *settings, **TOY, enhancer="bicubic"), tmp_path).record
    assert [stage["reused"] for stage in alone["stages"]] == [True, True]
    assert alone["scores"] == row["scores"]


class Killed(Exception):
    """What stops a run in these tests."""


@pytest.mark.parametrize("updates", [1, 5])
def test_a_killed_attention_stage_ends_as_one_that_was_not(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, updates: int
) -> None:
    settings = (
        "dataset.train=12",
        "dataset.test=6",
        "method.head_batch=4",
        "method.head_epochs=4",
        "method.dropout=0.5",
    )
    plan = plan_of(toy_catalog, "st-mhsa", *settings, **TOY)
    whole = go(toy_catalog, plan, tmp_path / "whole")
    step, taken = Recipe.step, itertools.count()

    def killed(recipe: Recipe, loss: torch.Tensor) -> None:
        if isinstance(recipe.peak, float) and recipe.peak == 2e-4 and next(taken) == updates:
            raise Killed
        step(recipe, loss)

    monkeypatch.setattr(Recipe, "step", killed)
    with pytest.raises(Killed):
        go(toy_catalog, plan, tmp_path / "killed")
    again = go(toy_catalog, plan, tmp_path / "killed")
    assert [stage["reused"] for stage in again.record["stages"]] == [True, False]
    weights = [(each.folder / "recognizer.safetensors").read_bytes() for each in (whole, again)]
    assert weights[0] == weights[1] and whole.record["predictions"] == again.record["predictions"]
    logs = [json.loads((each.folder / "log.json").read_text())["attention"] for each in (whole, again)]
    assert [row["loss"] for row in logs[0]] == [row["loss"] for row in logs[1]] and len(logs[0]) == 4


@pytest.mark.slow
@pytest.mark.parametrize("modality", ["rgb", "rgb+flow"])
def test_the_smoke_budget_on_chunks(catalog: Catalog, tmp_path: Path, modality: str) -> None:
    """Super-resolution, distillation and attention on a 3D backbone, on few clips."""
    if modality != "rgb":
        pytest.importorskip("cv2", reason="the extra 'flow' is not installed")
    asked = {"dataset": "puppets", "budget": "smoke", "size": "32x42", "sampling": "windows-8", "modality": modality}
    settings = ("dataset.train=4", "dataset.test=3", "dataset.frames=12")
    record = go(catalog, plan_of(catalog, "purwanto", *settings, **asked), tmp_path).record
    rgb, flow = ["teacher", "dbpn", "student", "attention"], ["teacher", "student", "attention"]
    each = {"rgb": rgb, "rgb+flow": [*(f"rgb {name}" for name in rgb), *(f"flow {name}" for name in flow)]}
    assert [stage["name"] for stage in record["stages"]] == each[modality]
    costs = [json.loads(path.read_text()) for path in (tmp_path / "runs").rglob("resnet3d-18-*.json")]
    assert costs and all(cost["understated"] == [] for cost in costs)


@pytest.mark.slow
def test_two_streams(toy_catalog: Catalog, tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2", reason="the extra 'flow' is not installed")
    if not hasattr(cv2, "optflow"):
        pytest.skip("OpenCV is here without its contrib modules")
    settings = ("dataset.train=8", "dataset.test=6", "method.head_batch=4", "enhancer.scale=2")
    plan = plan_of(toy_catalog, "purwanto", *settings, **TOY, modality="rgb+flow")
    record = go(toy_catalog, plan, tmp_path).record
    stages = {f"rgb {name}" for name in ("teacher", "dbpn", "student", "attention")}
    assert set(record["updates"]) == stages | {f"flow {name}" for name in ("teacher", "student", "attention")}
