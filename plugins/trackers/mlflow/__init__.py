"""Tracker `mlflow`: MLflow: a server, a database or a folder"""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import TrackerSpec, hookimpl


@hookimpl
def elr_trackers() -> Iterable[TrackerSpec]:
    """Return the tracker."""
    return [
        TrackerSpec(
            name="mlflow",
            summary="MLflow: a server, a database or a folder",
            factory="elrbench_plugins.trackers.mlflow.tracker:MLflow",
            requires=("mlflow",),
            extra="mlflow",
        )
    ]
