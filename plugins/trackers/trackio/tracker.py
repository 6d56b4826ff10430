"""Log to trackio, which keeps its runs on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from elrbench import TrackedRun


class Trackio:
    """One trackio run in the project `PROJECT`. Default: elrbench."""

    def __init__(self, project: str) -> None:
        self.project = project or "elrbench"

    def begin(self, run: TrackedRun) -> None:
        """Begin the trackio run, or continue the one of the same name; the plan is its config."""
        import trackio

        self.run = trackio.init(
            project=self.project,
            name=f"{run.name}-{run.id}",
            config=run.flat,
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )

    def log(self, figures: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Log figures at their steps."""
        for step, values in figures:
            self.run.log(dict(values), step=step)

    def end(self, record: Mapping[str, Any] | None) -> None:
        """Log the record as text and end the trackio run."""
        import trackio

        if record is not None:
            self.run.log({"record": json.dumps(record)})
        trackio.finish()  # `self.run.finish()` would be called again, and print, when the program exits
