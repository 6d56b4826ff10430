"""What a learnt enhancer makes of training clips is kept: which clips and frames, and again for other weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from learnt_runs import asked, go, learnt_catalog
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from benchmark_core.catalog import Catalog
from benchmark_core.clips.enhanced import AT_ONCE, Enhanced, Enhancer, enhanced_view_plan, ensure_enhanced
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of
from benchmark_core.provenance import owners_of
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.prepare import prepare
from benchmark_core.runs.time_estimate import StageTimer, estimate_times

__all__ = ["learnt_catalog"]  # fixtures

CPU = torch.device("cpu")


def ready(catalog: Catalog, plan: Plan, cache: Path) -> Any:
    return prepare(plan, components_of(catalog, plan), RunContext(out=cache, cache=cache))


def fitted(catalog: Catalog, plan: Plan, frames: int = 1) -> Enhancer:
    torch.manual_seed(0)
    module = recognizer_of(plan, components_of(catalog, plan)).enhancer
    return Enhancer(module=module, frames=frames, stage="made-up", device=CPU)


def test_kept_views_are_what_the_recognizer_makes_of_low_ones(learnt_catalog: Catalog, tmp_path: Path) -> None:
    plan = asked(learnt_catalog, method="cstat:sat")
    data = ready(learnt_catalog, plan, tmp_path)
    recognizer = recognizer_of(plan, components_of(learnt_catalog, plan)).eval()
    enhancer = Enhancer(module=recognizer.enhancer, frames=1, stage="made-up", device=CPU)
    low, kept = (
        views.to_device(views.read(data.train[:5], epoch=2), CPU)
        for views in (
            data.training_views(low=True, high=True, seed=5),
            data.training_views(low=True, high=True, seed=5, enhancer=enhancer),
        )
    )
    assert (
        isinstance(kept.low, Enhanced) and kept.low.shape == (5, 2, 3, 1, 24, 32) and not isinstance(low.low, Enhanced)
    )
    assert torch.equal(kept.high, low.high) and torch.equal(kept.box, low.box)
    with torch.no_grad():
        seen, past = recognizer.trace(low.low, low.mask, low.box), recognizer.trace(kept.low, kept.mask, kept.box)
    # Kept frames end at black and white, and the box mixes neighbours: only where none of these went beyond.
    beyond = ((seen.image <= 0.01) | (seen.image >= 0.99)).float()
    inside = max_pool2d(beyond, 5, 1, 2) == 0
    assert inside.float().mean() > 0.2
    assert (seen.image - past.image)[inside].abs().max() < 0.6 / 255
    assert type(past.image) is Tensor


def test_kept_windows_begin_at_the_clips_first_frame(learnt_catalog: Catalog, tmp_path: Path) -> None:
    plan = asked(learnt_catalog, enhancer="four-at-once", sampling="1x1")
    data = ready(learnt_catalog, plan, tmp_path)
    enhancer = fitted(learnt_catalog, plan, frames=4)
    stock = enhanced_view_plan(data.view_plan, enhancer)
    ensure_enhanced(data.store, data.train[:2], stock.low, enhancer)
    low = data.store.reader(data.view_plan.low).frames(data.train[1], range(4, 8))
    view = torch.from_numpy(low).float().div(255).transpose(0, 1)[None]
    with torch.no_grad():
        due = enhancer.module(view)[0].transpose(0, 1).clamp(0, 1).mul(255).round().to(torch.uint8)
    kept = data.store.reader(stock.low).frames(data.train[1], range(4, 8))
    assert np.abs(kept.astype(int) - due.numpy()).max() <= 1  # two windows at once are summed in another order


def test_a_clip_that_ends_within_a_window_keeps_its_own_frames(learnt_catalog: Catalog, tmp_path: Path) -> None:
    plan = asked(learnt_catalog, enhancer="four-at-once", sampling="1x1")
    data = ready(learnt_catalog, plan, tmp_path)
    three = dataclasses.replace(fitted(learnt_catalog, plan), frames=3, module=Repeat())
    stock = enhanced_view_plan(data.view_plan, three)
    ensure_enhanced(data.store, data.train[:1], stock.low, three)
    reader = data.store.reader(stock.low)
    assert reader.count(data.train[0]) == 8  # in windows of 3, 3 and 2
    low = data.store.reader(data.view_plan.low).frames(data.train[0], range(8))
    assert np.array_equal(reader.frames(data.train[0], range(8))[:, :, 0, 0], low[:, :, 0, 0])


class Repeat(nn.Module):
    """Take three frames at once and repeat their first pixel."""

    def forward(self, view: Tensor) -> Tensor:
        assert view.shape[2] == 3
        return view[..., :1, :1].expand(*view.shape[:3], 24, 32)


def test_a_run_makes_them_once_and_other_weights_anew(learnt_catalog: Catalog, tmp_path: Path) -> None:
    def kept() -> set[str]:
        found = (tmp_path / "cache" / "clips").glob("*/recipe.json")
        return {path.parent.name for path in found if '"kind": "enhanced"' in path.read_text()}

    go(learnt_catalog, asked(learnt_catalog), tmp_path)
    first = kept()
    assert len(first) == 1
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "clips" / min(first)).rglob("*.clip")}
    assert len(files) == 24  # the training clips; test clips go through the recognizer
    go(learnt_catalog, asked(learnt_catalog, backbone="resnet18"), tmp_path)
    assert kept() == first and all(path.stat().st_mtime_ns == when for path, when in files.items())
    go(learnt_catalog, asked(learnt_catalog, "enhancer.lr=0.01"), tmp_path)
    assert len(kept()) == 2


def test_an_estimate_extrapolates_them_by_frames(
    learnt_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, float]] = []

    def extrapolate(self: StageTimer, name: str, compute: Any, times: float) -> None:
        told.append((name, times))
        compute()

    monkeypatch.setattr(StageTimer, "extrapolate", extrapolate)

    def estimate(*settings: str, **fields: Any) -> list[tuple[str, float]]:
        plan = asked(learnt_catalog, *settings, **fields)
        components = components_of(learnt_catalog, plan)
        data = prepare(plan, components, RunContext(out=tmp_path / "cache", cache=tmp_path / "cache"))
        owners = {kind: owner.identity for kind, owner in owners_of(learnt_catalog, components).items()}
        given = {"inputs": data.stage_inputs(owners), "device": CPU, "cache": tmp_path / "cache"}
        told.clear()
        seconds = estimate_times(plan, components, clips=24, frames=10, **given)
        assert ("student" in seconds) and seconds["student"] > 0
        return list(told)

    assert estimate() == [("enhanced clips", 10 * 24 / AT_ONCE)]  # a frame at a time, eight in a batch
    assert estimate("enhancer.keep=true", enhancer="four-at-once") == [("enhanced clips", 3 * 24)]
    assert estimate(enhancer="four-at-once") == []
    go(learnt_catalog, asked(learnt_catalog), tmp_path)
    assert estimate("method.lr=0.5") == []


@pytest.mark.parametrize(
    ("settings", "fields"),
    [(("enhancer.train=true",), {}), ((), {"degradation": "bicubic-6x8"}), ((), {"enhancer": "four-at-once"})],
)
def test_none_are_kept_where_they_differ_from_epoch_to_epoch(
    learnt_catalog: Catalog, tmp_path: Path, settings: tuple[str, ...], fields: dict[str, str]
) -> None:
    go(learnt_catalog, asked(learnt_catalog, *settings, **fields), tmp_path)
    recipes = [path.read_text() for path in (tmp_path / "cache" / "clips").glob("*/recipe.json")]
    assert recipes and not any('"enhanced"' in text for text in recipes)
    if fields.get("enhancer"):
        go(learnt_catalog, asked(learnt_catalog, "enhancer.keep=true", **fields), tmp_path)
        recipes = [path.read_text() for path in (tmp_path / "cache" / "clips").glob("*/recipe.json")]
        assert sum('"enhanced"' in text for text in recipes) == 1


def test_the_cache_lists_them(learnt_catalog: Catalog, tmp_path: Path) -> None:
    from elrbench_plugins.commands.cache.contents import read_cache

    go(learnt_catalog, asked(learnt_catalog), tmp_path)
    found = [each.to_json() for each in read_cache(tmp_path / "cache").formats if each.kind == "enhanced"]
    assert [(each["size"], each["clips"]) for each in found] == [("24x32", 24)]
    assert "average" in found[0]["degradation"]
