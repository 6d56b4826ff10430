"""Attention transfer from end to end on the toy dataset: the phase on a pool, what is deployed, maps that fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark_core.catalog import Catalog
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.record import read_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.loaded_run import load_run
from benchmark_core.runs.runner import run
from benchmark_core.runs.time_estimate import estimate_times
from benchmark_core.scoring.predictions import read_predictions
from benchmark_core.training.keys import StageInputs
from elrbench import ElrError, RunFailed
from elrbench_plugins.attention_transfer import phase

OWNERS = dict.fromkeys(("dataset", "degradation", "enhancer", "backbone", "method"), "elrbench")
INPUTS = StageInputs(clips="c", low="l", high="h", crop="after", owners=OWNERS, unlabelled="p", source="s")


def plan_of(catalog: Catalog, method: str, *settings: str, **asked: Any) -> Plan:
    settings = ("method.batch=12", "method.epochs=1", "method.joint_epochs=1", *settings)
    if method.startswith("supervised"):
        settings = tuple(text for text in settings if "joint" not in text)
    return resolve_plan(
        catalog,
        PlanRequest(method=method, dataset="toy", backbone="toynet", budget="smoke", size="24x32", settings=settings,
                **asked),
    )  # fmt: skip


def go(catalog: Catalog, folder: Path, plan: Plan) -> tuple[dict[str, Any], dict[str, list[dict[str, float]]], Path]:
    """The record, the log, and the run folder; stages are shared under `folder`."""
    out = folder / plan.digest
    run(plan, catalog, RunContext(data=None, out=out, cache=folder / "cache", reporter=Silent(), device="cpu"))
    (path,) = out.glob(f"*-{plan.digest}.json")
    return dict(read_record(path)), json.loads((out / "log.json").read_text()), out


def keys(record: dict[str, Any]) -> dict[str, str]:
    return {stage["name"]: stage["key"] for stage in record["stages"]}


# -- clips without labels


def test_the_student_learns_on_the_pool_between_its_two_phases(toy_catalog: Catalog, tmp_path: Path) -> None:
    plain, _, _ = go(toy_catalog, tmp_path, plan_of(toy_catalog, "cstat:mlp+rc"))
    plan = plan_of(toy_catalog, "cstat:mlp+rc+ut", "method.unlabelled_epochs=2", unlabelled="toy")
    record, log, _ = go(toy_catalog, tmp_path, plan)
    assert list(log) == ["teacher-tam", "student", "unlabelled", "joint"]
    shared, own = ("teacher-tam", "student"), ("joint",)
    assert all(keys(record)[name] == keys(plain)[name] for name in shared)
    assert all(keys(record)[name] != keys(plain)[name] for name in own)
    assert [row["epoch"] for row in log["unlabelled"]] == [0, 1]
    last = log["unlabelled"][-1]
    assert last["loss"] == pytest.approx((last["soft"] + last["sat"] + last["tat"]) / 3, abs=1e-4)
    assert "ce" not in last and last["soft"] > 0
    assert [last[f"w_sat_{i}"] for i in range(1, 5)] == pytest.approx([1 / 6, 1 / 4, 1 / 3, 1 / 4], abs=1e-5)
    assert "ce" in log["joint"][-1] and "soft" not in log["joint"][-1]


def test_stat_transfers_attention_alone_there(toy_catalog: Catalog, tmp_path: Path) -> None:
    _, log, _ = go(toy_catalog, tmp_path, plan_of(toy_catalog, "stat:ut", unlabelled="toy"))
    last = log["unlabelled"][-1]
    assert last["loss"] == pytest.approx((last["sat"] + last["tat"]) / 3, abs=1e-4)
    assert not {"ce", "soft"} & set(last)
    assert len(log["unlabelled"]) == len(log["joint"]) == 1  # as long as the joint phase by default


@pytest.mark.parametrize("method", ["cstat:ut", "stat:ut"])
def test_a_pool_that_is_asked_for_and_not_given_is_named(toy_catalog: Catalog, method: str) -> None:
    with pytest.raises(ElrError, match=f"method '{method}' with method.unlabelled=attention.* pass e.g. --unlabelled"):
        plan_of(toy_catalog, method)
    with pytest.raises(ElrError, match="'toy'; remove --unlabelled"):
        plan_of(toy_catalog, method.partition(":")[0], unlabelled="toy")


# -- what is deployed


def test_the_teachers_row_is_a_ceiling_and_costs_no_stage_of_its_own(toy_catalog: Catalog, tmp_path: Path) -> None:
    joint, _, _ = go(toy_catalog, tmp_path, plan_of(toy_catalog, "cstat:sat"))
    plan = plan_of(toy_catalog, "cstat:teacher")
    record, _, out = go(toy_catalog, tmp_path, plan)
    assert record["privileged"] is True and joint["privileged"] is False
    assert [(stage["name"], stage["reused"]) for stage in record["stages"]] == [("teacher-tam", True)]
    assert keys(record)["teacher-tam"] == keys(joint)["teacher-tam"]
    deployed = load_run(out, read_record(next(out.glob(f"*-{plan.digest}.json"))), toy_catalog)
    assert deployed.recognizer(torch.rand(1, 2, 3, 1, 24, 32)).shape == (1, 3)  # high views
    assert deployed.components.method.oracle


def test_the_students_row_is_the_student_alone(toy_catalog: Catalog, tmp_path: Path) -> None:
    ours, _, out = go(toy_catalog, tmp_path, plan_of(toy_catalog, "stat:student"))
    theirs, _, other = go(toy_catalog, tmp_path, plan_of(toy_catalog, "supervised"))
    assert keys(ours) == keys(theirs) and ours["privileged"] is False
    logits = [
        read_predictions(folder / record["predictions"]["file"]).logits
        for folder, record in ((out, ours), (other, theirs))
    ]
    assert (logits[0] == logits[1]).all()
    deployed = load_run(out, read_record(next(out.glob("stat-*.json"))), toy_catalog)
    assert not list(deployed.recognizer.head.parameters())


def test_a_ceiling_has_no_place_on_a_native_track(catalog: Catalog) -> None:
    asked = {"dataset": "tiny-puppets", "budget": "smoke", "backbone": "resnet18"}
    resolve_plan(catalog, PlanRequest(method="cstat", **asked))
    with pytest.raises(ElrError, match="method 'cstat:teacher' is scored on high views, but a native track has none"):
        resolve_plan(catalog, PlanRequest(method="cstat:teacher", **asked))


def test_on_another_datasets_high_views_it_ends_on_its_own_low_ones(toy_catalog: Catalog, tmp_path: Path) -> None:
    def stages(lent: str | None, **more: int) -> list[str]:
        request = PlanRequest(
            method="cstat", dataset="tinyvirat", backbone="toynet", budget="smoke", size="32x48",
            settings=("method.batch=4",), high_source=lent,
        )  # fmt: skip
        plan = resolve_plan(toy_catalog, request)
        components, device = components_of(toy_catalog, plan), torch.device("cpu")
        return list(estimate_times(plan, components, clips=4, inputs=INPUTS, device=device, cache=tmp_path, **more))

    assert stages(None) == ["teacher-tam", "student", "joint"]
    assert stages("virat-crops", hr_source=4) == ["teacher-tam", "student", "joint", "target"]


# -- confidence maps


@pytest.mark.parametrize("kind", ["difference", "gradient"])
def test_the_maps_without_parameters_train(toy_catalog: Catalog, kind: str, tmp_path: Path) -> None:
    record, log, _ = go(toy_catalog, tmp_path, plan_of(toy_catalog, f"cstat:{kind}+rc"))
    last = log["joint"][-1]
    assert 0 < last["confidence_area"] <= 1 and 0 < last["confidence_video"] <= 1
    assert "notes" not in record
    checkpoints = list((tmp_path / "cache" / "stages").rglob("checkpoint.pt"))
    assert not checkpoints


def test_a_threshold_that_empties_the_map_stops_the_run_again_and_again(toy_catalog: Catalog, tmp_path: Path) -> None:
    for epochs in (1, 2):
        plan = plan_of(toy_catalog, "cstat:mlp", "method.confidence_threshold=1.0", f"method.joint_epochs={epochs}")
        for _ in range(2):  # the second goes on from the first one's checkpoint
            with pytest.raises(RunFailed, match=r"reached method.confidence_threshold=1.0 in the first epoch"):
                go(toy_catalog, tmp_path, plan)


def test_the_record_says_that_a_trained_map_left_its_bounds(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive, _, _ = go(toy_catalog, tmp_path / "alive", plan_of(toy_catalog, "cstat:mlp"))
    assert "notes" not in alive
    monkeypatch.setattr(phase, "ALIVE", (0.9, 0.95))
    plan = plan_of(toy_catalog, "cstat:mlp")
    record, log, _ = go(toy_catalog, tmp_path, plan)
    (note,) = record["notes"]
    assert note.startswith("joint: ") and "(0.9, 0.95) in 1 of 1 epochs" in note
    assert f"({log['joint'][0]['confidence']:.3g} in the last)" in note
    monkeypatch.undo()
    again, _, _ = go(toy_catalog, tmp_path, plan)  # the stage is reused and says so still
    assert all(stage["reused"] for stage in again["stages"]) and again["notes"] == record["notes"]
