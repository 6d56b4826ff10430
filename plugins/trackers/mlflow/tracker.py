"""Log to MLflow, to the server, database or folder of MLFLOW_TRACKING_URI."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from elrbench import TrackedRun

MOST = 1000  # metrics in one call
TAG = "elrbench.run"


class MLflow:
    """One MLflow run in the experiment `PROJECT`. Default: elrbench."""

    def __init__(self, project: str) -> None:
        from mlflow import MlflowClient

        self.client, self.experiment = MlflowClient(), project or "elrbench"
        self.client.search_experiments(max_results=1)  # raises if the server cannot be reached, or wants a login

    def begin(self, run: TrackedRun) -> None:
        """Begin the MLflow run, or continue the one that has the id of the run as a tag; log the plan."""
        from mlflow.entities import Param

        known = self.client.get_experiment_by_name(self.experiment)
        where = known.experiment_id if known else self.client.create_experiment(self.experiment)
        found = self.client.search_runs([where], f"tags.`{TAG}` = '{run.id}'") if run.resumed else []
        self.run = (found or [self.client.create_run(where, tags={TAG: run.id}, run_name=run.name)])[0].info.run_id
        self.client.update_run(self.run, status="RUNNING")
        self.client.log_batch(self.run, params=[Param(key, str(value)) for key, value in run.flat.items()])
        self.client.log_dict(self.run, dict(run.plan), "plan.json")

    def log(self, figures: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Log figures at their steps."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        metrics = [
            Metric(re.sub(r"[^\w./ :-]", "_", name), value, now, step)
            for step, values in figures
            for name, value in values.items()
        ]
        for first in range(0, len(metrics), MOST):
            self.client.log_batch(self.run, metrics=metrics[first : first + MOST])

    def end(self, record: Mapping[str, Any] | None) -> None:
        """Log the record as a file and end the MLflow run, as failed if there is no record."""
        if record is not None:
            self.client.log_dict(self.run, dict(record), "record.json")
        self.client.set_terminated(self.run, "FINISHED" if record is not None else "FAILED")
