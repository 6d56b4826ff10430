"""fully-coupled: what it trains on, in which order, whole runs, files and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_kd import Killed, go, same, scored, stages

from benchmark_core.catalog import Catalog
from benchmark_core.cost.streams import costs_of_plan
from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.loaded_run import load_run, predict_clips
from benchmark_core.runs.time_estimate import estimate_times
from benchmark_core.scoring.predictions import read_predictions
from benchmark_core.training.recipe import Recipe
from elrbench_plugins.commands.suite.estimate import Estimator
from elrbench_plugins.fully_coupled import fit
from elrbench_plugins.fully_coupled.options import SHARING

CPU = torch.device("cpu")


def planned(catalog: Catalog, method: str = "fully-coupled", *settings: str, **changes: Any) -> Plan:
    numbers = ("method.batch=12", "method.epochs=2", *settings)
    fields = {"dataset": "toy", "budget": "smoke", "backbone": "native3d-xs", "settings": numbers, **changes}
    return resolve_plan(catalog, PlanRequest(method=method, **fields))


def watch(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the views of each loss, and check that both networks have the same filters and GRUs."""
    seen: list[str] = []
    networks: dict[str, Any] = {}
    loss_of = fit.loss_of

    def losses(training: Any, network: Any, batch: Any, part: str) -> Any:
        networks[part] = network
        seen.append(part)
        if len(networks) == 2:
            low, high = networks["low"], networks["high"]
            assert low.head is high.head and high.size == training.plan.high_size
            filters = [{id(value) for value in each.parameters() if value.ndim > 1} for each in (low, high)]
            assert filters[0] == filters[1]
        return loss_of(training, network, batch, part)

    monkeypatch.setattr(fit, "loss_of", losses)
    return seen


@pytest.mark.parametrize("sharing", SHARING)
def test_low_and_high_views_train_one_network(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sharing: str
) -> None:
    """24 clips are two batches; two epochs of low views are four batches of low and four of high views."""
    seen = watch(monkeypatch)
    plan = planned(toy_catalog, "fully-coupled", f"method.sharing={sharing}")
    assert (plan.size, plan.high_size, plan.teacher_backbone) == ((12, 16), (24, 32), "native3d-xs")
    result = go(toy_catalog, plan, tmp_path)
    order = {
        "epochs": ["high", "high", "low", "low"] * 2,
        "high-first": ["high"] * 4 + ["low"] * 4,
        "batches": ["high", "low"] * 4,
        "together": ["high", "low"] * 4,
    }
    assert seen == order[sharing] and stages(result) == {"student": False}
    batches = 4 if sharing in ("together", "batches") else 8  # a record counts batches
    assert result.record["updates"] == {"student": batches}


def test_the_control_has_as_many_low_views(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = watch(monkeypatch)
    plan = planned(toy_catalog, "fully-coupled:uncoupled")
    assert plan.teacher_backbone == "" and plan.teacher_size == ()
    assert go(toy_catalog, plan, tmp_path).record["updates"] == {"student": 4} and seen == ["low"] * 4


@pytest.mark.parametrize("sharing", [*SHARING, "uncoupled"])
def test_low_views_have_the_rates_of_the_control(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sharing: str
) -> None:
    """Four epochs of low views of two updates each; the rate falls after two epochs, whatever high views add."""
    rates: list[float] = []
    step = Recipe.step

    def watched(self: Recipe, loss: Any) -> None:
        rates.append(self.lr)
        step(self, loss)

    monkeypatch.setattr(Recipe, "step", watched)
    seen = watch(monkeypatch)
    own = (
        "method.epochs=4",
        "method.schedule=step",
        "method.step_epochs=2",
        "method.warmup_epochs=0",
        "method.lr=0.01",
    )
    coupled = sharing != "uncoupled"
    plan = planned(toy_catalog, "fully-coupled" if coupled else "fully-coupled:uncoupled", *own,
                   *([f"method.sharing={sharing}"] if coupled else []))  # fmt: skip
    go(toy_catalog, plan, tmp_path)
    if sharing == "together":  # one update for both
        assert rates == pytest.approx([0.01] * 4 + [0.001] * 4)
    else:
        low = [rate for rate, part in zip(rates, seen, strict=True) if part == "low"]
        assert low == pytest.approx([0.01] * 4 + [0.001] * 4)


def test_high_views_have_a_weight(toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stepped: list[float] = []
    step = Recipe.step
    monkeypatch.setattr(Recipe, "step", lambda self, loss: (stepped.append(loss.item()), step(self, loss))[1])
    losses: list[tuple[str, float]] = []
    loss_of = fit.loss_of

    def watched(training: Any, network: Any, batch: Any, part: str) -> Any:
        loss = loss_of(training, network, batch, part)
        losses.append((part, loss.item()))
        return loss

    monkeypatch.setattr(fit, "loss_of", watched)
    go(toy_catalog, planned(toy_catalog, "fully-coupled", "method.high_weight=0.25"), tmp_path)
    assert stepped == pytest.approx([loss * (0.25 if part == "high" else 1) for part, loss in losses])


def test_norms_may_be_shared(toy_catalog: Catalog, tmp_path: Path) -> None:
    own = scored(go(toy_catalog, planned(toy_catalog), tmp_path))
    shared = scored(go(toy_catalog, planned(toy_catalog, "fully-coupled", "method.norms=shared"), tmp_path))
    assert own.keys() == shared.keys()
    name = next(key for key in own if key.endswith("running_mean"))
    counts = [value for key, value in own.items() if key.endswith("num_batches_tracked")]
    twice = [value for key, value in shared.items() if key.endswith("num_batches_tracked")]
    assert not torch.equal(own[name], shared[name])
    assert {int(value) for value in counts} == {4} and {int(value) for value in twice} == {8}


def test_a_killed_run_continues_to_the_same_weights(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(toy_catalog)
    whole = scored(go(toy_catalog, plan, tmp_path / "whole"))
    loss_of, calls = fit.loss_of, []

    def dies(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 6:  # in the third pass
            raise Killed
        return loss_of(*args)

    with monkeypatch.context() as patched:
        patched.setattr(fit, "loss_of", dies)
        with pytest.raises(Killed):
            go(toy_catalog, plan, tmp_path / "killed")
    assert same(scored(go(toy_catalog, plan, tmp_path / "killed")), whole)


def test_a_run_is_loaded_and_predicts_the_same(toy_catalog: Catalog, tmp_path: Path) -> None:
    result = go(toy_catalog, planned(toy_catalog), tmp_path)
    loaded = load_run(result.folder, result.record, toy_catalog)  # type: ignore[arg-type]
    found = predict_clips(
        loaded, "test", data=None, cache=tmp_path / "cache", bad_clips="fail", device=CPU, reporter=Silent()
    )
    stored = read_predictions(result.folder / str(result.record["predictions"]["file"]))  # type: ignore[index, call-overload]
    assert found.logits == pytest.approx(np.asarray(stored.logits), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("fusion", ["states-sum", "features-concat", "features-sum", "scores"])
def test_every_fusion_trains(toy_catalog: Catalog, tmp_path: Path, fusion: str) -> None:
    plan = planned(toy_catalog, "fully-coupled", f"method.fusion={fusion}", "method.both_ways=true")
    seconds = estimate_times(plan, components_of(toy_catalog, plan), clips=24, device=CPU, cache=tmp_path)
    assert list(seconds) == ["student"] and seconds["student"] > 0


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("fully-coupled:temporal", {"backbone": "resnet3d-18"}),
        ("fully-coupled:spatial", {"backbone": "i3d", "sampling": "2x8", "size": "32x48"}),
        pytest.param("fully-coupled", {"backbone": "native-vit", "sampling": "2x8"}, marks=pytest.mark.slow),
        ("fully-coupled:uncoupled", {"dataset": "tiny-puppets", "size": "24x32", "backbone": "r2plus1d-18"}),
        ("fully-coupled", {"dataset": "tiny-puppets", "size": "24x32", "backbone": "resnet3d-18"}),
        pytest.param("fully-coupled", {"backbone": "c3d"}, marks=pytest.mark.slow),
    ],
)
def test_any_backbone_of_clips(toy_catalog: Catalog, tmp_path: Path, method: str, changes: dict[str, str]) -> None:
    plan = planned(toy_catalog, method, "method.batch=4", **changes)
    seconds = estimate_times(plan, components_of(toy_catalog, plan), clips=4, device=CPU, cache=tmp_path)
    assert list(seconds) == ["student"] and seconds["student"] > 0


def test_cost_counts_grus_and_names_what_it_does_not_count(toy_catalog: Catalog) -> None:
    def macs(method: str, *settings: str) -> tuple[float, list[str]]:
        plan = planned(toy_catalog, method, *settings)
        (cost,) = costs_of_plan(plan, components_of(toy_catalog, plan), CPU)
        return cost["macs"]["clip"], cost["understated"]

    narrow, understated = macs("fully-coupled")
    wide, _ = macs("fully-coupled", "method.gru_width=32")
    features, classes, units, streams = 64, 3, 2, 2

    def of(width: int) -> int:
        return streams * width * (units * 3 * (features + width) + classes)

    assert wide - narrow == of(32) - of(16) and understated == ["elrbench::dis_flow"]
    assert macs("fully-coupled:spatial")[1] == []


@pytest.mark.parametrize("method", ["fully-coupled", "fully-coupled:spatial"])
def test_macs_of_training_are_counted_without_data(toy_catalog: Catalog, method: str) -> None:
    plan = planned(toy_catalog, method, dataset="puppets")
    estimate = Estimator(toy_catalog).of(plan, components_of(toy_catalog, plan))
    assert estimate.training_macs is not None and estimate.training_macs > 48 * 2 * estimate.clip_macs > 0


def test_budgets(catalog: Catalog) -> None:
    plan = resolve_plan(catalog, PlanRequest(method="fully-coupled", dataset="hmdb51"))
    fields = (plan.backbone, plan.enhancer, plan.size, plan.sampling, plan.modality, plan.teacher_size)
    assert fields == ("c3d", "bicubic", (112, 112), "4x16", "rgb", ())
    open_ones = {key for key, option in catalog.methods["fully-coupled"].options.items() if option.unspecified}
    assert {"sharing", "gru_width", "fusion", "readout", "norms", "lr", "epochs"} <= open_ones
    for budget in ("small", "smoke"):
        smaller = resolve_plan(catalog, PlanRequest(method="fully-coupled", dataset="puppets", budget=budget))
        assert smaller.backbone == "c3d" and smaller.sampling.startswith("2x")


# -- what is refused


@pytest.mark.parametrize(
    ("settings", "changes", "message"),
    [
        (("method.sharing=never",), {}, "'never' is not one of epochs, batches"),
        (("method.high_weight=-1",), {}, "high_weight=-1.* is below 0"),
        (("method.high_weight=0",), {}, "high_weight=0 leaves them out; use .* or fully-coupled:uncoupled"),
        (("method.gru_width=0",), {}, "gru_width=0 is below 1"),
        ((), {"modality": "rgb+flow"}, "takes pictures, not (flow|rgb.flow); use --modality rgb"),
        ((), {"modality": "rgb+diff-early"}, "use --modality rgb"),
        ((), {"backbone": "toynet", "sampling": "2x1"}, "takes single frames; use e.g. --backbone c3d"),
        ((), {"sampling": "windows-16"}, "a fixed number of intervals"),
        ((), {"sampling": "4x1", "backbone": "resnet3d-18"}, "has one; use e.g. --sampling 4x16"),
        ((), {"teacher_backbone": "resnet3d-18"}, "one network for low and high views; remove --teacher-backbone"),
        (
            (),
            {"degradation": "average-9x12"},
            "computes it at 9x12; use a larger low size or use fully-coupled:spatial",
        ),
        (
            (),
            {"backbone": "resnet3d-18", "size": "8x12"},
            "computes it at 8x12; raise --size or use fully-coupled:spatial",
        ),
        ((), {"teacher_size": "8x12"}, "computes it at 8x12; raise --teacher-size or use fully-coupled:spatial"),
        (("method.layer_decay=0.5",), {}, "cannot tell apart; remove them or use fully-coupled:spatial"),
        (("method.freeze_epochs=1",), {}, "cannot tell apart"),
    ],
)
def test_refused(toy_catalog: Catalog, settings: tuple[str, ...], changes: dict[str, str], message: str) -> None:
    with pytest.raises(ElrError, match=message) as caught:
        planned(toy_catalog, "fully-coupled", *settings, **changes)
    assert "\n" not in str(caught.value)


def test_without_opencv_it_names_the_extra(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "cv2" else find(name, *rest))
    with pytest.raises(ElrError, match=r"method 'fully-coupled' needs .*flow") as caught:
        go(toy_catalog, planned(toy_catalog), tmp_path)
    assert "\n" not in str(caught.value)
