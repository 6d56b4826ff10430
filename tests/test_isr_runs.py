"""isr: whole runs of networks and of the SVM, what training and testing see, what is shared, and what is refused."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_kd import go, same, scored, stages, training_of

from benchmark_core.catalog import Catalog
from benchmark_core.cost.structure import describe_plan
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.loaded_run import load_run, predict_clips
from benchmark_core.runs.time_estimate import estimate_times
from benchmark_core.scoring.predictions import read_predictions
from elrbench import ElrError
from elrbench_plugins.commands.suite.estimate import Estimator
from elrbench_plugins.isr import fit, svm
from elrbench_plugins.isr.select import chosen_transforms
from elrbench_plugins.lr_transforms import pool as low_pool

CPU = torch.device("cpu")
FEW = ("backbone.levels=2", "backbone.cells=2")  # of the SVM's descriptor


def planned(catalog: Catalog, method: str = "isr", *settings: str, **changes: Any) -> Plan:
    network = {"backbone": "native3d-xs"} if "svm" not in method else {"size": "24x32"}
    numbers = ("method.batch=12", *(FEW if "svm" in method else ()), *settings)
    fields = {"dataset": "toy", "budget": "smoke", "settings": numbers, **network, **changes}
    return resolve_plan(catalog, PlanRequest(method=method, **fields))


def notes(result: Any) -> list[str]:
    return [note for note in result.record["notes"] if note.startswith("transforms: ")]


# -- networks


@pytest.mark.parametrize("variant", ["isr", "isr:boundary", "isr:random"])
def test_transforms_are_chosen_and_a_network_learns_from_them(
    toy_catalog: Catalog, tmp_path: Path, variant: str
) -> None:
    training = training_of(toy_catalog, planned(toy_catalog, variant), tmp_path)
    fit.fit(training)
    chosen, student = training.stages
    assert (chosen["name"], student["name"]) == ("transforms", "student")
    how = {"isr": "by entropy", "isr:boundary": "by boundary", "isr:random": "at random"}[variant]
    (note,) = training.notes
    assert (
        f"transforms: low views of training are the view as it is and 3 transforms, chosen {how} of 9: " in note
        and len(set(re.findall(r"shift \(.*?\)", note))) == 3
    )
    if variant == "isr":
        assert 0 < chosen["history"][0]["entropy"] < np.log(3) + 1e-6
    if variant == "isr:boundary":
        assert 0 <= chosen["history"][0]["disagreement"] <= 1 and 0 <= chosen["history"][0]["accepted"] <= 1
    assert student["updates"] == 4  # two epochs of 24 clips, 12 at once


def test_what_an_update_sees(toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each clip under one of the n transforms; the identity is the stored view, another one is not."""
    training = training_of(toy_catalog, planned(toy_catalog), tmp_path)
    made: list[tuple[Any, torch.Tensor, np.ndarray]] = []
    one_view = fit.one_view

    def watched(training: Any, batch: Any, drawn: Any) -> torch.Tensor:
        state = training.rng.bit_generator.state
        low = one_view(training, batch, drawn)
        rng = np.random.default_rng(0)
        rng.bit_generator.state = state
        made.append((batch, low, rng.integers(4, size=12)))
        return low

    monkeypatch.setattr(fit, "one_view", watched)
    before = {name: value.clone() for name, value in training.recognizer(head="mean-logits").named_parameters()}
    student = fit.fit(training)
    assert len(made) == 4 and {int(number) for *_, numbers in made for number in numbers} == {0, 1, 2, 3}
    for batch, low, numbers in made:
        assert low.shape == batch.low.shape == (12, 1, 3, 8, 12, 16)
        as_they_are = [torch.equal(one, stored) for one, stored in zip(low, batch.low, strict=True)]
        assert as_they_are == (numbers == 0).tolist()
        assert (low - batch.low).abs().mean() < 0.1  # below a low pixel
    trained = dict(student.named_parameters())
    assert all(value.grad is not None for value in trained.values())
    assert all(not torch.equal(value, before[name]) for name, value in trained.items() if value.ndim > 1)


def test_an_update_may_see_all_views(toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = training_of(toy_catalog, planned(toy_catalog, "isr:random", "method.per_update=all"), tmp_path)
    asked: list[tuple[int, ...]] = []
    task_loss = training.task_loss

    def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        asked.append(tuple(logits.shape))
        assert (target.unflatten(0, (12, 4)) == target[::4, None]).all()
        return task_loss(logits, target)

    monkeypatch.setattr(training, "task_loss", loss)
    fit.fit(training)
    assert asked == [(48, 3)] * 4


def test_the_control_is_supervised_training(toy_catalog: Catalog, tmp_path: Path) -> None:
    control = go(toy_catalog, planned(toy_catalog, "isr:identity"), tmp_path)
    alone = go(toy_catalog, planned(toy_catalog, "supervised", sampling="clip-8", precision="fp32"), tmp_path)
    assert stages(control) == {"student": False} and stages(alone) == {"student": True}
    assert same(scored(control), scored(alone))
    assert not same(scored(control), scored(go(toy_catalog, planned(toy_catalog), tmp_path)))


def test_testing_transforms_nothing(toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = go(toy_catalog, planned(toy_catalog), tmp_path)
    loaded = load_run(result.folder, result.record, toy_catalog)  # type: ignore[arg-type]
    assert not any("shift" in name for name in loaded.recognizer.state_dict())

    def refuse(*_: object) -> None:
        raise AssertionError("a test view is transformed")

    for module, name in ((fit, "transform"), (low_pool, "transform")):
        monkeypatch.setattr(module, name, refuse)
    found = predict_clips(
        loaded, "test", data=None, cache=tmp_path / "cache", bad_clips="fail", device=CPU, reporter=Silent()
    )
    stored = read_predictions(result.folder / str(result.record["predictions"]["file"]))
    assert tuple(found.ids) == tuple(stored.ids)
    assert found.logits == pytest.approx(np.asarray(stored.logits), rel=1e-3, abs=1e-3)


def stored(work: Path) -> set[Path]:
    return set((work / "cache" / "clips").rglob("*.clip"))


def test_descriptors_and_features_are_computed_once(toy_catalog: Catalog, tmp_path: Path) -> None:
    """Another way to choose, and another seed, need no new ones; the choice by entropy does not depend on the seed."""
    first = go(toy_catalog, planned(toy_catalog, "isr:svm"), tmp_path)
    before = stored(tmp_path)
    second = go(toy_catalog, planned(toy_catalog, "isr:svm", seed=1), tmp_path)
    assert stored(tmp_path) == before and notes(first) == notes(second)
    go(toy_catalog, planned(toy_catalog, "isr:boundary+svm"), tmp_path)
    assert len(stored(tmp_path) - before) in (0, 24)  # features under another set, but no descriptors


def test_random_sets_follow_the_seed(toy_catalog: Catalog, tmp_path: Path) -> None:
    numbers = []
    for seed in (0, 1, 0):
        plan = planned(toy_catalog, "isr:random", "method.pool_scales=3", seed=seed)
        training = training_of(toy_catalog, plan, tmp_path / str(len(numbers)))
        numbers.append(chosen_transforms(training).number.tolist())
    assert numbers[0] == numbers[2] != numbers[1] and numbers[0][0] == 0 and len(set(numbers[0])) == 4


@pytest.mark.parametrize(
    "changes", [{"backbone": "toynet", "sampling": "2x1"}, {"modality": "rgb+dev+diff+flow-early"}]
)
def test_other_networks_learn_it(toy_catalog: Catalog, tmp_path: Path, changes: dict[str, str]) -> None:
    plan = planned(toy_catalog, "isr", **changes)
    components = components_of(toy_catalog, plan)
    seconds = estimate_times(plan, components, clips=24, device=CPU, cache=tmp_path)
    assert seconds["student"] > 0 and seconds["descriptors"] > 0 and "transforms" in seconds
    assert Estimator(toy_catalog).of(plan, components).stages
    assert stages(go(toy_catalog, plan, tmp_path)) == {"transforms": False, "student": False}


def test_the_default_plan(catalog: Catalog) -> None:
    plan = resolve_plan(catalog, PlanRequest(method="isr", dataset="hmdb51"))
    assert (plan.backbone, plan.enhancer, plan.size, plan.high_size, plan.sampling) == (
        "native3d-s", "none", (12, 16), (48, 64), "clip-24",
    )  # fmt: skip
    plan = resolve_plan(catalog, PlanRequest(method="isr:svm", dataset="hmdb51"))
    assert (plan.backbone, plan.enhancer, plan.size, plan.sampling) == ("pot", "bilinear", (48, 64), "windows-300")
    small = resolve_plan(catalog, PlanRequest(method="isr:svm", dataset="hmdb51", budget="small"))
    assert small.sampling == "windows-40"
    assert (plan.settings["method.head"], plan.settings["method.scaling"]) == ("chi2-svm", "none")


def test_controls(catalog: Catalog) -> None:
    spec = catalog.methods["isr"]
    for control in spec.own_controls.values():
        plan = resolve_plan(catalog, PlanRequest(method=control, dataset="hmdb51"))
        assert plan.settings["method.transforms"] == 1
    assert set(spec.idea_options) < set(spec.options)


def test_a_network_costs_what_it_costs_without_the_method(toy_catalog: Catalog) -> None:
    """The SVM alone has a head of its own, so that `supervised` and `isr` share a cost record."""
    described = [
        describe_plan(plan, components_of(toy_catalog, plan))
        for plan in (
            planned(toy_catalog),
            planned(toy_catalog, "supervised", sampling="clip-8"),
            planned(toy_catalog, "isr:svm"),
        )
    ]
    assert described[0] == described[1] and described[0]["head"] == "mean-logits" and described[2]["head"] == "isr"
    spec = toy_catalog.methods["isr"]
    assert spec.under({"classifier": "network"}).recognizer is None and spec.under({"classifier": "svm"}) is spec


# -- the SVM


def test_the_svm_learns_from_n_low_views(toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    train = svm.train

    def watched(head: Any, features: Any, mask: Any, target: Any, options: Any) -> None:
        seen.append((features, target))
        train(head, features, mask, target, options)

    monkeypatch.setattr(svm, "train", watched)
    result = go(toy_catalog, planned(toy_catalog, "isr:svm"), tmp_path)
    assert stages(result) == {"transforms": False, "svm": False} and "yardstick" not in result.record
    features, target = seen[-1]  # the last one is of the run, after its time estimate
    assert features.shape == (24 * 4, 1, 8 * 3 * 4 * 8) and bool((features >= 0).all())
    assert (target.unflatten(0, (24, 4)) == target[::4, None]).all()
    views = features.unflatten(0, (24, 4))
    assert not torch.equal(views[:, 0], views[:, 1]) and not torch.equal(views[:, 1], views[:, 2])
    loaded = load_run(result.folder, result.record, toy_catalog)  # type: ignore[arg-type]
    assert 0 < len(loaded.recognizer.head.vectors) <= 96
    found = predict_clips(
        loaded, "test", data=None, cache=tmp_path / "cache", bad_clips="fail", device=CPU, reporter=Silent()
    )
    stored = read_predictions(result.folder / str(result.record["predictions"]["file"]))
    assert found.logits == pytest.approx(np.asarray(stored.logits), rel=1e-3, abs=1e-3)
    assert result.record["scores"]["top1"]["value"] > 0.5  # of three classes


def test_with_one_view_the_svm_is_hof_svm(toy_catalog: Catalog, tmp_path: Path) -> None:
    control = go(toy_catalog, planned(toy_catalog, "isr:identity+svm"), tmp_path)
    other = resolve_plan(
        toy_catalog, PlanRequest(method="hof-svm:pot", dataset="toy", size="24x32", budget="paper", settings=FEW)
    )
    assert stages(control) == {"svm": False} and stages(go(toy_catalog, other, tmp_path)) == {"svm": True}


# -- views of some clips


def test_at_most_so_many_clips(toy_catalog: Catalog, tmp_path: Path) -> None:
    training = training_of(toy_catalog, planned(toy_catalog), tmp_path)
    every = training.views("train", high=True, whole=True)
    some = training.views("train", high=True, whole=True, most=5)
    ids = [clip.id for clip in every.clips]
    kept = sorted(ids, key=lambda name: hashlib.sha256(name.encode()).digest())[:5]
    assert [clip.id for clip in some.clips] == [name for name in ids if name in kept]
    assert len(training.views("train", most=99)) == len(ids)


# -- what is refused


@pytest.mark.parametrize(
    ("method", "settings", "changes", "message"),
    [
        ("isr", ("method.transforms=0",), {}, "transforms=0 is below 1"),
        (
            "isr",
            ("method.transforms=10",),
            {},
            "method.transforms=10 of a pool of 9 transforms; lower method.transforms",
        ),
        ("isr", ("method.transform_shift=0",), {}, "method.transforms=4 of a pool of 1 transforms"),
        ("isr", ("method.transform_shift=20",), {}, r"shift \(-20, -20\) .* leaves the frame, as 100% of its 12x16"),
        ("isr", ("method.pool_scales=3", "method.transform_scale=2"), {}, "leaves the frame.* lower method.transform_"),
        ("isr", ("method.pool_shifts=4",), {}, "pool_shifts=4 is not one of 1, 3, 5, 7, 9"),
        ("isr", (), {"dataset": "tiny-puppets", "size": "16x16"}, "'native' has none; use e.g. --degradation average"),
        ("isr", ("method.classifier=svm",), {}, "'native3d-xs' does not compute; use --backbone pot or method.class"),
        ("isr:svm", ("method.scaling=standardise",), {}, "takes no negative features.*use method.scaling=none"),
        ("isr:svm", ("method.scaling=hellinger",), {}, "method.scaling=none"),
        ("isr:svm", (), {"modality": "rgb+flow"}, "fixes modality rgb; remove --modality"),
        ("isr", (), {"teacher": "x"}, "does not use a trained teacher; remove --teacher"),
    ],
)
def test_refused(
    toy_catalog: Catalog, method: str, settings: tuple[str, ...], changes: dict[str, str], message: str
) -> None:
    with pytest.raises(ElrError, match=message) as caught:
        planned(toy_catalog, method, *settings, **changes)
    assert "\n" not in str(caught.value)


def test_without_opencv_it_names_the_extra(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "cv2" else find(name, *rest))
    with pytest.raises(ElrError, match=r"method 'isr' needs .*yardsticks") as caught:
        go(toy_catalog, planned(toy_catalog), tmp_path)
    assert "\n" not in str(caught.value)
