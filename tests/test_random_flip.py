"""`method.random_flip=none`: no clip is mirrored in training, and nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from benchmark_core.catalog import Catalog
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from benchmark_core.runs.time_estimate import estimate_times
from benchmark_core.training.run_stages import RunStages
from elrbench_plugins.commands.suite.estimate import count_stages

FIELDS = {"dataset": "toy", "backbone": "toynet", "enhancer": "bilinear", "size": "24x32", "budget": "smoke"}


def boxes_of(catalog: Catalog, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, *settings: str) -> torch.Tensor:
    """The boxes (N, 5) that a training loop sees in two epochs."""
    seen: list[torch.Tensor] = []
    epochs = RunStages.epochs

    def spied(self: RunStages, *args: Any, **kwargs: Any) -> Any:
        for batch in epochs(self, *args, **kwargs):
            seen.append(batch.box)
            yield batch

    with monkeypatch.context() as patch:
        patch.setattr(RunStages, "epochs", spied)
        request = PlanRequest(method="supervised", settings=("method.epochs=2", *settings), **FIELDS)
        out = tmp_path / str(len(settings))
        run(resolve_plan(catalog, request), catalog, RunContext(out=out, cache=out / "cache"))
    return torch.cat(seen)


def test_no_clip_is_mirrored_and_the_crops_are_the_same(
    toy_catalog: Catalog, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
):
    usual = boxes_of(toy_catalog, tmp_path, monkeypatch)
    plain = boxes_of(toy_catalog, tmp_path, monkeypatch, "method.random_flip=none")
    assert 0.2 < float(usual[:, 4].mean()) < 0.8 and not plain[:, 4].any()
    assert torch.equal(usual[:, :4], plain[:, :4])


def test_the_default_is_not_in_the_plan(toy_catalog: Catalog):
    def digest(*settings: str) -> str:
        return resolve_plan(toy_catalog, PlanRequest(method="supervised", settings=settings, **FIELDS)).digest

    assert digest("method.random_flip=half") == digest() != digest("method.random_flip=none")


def test_other_settings_of_crops_and_flips_keep_what_views_are_of(toy_catalog: Catalog, tmp_path: Any):
    """`without_flips` and `centred` are copies; a loop over unlabelled clips is still one."""
    from test_derived import data_of

    data, _ = data_of(toy_catalog, tmp_path, sampling="2x1", degradation="bicubic-12x16")
    views = data.training_views(low=True, high=True, seed=0, unlabelled=False)
    views.labelled = False
    assert views.without_flips().labelled is views.centred().labelled is False


def test_a_stored_margin_is_cut_at_the_centre(toy_catalog: Catalog, tmp_path: Any):
    """`method.random_crop=none` on views that the device degrades."""
    from test_derived import data_of

    data, _ = data_of(toy_catalog, tmp_path, sampling="2x1", degradation="bicubic-12x16")
    views = data.training_views(low=True, high=True, seed=0, unlabelled=False)
    corners = {views._draw(clip, epoch).position for clip in views.clips for epoch in range(3)}
    centred = views.centred()
    drawn = [(views._draw(clip, 0), centred._draw(clip, 0)) for clip in views.clips]
    assert len(corners) > 9 and {each.position for _, each in drawn} == {(0.5, 0.5)}
    assert all(usual.chance == each.chance and (usual.numbers == each.numbers).all() for usual, each in drawn)


def test_training_without_flips_and_crops_is_estimated(toy_catalog: Catalog, tmp_path: Any):
    settings = ("method.random_flip=none", "method.random_crop=none")
    plan = resolve_plan(toy_catalog, PlanRequest(method="supervised", settings=settings, **FIELDS))
    components = components_of(toy_catalog, plan)
    seconds = estimate_times(plan, components, clips=6, device=torch.device("cpu"), cache=tmp_path)
    assert seconds["student"] > 0
    counted = count_stages(plan, components, toy_catalog, 6, {})
    assert sum(counted.macs.values()) > 0
