"""rahman: whole runs, what its words are learnt from, what is stored, loaded, counted and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from test_kd import go, scored, stages

from benchmark_core.catalog import Catalog
from benchmark_core.cost.streams import costs_of_plan
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.loaded_run import load_run, predict_clips
from benchmark_core.runs.time_estimate import estimate_times
from benchmark_core.scoring.predictions import read_predictions
from elrbench import ElrError
from elrbench_plugins.rahman import fit

CPU = torch.device("cpu")
SMALL = ("backbone.side=9", "backbone.length=4", "backbone.sigma=1.0", "backbone.tau=1.0", "backbone.filter_side=5")


def planned(catalog: Catalog, method: str = "rahman", *settings: str, **changes: Any) -> Plan:
    fields = {"dataset": "toy", "size": "24x32", "budget": "smoke", "settings": (*SMALL, *settings), **changes}
    return resolve_plan(catalog, PlanRequest(method=method, **fields))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rahman")


def test_a_run_is_a_yardstick_that_is_loaded_and_predicts_the_same(toy_catalog: Catalog, work: Path) -> None:
    result = go(toy_catalog, planned(toy_catalog), work)
    record: Any = result.record
    assert record["yardstick"] is True and stages(result) == {"codebook": False, "svm": False}
    loaded = load_run(result.folder, record, toy_catalog)
    assert len(loaded.recognizer.head.group_sizes) == 4 and loaded.recognizer.backbone.hog.shape == (16, 72)
    found = predict_clips(
        loaded, "test", data=None, cache=work / "cache", bad_clips="fail", device=CPU, reporter=Silent()
    )
    stored = read_predictions(result.folder / str(record["predictions"]["file"]))
    assert found.logits == pytest.approx(np.asarray(stored.logits), rel=1e-3, abs=1e-3)


def test_it_sees_what_moves(toy_catalog: Catalog, work: Path) -> None:
    """Of three classes, only the moving square has motion."""
    result = go(toy_catalog, planned(toy_catalog, "rahman:dense"), work)
    found = read_predictions(result.folder / str(result.record["predictions"]["file"]))  # type: ignore[index, call-overload]
    logits, target = np.asarray(found.logits), np.asarray(found.targets)
    assert ((logits.argmax(1) == 2) == (target == 2)).mean() > 0.9


def test_words_are_the_means_of_k_means(
    toy_catalog: Catalog, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}
    words = fit._words

    def watched(descriptors: Any, own: Any, seed: int, kind: str) -> Any:
        given[kind] = (descriptors.numpy(), seed)
        return words(descriptors, own, seed, kind)

    monkeypatch.setattr(fit, "_words", watched)
    state = scored(go(toy_catalog, planned(toy_catalog, seed=3), tmp_path))
    assert given.keys() == {"HOG", "HOF"}
    descriptors, seed = given["HOG"]
    assert seed == 3 and descriptors.shape[1] == 72 and len(descriptors) <= 1000 + 24
    machine = KMeans(16, n_init=1, max_iter=100, random_state=3).fit(descriptors)
    assert state["backbone.hog"].numpy() == pytest.approx(machine.cluster_centers_, abs=1e-5)
    assert state["backbone.filters"].flatten(1).norm(dim=1).tolist() == pytest.approx([1.0] * 4, abs=1e-5)
    assert state["backbone.filters"].sum((1, 2)).abs().max() < 1e-3  # a flat patch has no response


def test_an_error_while_words_are_learnt_leaves_no_random_words(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second start, as after a kill, learns them."""
    whole = scored(go(toy_catalog, planned(toy_catalog), tmp_path / "whole"))
    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(fit, "_words", lambda *_: 1 / 0)
        go(toy_catalog, planned(toy_catalog), tmp_path / "broken")
    again = scored(go(toy_catalog, planned(toy_catalog), tmp_path / "broken"))
    assert torch.equal(again["backbone.hog"], whole["backbone.hog"])


def test_stages_are_shared_by_what_they_depend_on(toy_catalog: Catalog, work: Path) -> None:
    go(toy_catalog, planned(toy_catalog), work)
    again = go(toy_catalog, planned(toy_catalog, "rahman", "method.c=1.0"), work)
    assert stages(again) == {"codebook": True, "svm": False}
    other = go(toy_catalog, planned(toy_catalog, "rahman", "method.sample=900"), work)
    assert stages(other) == {"codebook": False, "svm": False}  # an SVM on other words


@pytest.mark.parametrize(
    ("method", "textures", "groups"),
    [
        ("rahman:lbp-top", "lbp-top", 3),
        ("rahman:bsif", "bsif", 3),
        ("rahman:no-textures", "none", 2),
        ("rahman:dense+lbp-top", "lbp-top", 3),
    ],
)
def test_every_variant_trains(toy_catalog: Catalog, work: Path, method: str, textures: str, groups: int) -> None:
    plan = planned(toy_catalog, method)
    seconds = estimate_times(plan, components_of(toy_catalog, plan), clips=24, device=CPU, cache=work)
    assert {"codebook", "features", "svm"} == set(seconds) and seconds["codebook"] > 0
    result = go(toy_catalog, plan, work)
    loaded = load_run(result.folder, result.record, toy_catalog)  # type: ignore[arg-type]
    assert len(loaded.recognizer.head.group_sizes) == groups  # HOG, HOF and textures
    assert plan.settings["backbone.textures"] == textures
    assert plan.settings["backbone.detector"] == ("dense" if "dense" in method else "stip")


def test_several_labels(catalog: Catalog, tmp_path: Path) -> None:
    few = ("dataset.train=12", "dataset.test=6")
    result = go(catalog, planned(catalog, "rahman", *few, dataset="tiny-puppets"), tmp_path)
    assert result.record["track"]["task"] == "multi-label" and scored(result)["head.intercepts"].shape == (12,)


def test_cost_counts_words_and_names_what_it_does_not_count(toy_catalog: Catalog) -> None:
    def macs(*settings: str) -> tuple[float, list[str]]:
        plan = planned(toy_catalog, "rahman:no-textures", "backbone.detector=dense", *settings)
        (cost,) = costs_of_plan(plan, components_of(toy_catalog, plan), CPU)
        return cost["macs"]["clip"], cost["understated"]

    few, understated = macs("backbone.words=100")
    many, _ = macs("backbone.words=300")
    points = (2 * 35 // 4 + 1) * (2 * 15 // 9 + 1) * (2 * 23 // 9 + 1)  # 39 fields of flow between 40 frames
    assert many - few == points * 200 * (72 + 90)  # differences of the chi-square kernel are element-wise
    assert understated == ["elrbench::dis_flow"]


@pytest.mark.parametrize(
    ("settings", "changes", "words"),
    [
        ((), {"modality": "flow"}, "computes optical flow itself and takes pictures, not flow; use --modality rgb"),
        ((), {"recipe": "modern"}, "lacks options of the recipe.*; remove --recipe"),
        (("backbone.side=25",), {}, "backbone.side=25 is longer than a side of 24x32; lower it or raise --size"),
        (("backbone.filter_side=4",), {}, "filter_side=4 is even.*use an odd number"),
        (("backbone.filter_side=3", "backbone.bits=9"), {}, "have 8 independent components at most"),
        (("method.scaling=hellinger",), {}, "'hellinger' is not one of none, l2"),
        (("backbone.words=1",), {}, "words=1 is below 2"),
    ],
)
def test_refused(toy_catalog: Catalog, settings: tuple[str, ...], changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ElrError, match=words) as error:
        planned(toy_catalog, "rahman", *settings, **changes)
    assert "\n" not in str(error.value)


def test_another_backbone_is_refused_whatever_the_budget_sets(toy_catalog: Catalog) -> None:
    for budget in ("paper", "small", "smoke"):
        with pytest.raises(ElrError, match="does not work with backbone 'hof'; use --backbone bag-of-words"):
            resolve_plan(toy_catalog, PlanRequest(method="rahman:dense", dataset="toy", backbone="hof", budget=budget))


def test_more_words_than_descriptors(toy_catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(
        ElrError, match=r"backbone.words=5000, but the training clips have \d+ HOG .*detector=dense"
    ) as one:
        go(toy_catalog, planned(toy_catalog, "rahman", "backbone.words=5000"), tmp_path)
    assert "\n" not in str(one.value)


def test_without_opencv_it_names_the_extra(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "cv2" else find(name, *rest))
    with pytest.raises(ElrError, match=r"method 'rahman' needs .*yardsticks") as caught:
        go(toy_catalog, planned(toy_catalog), tmp_path)
    assert "\n" not in str(caught.value)
