"""Each option of CSTAT's confidence trains on the toy dataset, and what it changes in the log and the stages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark_core.catalog import Catalog
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.record import read_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from elrbench_plugins.attention_transfer import phase

Log = dict[str, list[dict[str, float]]]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stages of teacher and student, trained once for all rows."""
    return tmp_path_factory.mktemp("cstat-options")


def go(catalog: Catalog, cache: Path, *settings: str, method: str = "cstat", **more: Any) -> tuple[dict[str, Any], Log]:
    """The record and the log of a run with two joint epochs."""
    settings = ("batch=12", "epochs=1", "joint_epochs=2", *settings)
    plan = resolve_plan(
        catalog,
        PlanRequest(method=method, dataset="toy", backbone="toynet", budget="smoke", size="24x32",
                    settings=tuple(f"method.{text}" for text in settings), **more),
    )  # fmt: skip
    out = cache / plan.digest
    run(plan, catalog, RunContext(data=None, out=out, cache=cache / "cache", reporter=Silent(), device="cpu"))
    (path,) = out.glob(f"*-{plan.digest}.json")
    return dict(read_record(path)), json.loads((out / "log.json").read_text())


@pytest.mark.parametrize(
    "settings",
    [
        ("confidence_loss=classification",),
        ("confidence_loss=both",),
        ("confidence_binary=true",),
        ("confidence_normalise=absolute",),
        ("confidence_normalise=absolute", "confidence_score=ratio"),
        ("confidence_score=area",),
        ("confidence_width=3", "confidence_outputs=3"),
    ],
    ids=lambda settings: settings[-1],
)
def test_each_option_trains_and_shares_teacher_and_student(
    toy_catalog: Catalog, cache: Path, settings: tuple[str, ...]
) -> None:
    plain, _ = go(toy_catalog, cache)
    record, log = go(toy_catalog, cache, *settings)
    ours, theirs = ({stage["name"]: stage["key"] for stage in one["stages"]} for one in (record, plain))
    shared = ("teacher-tam", "student")
    assert all(ours[name] == theirs[name] for name in shared) and ours["joint"] != theirs["joint"]
    assert all(f"method.{text.partition('=')[0]}" in record["plan"]["settings"] for text in settings)
    last = log["joint"][-1]
    assert last["loss"] == pytest.approx((last["ce"] + last["sat"] + last["tat"]) / 3, abs=1e-4)
    assert ("ce_gated" in last) is settings[0].startswith("confidence_loss")
    assert 0 < last["confidence"] < 1


@pytest.mark.parametrize("method", ["cstat:difference", "cstat:gradient"])
def test_maps_without_parameters_take_the_options(toy_catalog: Catalog, cache: Path, method: str) -> None:
    settings = ("confidence_normalise=absolute", "confidence_binary=true", "confidence_score=ratio")
    _, log = go(toy_catalog, cache, *settings, method=method)
    assert 0 < log["joint"][-1]["confidence_video"] <= 1


@pytest.mark.parametrize(
    ("loss", "by_transfer", "by_classification"),
    [("transfer", True, False), ("classification", False, True), ("both", True, True)],
)
def test_which_loss_trains_the_extractor(
    toy_catalog: Catalog,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    loss: str,
    by_transfer: bool,
    by_classification: bool,
) -> None:
    """Seen from the first step: whether the weight of the transfer and the gated logits depend on the map."""
    transfer, classified = [], []
    distances, gated = phase.spatial_distances, phase.gated_logits

    def spatial_distances(student: Any, teacher: Any, mask: Any, weight: Any, *rest: Any, **more: Any) -> Any:
        transfer.append(weight.requires_grad)
        return distances(student, teacher, mask, weight, *rest, **more)

    def gated_logits(*given: Any) -> Any:
        classified.append(True)
        return gated(*given)

    monkeypatch.setattr(phase, "spatial_distances", spatial_distances)
    monkeypatch.setattr(phase, "gated_logits", gated_logits)
    go(toy_catalog, cache, f"confidence_loss={loss}", "confidence_threshold=0.4")
    assert set(transfer) == {by_transfer} and bool(classified) is by_classification


def test_soft_label_trains_the_extractor_on_unlabelled_clips(toy_catalog: Catalog, cache: Path) -> None:
    _, log = go(toy_catalog, cache, "confidence_loss=classification", method="cstat:mlp+ut", unlabelled="toy")
    assert log["unlabelled"][-1]["soft_gated"] > 0 and "ce_gated" not in log["unlabelled"][-1]
    assert log["joint"][-1]["ce_gated"] > 0
