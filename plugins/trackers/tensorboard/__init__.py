"""Tracker `tensorboard`: event files in the run folder, for TensorBoard"""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import TrackerSpec, hookimpl


@hookimpl
def elr_trackers() -> Iterable[TrackerSpec]:
    """Return the tracker."""
    return [
        TrackerSpec(
            name="tensorboard",
            summary="event files in the run folder, for TensorBoard",
            factory="elrbench_plugins.trackers.tensorboard.tracker:TensorBoard",
            requires=("tensorboard",),
            extra="tensorboard",
        )
    ]
