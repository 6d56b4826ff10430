"""One plan on several processes: its losses and scores are those of one process."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from frozen_runs import EVERYTHING, frozen_catalog, go, logits, losses, one_thread, planned

from benchmark_core.catalog import Catalog
from benchmark_core.clips.batch import Part
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.planfile import fields_of
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.record import find_record, read_record
from benchmark_core.runs.loaded_run import load_run, predict_clips
from benchmark_core.scoring.predict import in_order, in_turn
from benchmark_core.scoring.predictions import write_predictions
from benchmark_core.tables import cells

__all__ = ["frozen_catalog", "one_thread"]  # fixtures

# -- figures


@pytest.fixture(scope="module")
def by_two(frozen_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an undisturbed run by two processes."""
    folder = tmp_path_factory.mktemp("two")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
        go(planned(frozen_catalog, *EVERYTHING, processes="2"), frozen_catalog, folder)
    return folder


def test_two_processes_have_the_curve_of_one(frozen_catalog: Catalog, by_two: Path, tmp_path: Path) -> None:
    """Equal global batches, norms frozen, every augmentation; scored on 40 clips, in batches of 32 and 8."""
    go(planned(frozen_catalog, *EVERYTHING), frozen_catalog, tmp_path)
    assert losses(by_two) == pytest.approx(losses(tmp_path), abs=1e-5) and len(losses(by_two)) == 3
    assert np.abs(logits(by_two) - logits(tmp_path)).max() < 1e-4 and len(logits(by_two)) == 40


def test_scores_by_two_processes_are_those_of_one(frozen_catalog: Catalog, by_two: Path, tmp_path: Path) -> None:
    """The recognizer that two processes trained and scored, scored again by one."""
    record = read_record(find_record(by_two / "out"))
    loaded = load_run(by_two / "out", record, frozen_catalog)
    found = predict_clips(
        loaded,
        "test",
        data=None,
        cache=by_two / "cache",
        bad_clips="fail",
        device=torch.device("cpu"),
        reporter=Silent(),
    )
    path = by_two / "out" / record["predictions"]["file"]
    again = write_predictions(tmp_path / path.name, found.ids, found.targets, found.logits, loaded.classes)
    assert again.read_bytes() == path.read_bytes()


def test_the_record_and_the_table_name_the_processes(frozen_catalog: Catalog, by_two: Path) -> None:
    (path,) = (by_two / "out").glob("frozen-*[0-9a-f].json")
    record = json.loads(path.read_text())
    assert record["plan"]["processes"] == 2 and Plan.from_json(record["plan"]).digest == record["digest"]
    again = resolve_plan(frozen_catalog, PlanRequest(**fields_of(record["plan"], {})))
    assert again.digest == record["digest"]
    assert cells.processes(record["plan"]) == ["processes=2"]
    assert cells.processes({"processes": 4, "batch_norm": "sync"}) == ["processes=4", "batch_norm=sync"]
    assert cells.processes({}) == []


def test_a_batch_that_is_not_shared_equally_is_weighted(frozen_catalog: Catalog, tmp_path: Path) -> None:
    """9 clips are fewer than a batch: 5 for one process, 4 for the other."""
    settings = (*EVERYTHING, "dataset.train=9")
    for processes in ("1", "2"):
        go(planned(frozen_catalog, *settings, processes=processes), frozen_catalog, tmp_path / processes)
    assert losses(tmp_path / "2") == pytest.approx(losses(tmp_path / "1"), abs=1e-5)


def test_an_optimizer_of_the_loop_s_own_and_stages_that_are_reused(frozen_catalog: Catalog, tmp_path: Path) -> None:
    settings = ("method.batch=12", "method.epochs=2", "method.loop=own")
    for processes in ("1", "2"):
        go(planned(frozen_catalog, *settings, processes=processes), frozen_catalog, tmp_path / processes)
    assert losses(tmp_path / "2") == pytest.approx(losses(tmp_path / "1"), abs=1e-5)
    before = logits(tmp_path / "2")
    again = go(planned(frozen_catalog, *settings, processes="2"), frozen_catalog, tmp_path / "2")
    assert [stage["reused"] for stage in again.record["stages"]] == [True]
    assert np.array_equal(logits(tmp_path / "2"), before)


PLAIN = {"backbone": "plainnet", "sampling": "2x1"}
CLIPS = {"backbone": "plain3d", "sampling": "1x8", "degradation": "average-12x16:clean"}  # noise is drawn by rank
METHODS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "cstat:mlp": (PLAIN, ()),
    "cstat:mlp+rc": (PLAIN, ("method.confidence_loss=classification",)),
    "strong-kd": (PLAIN, ()),  # mixes clips itself
    "multi-siamese": (CLIPS, ("method.transforms=3",)),  # pairs of clips
    "elr-distil:pretext": (
        {**CLIPS, "teacher_backbone": "plain3d", "teacher_size": "24x32"},
        ("method.transforms=0.5", "method.joint_epochs=4", "method.pretext_epochs=2"),
    ),
    "purwanto:kd+sa": (PLAIN, ("method.dropout=0.0", "method.head_epochs=2", "method.head_batch=12")),  # derives
}


@pytest.mark.parametrize(
    "method", [pytest.param(each, marks=() if each == "cstat:mlp" else pytest.mark.slow) for each in METHODS]
)
def test_losses_of_methods_are_those_of_one_process(frozen_catalog: Catalog, method: str, tmp_path: Path) -> None:
    """Methods that call `trace`, mix clips or compare pairs, on a network without norms: all stages, all losses."""
    fields, settings = METHODS[method]
    known = frozen_catalog.methods[method.partition(":")[0]].options
    short = [f"method.{key}=2" for key in ("epochs", "joint_epochs") if key in known]
    for processes in ("1", "2"):
        asked = {**fields, "method": method, "processes": processes}
        plan = planned(frozen_catalog, "method.batch=12", *short, *settings, **asked)
        go(plan, frozen_catalog, tmp_path / processes)
    one, two = (json.loads((tmp_path / each / "out" / "log.json").read_text()) for each in ("1", "2"))
    assert one.keys() == two.keys() and len(one) >= 1
    for stage in one:
        for ours, theirs in zip(one[stage], two[stage], strict=True):
            assert theirs == pytest.approx(ours, abs=2e-5), stage


@pytest.mark.slow
def test_networks_that_grow_and_are_trained_in_turn(frozen_catalog: Catalog, tmp_path: Path) -> None:
    """prog-dvsr-att: several optimizers, growth with fade-in, attention and a classifier that is trained in turn."""
    settings = ("dataset.train=8", "method.batch=4", "method.epochs=1", "enhancer.batch=4", "enhancer.epochs_first=1",
                "enhancer.epochs_between=2", "enhancer.epochs_last=2", "enhancer.fade_step=0.1",
                "enhancer.joint_epochs=2")  # fmt: skip
    fields = {"method": "supervised", "size": "16x16", "sampling": "1x1", "degradation": "average-2x2"}
    for processes in ("1", "2"):
        plan = planned(
            frozen_catalog,
            *settings,
            **fields,
            enhancer="prog-dvsr-att",
            backbone="plainnet",
            processes=processes,
        )
        go(plan, frozen_catalog, tmp_path / processes)
    assert losses(tmp_path / "2", "prog-dvsr") == pytest.approx(losses(tmp_path / "1", "prog-dvsr"), abs=1e-5)
    assert len(losses(tmp_path / "2", "prog-dvsr-att")) == 2  # its attention branch has norms


@pytest.mark.slow
def test_two_streams_by_two_processes(frozen_catalog: Catalog, tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="the extra 'flow' is not installed")
    plan = planned(frozen_catalog, "method.batch=12", "method.epochs=1", modality="rgb+flow", processes="2")
    result = go(plan, frozen_catalog, tmp_path)
    assert [stream.record["plan"]["modality"] for stream in result.streams] == ["rgb", "flow"]
    assert result.record["fused"] == [stream.record["digest"] for stream in result.streams]


# -- scoring


def test_results_of_batches_are_merged_in_listed_order() -> None:
    """7 clips in batches of 2: rank 0 has batches 0 and 2, rank 1 has batches 1 and 3."""
    clips = list("abcdefg")
    parts = [in_turn(clips, 2, Part(rank=rank, size=2)) for rank in (0, 1)]
    assert parts == [["a", "b", "e", "f"], ["c", "d", "g"]]
    assert in_order(parts, 7, 2) == clips
    assert in_order([["a"], []], 1, 2) == ["a"]  # fewer batches than ranks
