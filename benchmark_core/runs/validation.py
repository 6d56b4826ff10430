"""Score epochs on the clips that the plan holds out of training, as the run is scored at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from benchmark_core.canonical import digest_of
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.keep import scored_every
from benchmark_core.plans.plan import Plan
from benchmark_core.progress import SILENT
from benchmark_core.records.record import without_top5
from benchmark_core.runs.fold_data import Data
from benchmark_core.scoring.predict import predict
from benchmark_core.scoring.predictions import as_written
from benchmark_core.training.epoch_scores import Validation
from benchmark_core.training.ranks import Ranks
from benchmark_core.training.seeds import seeded


def validation_of(
    plan: Plan, components: Components, data: Data, device: torch.device, ranks: Ranks, every: int
) -> Validation | None:
    """Return how epochs are scored; None if neither the plan nor `every`, a number of epochs, asks for it.

    The score of a stage's last epoch is that of the record if the stage trains the run's recognizer last.
    """
    every = scored_every(plan.keep) or every
    if not every:
        return None
    dataset, oracle = components.dataset, components.method.oracle
    views = data.test_views(high=oracle)

    def score(network: nn.Module) -> Mapping[str, float]:
        with seeded(plan.seed, "validation"):  # restores torch's generators
            ids, targets, logits = predict(
                network,  # type: ignore[arg-type]  # a recognizer
                views,
                device=device,
                precision=plan.precision,
                high=oracle,
                reporter=SILENT,
                ranks=ranks,
            )
        found = as_written(ids, targets, logits, dataset.classes).scored(dataset.metric).scores
        return {name: each.value for name, each in without_top5(found, len(dataset.classes), dataset.metric).items()}

    return Validation(
        score=score,
        primary=dataset.metric,
        every=every,
        clips=digest_of([data.held_out, plan.test_views]),
        keep=bool(plan.keep),
    )


def with_scores(stage: Mapping[str, Any]) -> list[dict[str, float]]:
    """Return a stage's history for the log: its epochs, with scores on held-out clips as `holdout_SCORE`."""
    scored = {int(row["epoch"]): row for row in stage["scores"]}
    return [
        {
            **row,
            **{f"holdout_{name}": value for name, value in scored.get(number, {}).items() if name != "epoch"},
        }
        for number, row in enumerate(stage["history"], 1)
    ]
