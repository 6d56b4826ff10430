"""Write event files that `tensorboard --logdir elrbench-runs` shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from elrbench import ElrError, TrackedRun


class TensorBoard:
    """Scalars by step, and plan and record as text, in `RUN_FOLDER/tensorboard/ID`."""

    def __init__(self, project: str) -> None:
        if project:
            raise ElrError(f"tracker 'tensorboard' has no projects; pass --track tensorboard without ':{project}'")

    def begin(self, run: TrackedRun) -> None:
        """Open a new event file; TensorBoard joins it with those of an interrupted process."""
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(run.folder / "tensorboard" / run.id)
        self.writer.add_text("plan", _code(run.plan))
        self.writer.flush()

    def log(self, figures: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Write scalars to the disk."""
        for step, values in figures:
            for name, value in values.items():
                self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def end(self, record: Mapping[str, Any] | None) -> None:
        """Write the record as text and close the file."""
        if record is not None:
            self.writer.add_text("record", _code(record))
        self.writer.close()


def _code(plain: Mapping[str, Any]) -> str:
    """Return JSON as a code block of Markdown."""
    return "    " + json.dumps(plain, indent=2).replace("\n", "\n    ")
