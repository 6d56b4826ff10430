"""tennet and plrn-tennet: whole runs, what is learnt and shared, what is loaded, counted, exported and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_kd import go, same, scored, stages
from torch import Tensor

from benchmark_core.catalog import Catalog
from benchmark_core.cost.streams import costs_of_plan
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.loaded_run import load_run, predict_clips
from benchmark_core.runs.time_estimate import estimate_times
from benchmark_core.scoring.predictions import read_predictions
from elrbench import ElrError
from elrbench_plugins.plrn_tennet import learn_filters, memory, plrn
from elrbench_plugins.plrn_tennet.patches import principal

CPU = torch.device("cpu")
BATCH = ("method.batch=12",)


def planned(catalog: Catalog, method: str = "tennet", *settings: str, **changes: Any) -> Plan:
    numbers = (*(BATCH if method.startswith("plrn") else ()), *settings)
    fields = {"dataset": "toy", "budget": "smoke", "settings": numbers, **changes}
    return resolve_plan(catalog, PlanRequest(method=method, **fields))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plrn-tennet")


@pytest.mark.parametrize(
    ("method", "trained"),
    [("tennet", {"filters": False, "svm": False}), ("plrn-tennet", {"filters": False, "student": False})],
)
def test_a_run_is_loaded_and_predicts_the_same(
    toy_catalog: Catalog, tmp_path: Path, method: str, trained: dict[str, bool]
) -> None:
    if method == "tennet":
        pytest.importorskip("sklearn", reason="the extra 'yardsticks' is not installed")
    result = go(toy_catalog, planned(toy_catalog, method), tmp_path)
    record: Any = result.record
    assert not record.get("yardstick") and stages(result) == trained
    loaded = load_run(result.folder, record, toy_catalog)
    found = predict_clips(
        loaded, "test", data=None, cache=tmp_path / "cache", bad_clips="fail", device=CPU, reporter=Silent()
    )
    stored = read_predictions(result.folder / str(record["predictions"]["file"]))
    assert found.logits == pytest.approx(np.asarray(stored.logits), rel=1e-3, abs=1e-3)


def test_it_sees_what_moves(toy_catalog: Catalog, work: Path) -> None:
    """Of three classes, only the moving square has motion."""
    result = go(toy_catalog, planned(toy_catalog), work)
    found = read_predictions(result.folder / str(result.record["predictions"]["file"]))  # type: ignore[index, call-overload]
    logits, target = np.asarray(found.logits), np.asarray(found.targets)
    assert ((logits.argmax(1) == 2) == (target == 2)).mean() > 0.9


def test_filters_are_principal_components_of_all_patches(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, list[Tensor]] = {"first": [], "second": []}
    maps = learn_filters._maps

    def watched(bank: Any, grey: Tensor, stage: str) -> Tensor:
        given[stage].append(maps(bank, grey, stage))
        return given[stage][-1]

    monkeypatch.setattr(learn_filters, "_maps", watched)
    state = scored(go(toy_catalog, planned(toy_catalog), tmp_path))
    assert len(given["first"]) == len(given["second"]) == 24  # each training clip once
    for stage, channels in (("first", 1), ("second", 4)):
        seen = torch.cat(given[stage]).double()
        assert seen.shape == (24 * channels, 8, 32, 32)
        cubes = torch.stack(
            [
                seen[:, t : t + 6, y : y + 30, x : x + 30].flatten()
                for t in range(3)
                for y in range(3)
                for x in range(3)
            ],
            1,
        )
        cubes = cubes - cubes.mean(1, keepdim=True)
        expected, _ = principal(cubes.T @ cubes, 4)
        assert torch.allclose(state[f"backbone.bank.{stage}"].double(), expected, atol=1e-4)
        sizes = state[f"backbone.bank.{stage}"].flatten(1)
        assert torch.allclose(sizes @ sizes.T, torch.eye(4), atol=1e-4)


def test_filters_are_shared_by_what_they_depend_on(toy_catalog: Catalog, work: Path) -> None:
    go(toy_catalog, planned(toy_catalog), work)
    other = go(toy_catalog, planned(toy_catalog, "tennet", "method.c=2.0"), work)
    assert stages(other) == {"filters": True, "svm": False}
    more = go(toy_catalog, planned(toy_catalog, "tennet", "backbone.filters1=5"), work)
    assert stages(more) == {"filters": False, "svm": False}
    go(toy_catalog, planned(toy_catalog, "plrn-tennet"), work)
    control = go(toy_catalog, planned(toy_catalog, "plrn-tennet:no-target"), work)
    assert stages(control) == {"filters": True, "student": False}
    random = go(toy_catalog, planned(toy_catalog, "plrn-tennet:random"), work)
    assert stages(random).keys() == {"student"}


def test_the_target_and_the_filters_change_training(toy_catalog: Catalog, work: Path) -> None:
    states = {
        method: scored(go(toy_catalog, planned(toy_catalog, method), work))
        for method in ("plrn-tennet", "plrn-tennet:no-target", "plrn-tennet:matrix", "plrn-tennet:random")
    }
    assert not any(key.startswith("estimate") for key in states["plrn-tennet"])  # it is not deployed
    first, *others = states.values()
    assert not any(same(first, other) for other in others)


def test_training_starts_from_the_filters(toy_catalog: Catalog, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Tensor] = {}
    error = plrn.target_error

    def watched(trace: Any, estimate: Any, kind: str, rank: int) -> Tensor:
        found = error(trace, estimate, kind, rank)
        seen.setdefault("rank", torch.tensor(rank))
        seen.setdefault("image", trace.image.detach())
        return found

    monkeypatch.setattr(plrn, "target_error", watched)
    state = scored(go(toy_catalog, planned(toy_catalog, "plrn-tennet", "method.lr=0.0", "method.rank=3"), work))
    assert int(seen["rank"]) == 3 and seen["image"].shape[1:] == (3, 8, 32, 32)
    kernels = state["backbone.conv1.weight"].flatten(1)
    assert torch.allclose(kernels @ kernels.T, torch.eye(10), atol=1e-4)  # orthonormal filters
    assert state["backbone.conv2.weight"].shape == (10, 10, 3, 3, 3)
    assert torch.equal(state["backbone.conv2.weight"][:, 0], state["backbone.conv2.weight"][:, 9])


def test_several_labels_and_the_other_mean(catalog: Catalog, tmp_path: Path) -> None:
    few = ("dataset.train=12", "dataset.test=6", "backbone.mean=histograms")
    result = go(catalog, planned(catalog, "tennet", *few, dataset="tiny-puppets"), tmp_path)
    assert result.record["track"]["task"] == "multi-label"
    assert scored(result)["head.weight"].shape == (12, 4 * 16 * 100)


def test_the_time_of_every_stage_is_estimated(toy_catalog: Catalog, work: Path) -> None:
    for method, names in (("tennet", {"filters", "features", "svm"}), ("plrn-tennet", {"filters", "student"})):
        plan = planned(toy_catalog, method, seed=7)
        seconds = estimate_times(plan, components_of(toy_catalog, plan), clips=24, device=CPU, cache=work / "estimate")
        assert set(seconds) == names and seconds["filters"] > 0


def test_cost(toy_catalog: Catalog) -> None:
    def macs(method: str) -> dict[str, Any]:
        plan = planned(toy_catalog, method, budget="paper")
        (cost,) = costs_of_plan(plan, components_of(toy_catalog, plan), CPU)
        return cost  # type: ignore[no-any-return]

    tennet, network = macs("tennet"), macs("plrn-tennet")
    volume = 16 * 32 * 32
    filters, classifier = volume * 27 * (10 + 10 * 10), 10 * 1024 * 100 * 3
    enlarge = tennet["macs"]["clip"] - filters - classifier
    assert 0 <= enlarge < 3 * 16 * (32 * 12 * 16 + 32 * 32 * 16) * 2  # two products for each plane
    assert tennet["params"]["total"] == 0 and not tennet["understated"] and not network["understated"]
    layers = volume * 27 * (10 + 100) + 2560 * 512 + 512 * 3
    assert network["macs"]["clip"] - enlarge == pytest.approx(layers, rel=0.02)  # and batch normalisation


@pytest.mark.parametrize(
    ("method", "settings", "changes", "words"),
    [
        ("tennet", (), {"modality": "flow"}, "takes grey pictures, not flow; use --modality rgb"),
        ("plrn-tennet", (), {"modality": "rgb+flow"}, "takes grey pictures, not .*; use --modality rgb"),
        ("tennet", (), {"sampling": "4x1"}, "filters of 3 frames, but sampling 4x1 has 1 in a row; use e.g."),
        ("tennet", (), {"backbone": "hof"}, "does not work with backbone 'hof'; use --backbone pca-hash"),
        ("plrn-tennet", (), {"backbone": "c3d"}, "does not work with backbone 'c3d'; use --backbone plrn-net"),
        ("tennet", ("backbone.filters2=13",), {}, "filters2=13 is above 12"),
        ("tennet", ("method.head=rbf-svm",), {}, "'rbf-svm' is not one of linear-svm, logistic"),
        ("plrn-tennet", ("method.rank=0",), {}, "rank=0 is below 1"),
        ("tennet", (), {"recipe": "modern"}, "lacks options of the recipe.*; remove --recipe"),
    ],
)
def test_refused(
    toy_catalog: Catalog, method: str, settings: tuple[str, ...], changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ElrError, match=words) as error:
        planned(toy_catalog, method, *settings, **changes)
    assert "\n" not in str(error.value)


def test_random_filters_need_no_three_frames(toy_catalog: Catalog) -> None:
    assert planned(toy_catalog, "plrn-tennet:random", sampling="4x1").sampling == "4x1"


def test_clips_without_differences(toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learn_filters, "_maps", lambda bank, grey, stage: torch.full_like(grey, 0.5))
    with pytest.raises(ElrError, match="differences between pixels, but the training clips have none") as error:
        go(toy_catalog, planned(toy_catalog), tmp_path)
    assert "\n" not in str(error.value)


def test_too_little_memory(toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "installed", lambda device: 1000)
    with pytest.raises(ElrError, match=r"histograms of 24 training clips, 6400 numbers each.*filters2") as error:
        go(toy_catalog, planned(toy_catalog), tmp_path)
    assert "\n" not in str(error.value)
