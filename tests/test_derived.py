"""Derived views: what trained networks compute from whole clips, once, stored and read in any order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark_core.catalog import Catalog
from benchmark_core.clips import derived
from benchmark_core.clips.derived import DerivedViews, as_bytes
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.prepare import Data, prepare
from benchmark_core.runs.time_estimate import StageTimer
from benchmark_core.training.recipe_options import RECIPE
from benchmark_core.training.training import Training, build_training
from elrbench import ElrError
from elrbench_plugins.commands.cache.contents import read_cache

OWNERS = dict.fromkeys(("dataset", "degradation", "enhancer", "backbone", "method"), "elrbench")
CPU = torch.device("cpu")


def data_of(catalog: Catalog, cache: Path, sampling: str = "windows-1", **fields: Any) -> tuple[Data, dict[str, Any]]:
    asked = {"method": "supervised", "dataset": "toy", "backbone": "toynet", "budget": "smoke", "size": "24x32"}
    settings = ("method.batch=8", "method.epochs=1")
    plan = resolve_plan(catalog, PlanRequest(**{**asked, **fields}, sampling=sampling, settings=settings))
    components = components_of(catalog, plan)
    data = prepare(plan, components, RunContext(out=cache, cache=cache))
    return data, {
        "plan": plan,
        "components": components,
        "inputs": data.stage_inputs(OWNERS),
        "device": CPU,
        "cache": cache,
    }


class Features:
    """Record the clips for which features are computed."""

    def __init__(self, net: Any) -> None:
        self.net = net
        self.__qualname__ = "Features"  # as a function has it
        self.asked: list[str] = []

    def __call__(self, batch: Any) -> Tensor:
        self.asked += batch.ids
        features: Tensor = self.net.trace(batch.low, batch.mask, batch.box).features[0]  # (K, 8)
        return features


def derive(data: Data, parts: dict[str, Any], **changes: Any) -> tuple[DerivedViews, Features, Training]:
    training = build_training(**parts, make_views=data.training_views, reporter=Silent())
    net = training.stage("net", lambda module: None, training.recognizer(), needs=("low",))
    features = Features(net)
    views = training.views("train", whole=True)
    given = {"of": views, "by": [net], "shape": (8,), **changes}
    return training.derive("features", features, **given), features, training


def test_each_clip_is_asked_for_once(toy_catalog: Catalog, tmp_path: Path) -> None:
    data, parts = data_of(toy_catalog, tmp_path)
    derived, features, _ = derive(data, parts)
    assert sorted(features.asked) == sorted(clip.id for clip in data.train) and len(derived) == 24
    again, none, _ = derive(data, parts)
    assert none.asked == [] and len(again) == 24
    stored = next(each for each in read_cache(tmp_path).formats if each.kind == "derived")
    assert stored.clips == 24
    next((tmp_path / "clips" / stored.key).rglob("*.clip")).unlink()
    _, one, _ = derive(data, parts)
    assert len(one.asked) == 1


def test_values_come_back_with_their_targets(toy_catalog: Catalog, tmp_path: Path) -> None:
    data, parts = data_of(toy_catalog, tmp_path)
    derived, features, _ = derive(data, parts)
    seen = {}
    for host in derived.batches(5, epoch=1):
        batch = derived.to_device(host, CPU)
        assert batch.derived.shape == (5, 8, 8) and batch.mask.tolist() == [[1.0] * 8] * 5  # eight windows, 8 features
        assert batch.low is batch.high is None
        for row, name in enumerate(batch.ids):
            seen[name] = (batch.derived[row], int(batch.target[row]))
    assert len(seen) == 20 and derived.steps(5) == 4 and derived.steps(30) == 1
    clip = next(clip for clip in data.train if clip.id == min(seen))
    with torch.no_grad():
        due = features(derived.views.to_device(derived.views.read([clip]), CPU))
    assert torch.equal(seen[clip.id][0], due.half().float()) and seen[clip.id][1] == clip.target


def test_orders_differ_by_epoch_and_not_by_batch(toy_catalog: Catalog, tmp_path: Path) -> None:
    data, parts = data_of(toy_catalog, tmp_path)
    derived, _, _ = derive(data, parts)

    def order(batch: int, epoch: int) -> list[str]:
        return [name for host in derived.batches(batch, epoch=epoch) for name in host.ids]

    assert order(4, 1) == order(6, 1) != order(4, 2)


def test_clips_of_fewer_intervals_are_masked(toy_catalog: Catalog, tmp_path: Path) -> None:
    data, parts = data_of(toy_catalog, tmp_path)
    derived, _, _ = derive(data, parts)
    whole = derived._values
    derived._values = lambda clip: whole(clip)[: 3 if clip is data.train[0] else 8]  # type: ignore[method-assign]
    batch = derived.read(list(data.train[:2]))
    assert batch.mask.sum(1).tolist() == [3, 8] and not batch.derived[0, 3:].any() and batch.derived[1, 3:].any()


def test_other_weights_and_other_views_are_kept_apart(toy_catalog: Catalog, tmp_path: Path) -> None:
    data, parts = data_of(toy_catalog, tmp_path)
    derive(data, parts)
    training = build_training(**parts, make_views=data.training_views, reporter=Silent(), refit=True)

    def fill(module: nn.Module) -> None:
        for parameter in module.parameters():
            nn.init.constant_(parameter, 0.5)

    net = training.stage("net", fill, training.recognizer(), needs=("low",))
    other = Features(net)
    training.derive("features", other, of=training.views("train", whole=True), by=[net], shape=(8,))
    assert len(other.asked) == 24
    data, parts = data_of(toy_catalog, tmp_path, sampling="2x1")
    _, fewer, _ = derive(data, parts)
    assert len(fewer.asked) == 24


def test_low_views_that_the_device_makes_are_kept_apart(toy_catalog: Catalog, tmp_path: Path) -> None:
    """Their stored format is that of the high views, which other degradations share."""
    asked = []
    for degradation in ("bicubic-12x16", "bicubic-6x8", "bicubic-12x16"):
        _, features, _ = derive(*data_of(toy_catalog, tmp_path, degradation=degradation))
        asked.append(len(features.asked))
    assert asked == [24, 24, 0]
    data, _ = data_of(toy_catalog, tmp_path, degradation="bicubic-12x16")
    plan = data.training_views(low=True, high=True, seed=0, unlabelled=False).view_plan
    assert plan.degrade is not None and plan.high is not None
    assert plan.sources(low=False, high=True) == [plan.high.key]
    assert plan.sources(low=True, high=True)[0] == plan.high.key


@pytest.mark.parametrize("shape", [(8,), (3, 8), (2, 3, 4), (2, 3, 4, 5)])
def test_values_of_any_shape_survive_storage(shape: tuple[int, ...]) -> None:
    values = torch.randn(6, *shape)
    stored = as_bytes(values)
    assert stored.dtype == np.uint8 and stored.ndim == 4 and len(stored) == 6
    back = torch.from_numpy(stored.reshape(6, -1).view(np.float16)).float().reshape(values.shape)
    assert torch.equal(back, values.half().float())


def test_what_cannot_be_kept_is_refused(toy_catalog: Catalog, tmp_path: Path) -> None:
    data, parts = data_of(toy_catalog, tmp_path)
    with pytest.raises(ElrError, match=r"'clip000' are \(8, 8\), not \(8, 9\)"):
        derive(data, parts, shape=(9,))
    with pytest.raises(ElrError, match="'features' .*views.*whole=True"):
        derive(data, parts, of=data.training_views(low=True, high=False, seed=0))
    stranger = build_training(**parts, make_views=data.training_views, reporter=Silent()).recognizer()
    with pytest.raises(ElrError, match="needs a Recognizer that no stage has trained"):
        derive(data, parts, by=[stranger])

    class Beyond(Features):
        def __call__(self, batch: Any) -> Tensor:
            return super().__call__(batch) + 1e6

    training = build_training(**parts, make_views=data.training_views, reporter=Silent())
    net = training.stage("net", lambda module: None, training.recognizer(), needs=("low",))
    with pytest.raises(ElrError, match="not finite in float16"):
        training.derive("f", Beyond(net), of=training.views("train", whole=True), by=[net], shape=(8,), revision=2)


def test_a_long_clip_is_given_in_pieces(toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _, _ = derive(*data_of(toy_catalog, tmp_path / "a"))
    monkeypatch.setattr(derived, "AT_ONCE", 3)
    pieces, features, _ = derive(*data_of(toy_catalog, tmp_path / "b"))
    clip = whole.views.clips[0]
    assert features.asked[:3] == [clip.id] * 3 and features.asked[3] != clip.id  # 3, 3 and 2 of its 8 windows
    one, other = whole.read([clip]), pieces.read([clip])
    assert one.derived is not None and one.derived.shape == (1, 8, 8)
    torch.testing.assert_close(other.derived, one.derived, rtol=1e-3, atol=1e-3)


def fit_on_features(training: Training) -> Any:
    net = training.stage("net", lambda module: None, training.recognizer(), needs=("low",))

    def features(batch: Any) -> Tensor:
        found: Tensor = net.trace(batch.low, batch.mask, batch.box).features[0]
        return found

    derived = training.derive("features", features, of=training.views("train", whole=True), by=[net], shape=(8,))
    head = nn.Linear(8, 3)

    def learn(module: nn.Module) -> None:
        recipe = training.recipe(module, derived, 2)
        for batch in training.epochs(derived, 2, state=[module, recipe]):
            weight = batch.mask[..., None]
            loss = training.task_loss((module(batch.derived) * weight).sum(1) / weight.sum(1), batch.target)
            recipe.step(loss)
            training.log(loss=loss)

    training.stage("head", learn, head, needs=("low", *RECIPE, net))
    return net


def test_a_head_is_trained_on_them_and_timed(toy_catalog: Catalog, tmp_path: Path) -> None:
    data, parts = data_of(toy_catalog, tmp_path)
    training = build_training(**parts, make_views=data.training_views, reporter=Silent())
    fit_on_features(training)
    assert [stage["name"] for stage in training.stages] == ["net", "head"]
    assert training.stages[1]["updates"] == 2 * 3 and len(training.stages[1]["history"]) == 2
    timer = timed({**parts, "cache": tmp_path / "other"})
    assert list(timer.seconds) == ["net", "features", "head"] and timer.seconds["head"] > 0


def timed(parts: dict[str, Any], **numbers: int) -> StageTimer:
    """`fit_on_features`, timed for 24 clips."""
    named = {key: parts[key] for key in ("plan", "components", "device")}
    timer = StageTimer(**named, cache=parts["cache"], clips=24, **numbers)
    fit_on_features(Training(**named, inputs=parts["inputs"], runner=timer))
    return timer


def test_an_estimate_extrapolates_what_is_derived_by_the_clips_length(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, parts = data_of(toy_catalog, tmp_path)
    frames = 8
    asked: list[tuple[str, float, int]] = []

    def extrapolate(self: StageTimer, name: str, compute: Any, times: float) -> None:
        asked.append((name, times, self._intervals))
        compute()

    monkeypatch.setattr(StageTimer, "extrapolate", extrapolate)
    timed({**parts, "cache": tmp_path / "other"}, frames=frames)
    assert asked == [("features", 8 * 24, 8)]  # windows of one frame, of which the estimate computes one a clip
    fit_on_features(build_training(**parts, make_views=data.training_views, reporter=Silent()))
    timed(parts, frames=frames)
    assert len(asked) == 1  # by a stage that is cached: so are they


def test_modules_that_no_stage_trains_and_further_numbers_are_part_of_the_key(
    toy_catalog: Catalog, tmp_path: Path
) -> None:
    data, parts = data_of(toy_catalog, tmp_path)
    training = build_training(**parts, make_views=data.training_views, reporter=Silent())
    net = training.recognizer()

    def asked(**changes: Any) -> int:
        features = Features(net)
        views = training.views("train", whole=True)
        training.derive("fixed", features, **{"of": views, "fixed": [net], "shape": (8,), **changes})
        return len(features.asked)

    assert (asked(), asked()) == (24, 0)
    assert (asked(numbers={"grid": 2}), asked(numbers={"grid": 3}), asked(numbers={"grid": 2})) == (24, 24, 0)
    with torch.no_grad():
        next(net.parameters()).add_(1)
    assert (asked(), asked()) == (24, 0)
