"""Views of a time estimate have the shapes of the real ones."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from benchmark_core.catalog import Catalog
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.runs.random_views import CLIPS, RandomViews
from benchmark_core.training.stage_runner import ViewRequest


@pytest.mark.parametrize("method", ["supervised", "kd"])
def test_clips_of_a_dataset_that_states_their_size_have_it(catalog: Catalog, method: str) -> None:
    """High views of `kd` on a natively low track are the clips themselves."""
    asked: dict[str, Any] = {"dataset": "nagoya-fir", "protocol": "loso-6", "backbone": "native3d-xs"}
    plan = resolve_plan(catalog, PlanRequest(method=method, budget="small", sampling="clip-24", **asked))
    views = RandomViews(
        plan=plan, components=components_of(catalog, plan), count=9, request=ViewRequest(low=True, high=method == "kd")
    )
    batch = views.batch(torch.device("cpu"))
    shown = [batch.high] if method == "kd" else [batch.low]
    for view in shown:
        assert isinstance(view, list)
        assert [tuple(clip.shape) for clip in view] == [(1, 3, 24, 16, 16)] * CLIPS
