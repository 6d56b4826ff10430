"""Log to Weights & Biases: online with a login, or offline into the run folder (WANDB_MODE=offline)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from elrbench import ElrError, TrackedRun


class WeightsAndBiases:
    """One W&B run with the id of the run, in the project `PROJECT` or `ENTITY/PROJECT`. Default: elrbench."""

    def __init__(self, project: str) -> None:
        import wandb

        self.entity, _, self.project = project.rpartition("/")
        if wandb.setup().settings.mode == "online" and not wandb.login(prompt=False):
            raise ElrError(
                "tracker 'wandb' has no login: run 'wandb login', set WANDB_API_KEY, or set WANDB_MODE=offline to "
                "write into the run folder"
            )

    def begin(self, run: TrackedRun) -> None:
        """Begin or continue the W&B run, with the plan as its config."""
        import wandb

        self.run = wandb.init(
            id=run.id,
            name=run.name,
            project=self.project or "elrbench",
            entity=self.entity or None,
            dir=run.folder,
            config=dict(run.plan),
            resume="allow",
            settings=wandb.Settings(console="off"),  # what is printed stays here
        )

    def log(self, figures: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Log figures at their steps."""
        for step, values in figures:
            self.run.log(dict(values), step=step)

    def end(self, record: Mapping[str, Any] | None) -> None:
        """Add the record to the summary and end the W&B run, as failed if there is no record."""
        if record is not None:
            self.run.summary["record"] = json.dumps(record)
        self.run.finish(exit_code=0 if record is not None else 1)
