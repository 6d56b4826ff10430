"""Tracker `trackio`: trackio, a local dashboard"""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import TrackerSpec, hookimpl


@hookimpl
def elr_trackers() -> Iterable[TrackerSpec]:
    """Return the tracker."""
    return [
        TrackerSpec(
            name="trackio",
            summary="trackio, a local dashboard",
            factory="elrbench_plugins.trackers.trackio.tracker:Trackio",
            requires=("trackio",),
            extra="trackio",
        )
    ]
