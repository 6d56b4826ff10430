"""`probe` and `hof-svm`: whole runs, what is stored and loaded, what is shared, what is counted and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.svm import SVC
from test_kd import go, scored
from tiny_virat import write_first
from torch import Tensor

from benchmark_core.catalog import Catalog
from benchmark_core.cost.streams import costs_of_plan
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.loaded_run import WEIGHTS, load_run, predict_clips
from benchmark_core.runs.runner import RunResult
from benchmark_core.runs.time_estimate import estimate_times
from benchmark_core.scoring.predictions import read_predictions
from elrbench import ElrError
from elrbench_plugins.commands.suite.estimate import Estimator
from elrbench_plugins.hof_svm.hof import Hof

CPU = torch.device("cpu")
SMALL: dict[str, dict[str, Any]] = {
    "hof-svm": {"size": "24x32", "settings": ("backbone.grids=1x1x1,1x2x2",)},
    "hof-svm:pot": {"size": "24x32", "settings": ("backbone.levels=2", "backbone.cells=2")},
    "probe": {"size": "32x48", "sampling": "2x1"},
    "probe:high": {"size": "32x48", "sampling": "2x1"},
}


def plan_of(catalog: Catalog, method: str, *settings: str, **changes: Any) -> Plan:
    small = SMALL[method]
    numbers = (*small.get("settings", ()), *settings)
    return resolve_plan(
        catalog, PlanRequest(**{"method": method, "dataset": "toy", **small, "settings": numbers, **changes})
    )


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("yardsticks")


@pytest.fixture(scope="module", params=list(SMALL))
def result(request: pytest.FixtureRequest, toy_catalog: Catalog, work: Path) -> RunResult:
    return go(toy_catalog, plan_of(toy_catalog, request.param), work)


def logits_of(result: RunResult) -> tuple[tuple[str, ...], np.ndarray]:
    path = result.folder / str(result.record["predictions"]["file"])
    found = read_predictions(path)
    return tuple(found.ids), np.asarray(found.logits)


def test_a_run_is_a_yardstick_that_is_loaded_and_predicts_the_same(
    result: RunResult, toy_catalog: Catalog, work: Path
) -> None:
    record: Any = result.record
    assert record["yardstick"] is True
    assert record["privileged"] == (record["plan"]["method"] == "probe:high")
    assert [stage["name"] for stage in record["stages"]] == ["svm"]
    loaded = load_run(result.folder, record, toy_catalog)
    assert len(loaded.recognizer.head.vectors) <= 24  # training clips; a new head has 1000
    found = predict_clips(
        loaded, "test", data=None, cache=work / "cache", bad_clips="fail", device=CPU, reporter=Silent()
    )
    ids, logits = logits_of(result)
    assert (tuple(found.ids), found.logits.shape) == (ids, logits.shape)
    assert found.logits == pytest.approx(logits, rel=1e-3, abs=1e-3)  # predictions are stored rounded


def test_pot_has_a_group_of_the_kernel_per_operator(toy_catalog: Catalog, work: Path) -> None:
    result = go(toy_catalog, plan_of(toy_catalog, "hof-svm:pot"), work)
    loaded = load_run(result.folder, result.record, toy_catalog)  # type: ignore[arg-type]
    assert loaded.recognizer.head.group_sizes == loaded.recognizer.backbone.group_sizes  # HOF and HOG, three each
    assert len(loaded.recognizer.head.group_sizes) == 6


def test_hof_sees_what_moves(toy_catalog: Catalog, work: Path) -> None:
    """Of three classes, only the moving square has motion."""
    _, logits = logits_of(result := go(toy_catalog, plan_of(toy_catalog, "hof-svm"), work))
    target = np.asarray(read_predictions(result.folder / str(result.record["predictions"]["file"])).targets)
    assert ((logits.argmax(1) == 2) == (target == 2)).mean() > 0.9


def test_a_probe_predicts_as_sklearn_on_its_features(toy_catalog: Catalog, work: Path) -> None:
    """The head of the deployed network, on vectors near its support vectors."""
    plan = plan_of(toy_catalog, "probe")
    result = go(toy_catalog, plan, work)
    network = load_run(result.folder, result.record, toy_catalog).recognizer  # type: ignore[arg-type]
    head = network.head
    x, y = head.vectors.double().numpy(), head.owner.numpy()
    # Other training clips have no effect on an SVM: trained on its support vectors alone, it is the same.
    machine = SVC(C=10, gamma=float(head.gamma)).fit(x, y)
    new = head.vectors.mean(0) + 0.02 * torch.randn(40, x.shape[1], generator=torch.Generator().manual_seed(0))
    new = new / new.norm(dim=1, keepdim=True)  # the head scales to unit length
    with torch.no_grad():
        found = head(3 * new.unsqueeze(1), torch.ones(40, 1))
    assert found.numpy() == pytest.approx(machine.decision_function(new.double().numpy()), abs=0.02)


def test_features_are_computed_once_for_all_seeds(
    toy_catalog: Catalog, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = go(toy_catalog, plan_of(toy_catalog, "hof-svm"), work)
    asked: list[int] = []
    describe = Hof.describe

    def watched(self: Hof, clip: Tensor) -> Tensor:
        asked.append(1)
        return describe(self, clip)

    monkeypatch.setattr(Hof, "describe", watched)
    other = go(toy_catalog, plan_of(toy_catalog, "hof-svm", seed=1), work)
    again = len(asked)
    assert 12 <= again < 24  # the test clips, and a few views of noise that estimate time and cost
    assert other.record["stages"][0]["key"] != first.record["stages"][0]["key"]
    assert (logits_of(other)[1] == logits_of(first)[1]).all()
    other = go(toy_catalog, plan_of(toy_catalog, "hof-svm", "backbone.still=0.2"), work)
    assert len(asked) >= again + 36  # other numbers of a backbone without weights


def test_damaged_weights_are_one_error(toy_catalog: Catalog, work: Path, tmp_path: Path) -> None:
    result = go(toy_catalog, plan_of(toy_catalog, "hof-svm"), work)
    state = load_file(result.folder / WEIGHTS)
    for name, value in (("head.vectors", torch.zeros(5, 7)), ("head.coefficients", torch.zeros(3, 2))):
        save_file({**state, name: value}, tmp_path / WEIGHTS)
        with pytest.raises(ElrError, match="do not match the structure|run the plan again"):
            load_run(tmp_path, result.record, toy_catalog)  # type: ignore[arg-type]


def test_several_labels_and_clips_of_any_size(catalog: Catalog, tmp_path: Path) -> None:
    plan = plan_of(catalog, "hof-svm", dataset="tinyvirat")
    result = go(catalog, plan, tmp_path, data=write_first(tmp_path / "data"))
    assert result.record["track"]["task"] == "multi-label"
    assert scored(result)["head.intercepts"].shape == (26,)
    assert np.isfinite(logits_of(result)[1]).all()


def test_a_denoiser_comes_before_the_flow(toy_catalog: Catalog, work: Path) -> None:
    plan = plan_of(toy_catalog, "hof-svm", enhancer="denoise-bilinear")
    assert go(toy_catalog, plan, work).record["scores"]["top1"]["value"] > 1 / 3


def test_cost_counts_the_head_and_names_what_it_does_not_count(toy_catalog: Catalog) -> None:
    def macs(*settings: str) -> tuple[float, list[str]]:
        plan = plan_of(toy_catalog, "hof-svm", *settings)
        (cost,) = costs_of_plan(plan, components_of(toy_catalog, plan), CPU)
        return cost["macs"]["clip"], cost["understated"]

    few, understated = macs("method.vectors=100")
    many, _ = macs("method.vectors=300")
    features, classes = 5 * 33, 3
    assert many - few == 200 * (features + classes**2)
    assert understated == ["elrbench::dis_flow"]


def test_times_and_macs_are_estimated(toy_catalog: Catalog, tmp_path: Path) -> None:
    plan = plan_of(toy_catalog, "hof-svm")
    components = components_of(toy_catalog, plan)
    seconds = estimate_times(plan, components, clips=24, device=CPU, cache=tmp_path)
    assert seconds["features"] > 0 and "svm" in seconds
    estimate = Estimator(toy_catalog).of(plan, components)
    assert estimate.clip_macs > 0


@pytest.mark.parametrize(
    ("method", "changes", "words"),
    [
        (
            "probe",
            {"weights": "scratch"},
            "'efficientnet-lite0' has none with --weights scratch; pass --weights imagenet",
        ),
        ("probe", {"backbone": "toynet"}, "'toynet' has none"),
        ("hof-svm", {"backbone": "efficientnet-lite0"}, "'efficientnet-lite0'; use --backbone hof or pot"),
        ("hof-svm", {"recipe": "modern"}, "lacks options of the recipe.*; remove --recipe"),
        ("hof-svm", {"modality": "flow"}, "--modality rgb"),
        ("hof-svm:pot", {"settings": ("method.scaling=hellinger",)}, "method.scaling=none"),
        ("hof-svm", {"settings": ("backbone.grids=2x2",)}, "TxYxX"),
        ("hof-svm:pot", {"settings": ("method.scaling=standardise",)}, "no negative features.* method.scaling=none"),
        ("probe", {"settings": ("method.head=chi2-svm", "method.scaling=standardise")}, "no negative features"),
    ],
)
def test_refusals(toy_catalog: Catalog, method: str, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ElrError, match=words) as error:
        plan_of(toy_catalog, method, **{"settings": (), **changes})
    assert "\n" not in str(error.value)


def test_a_probe_refuses_early_fusion(toy_catalog: Catalog) -> None:
    with pytest.raises(ElrError, match="reads one input.*grey-early.* --modality rgb"):
        plan_of(toy_catalog, "probe", modality="grey-early")
