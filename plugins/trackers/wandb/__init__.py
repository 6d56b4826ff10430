"""Tracker `wandb`: Weights & Biases, online or offline"""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import TrackerSpec, hookimpl


@hookimpl
def elr_trackers() -> Iterable[TrackerSpec]:
    """Return the tracker."""
    return [
        TrackerSpec(
            name="wandb",
            summary="Weights & Biases, online or offline",
            factory="elrbench_plugins.trackers.wandb.tracker:WeightsAndBiases",
            requires=("wandb",),
            extra="wandb",
        )
    ]
