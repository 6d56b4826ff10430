"""Read the predictions of selected runs, each file once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from benchmark_core.errors import ElrError
from benchmark_core.records.clip_results import clip_decisions
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.stored import decisions_for, stored_predictions
from benchmark_core.scoring.f1 import Decisions
from benchmark_core.scoring.predictions import Predictions
from benchmark_core.tables.select_runs import SelectedRuns


class SelectedPredictions:
    """Predictions of the selected runs."""

    def __init__(self, selected: Sequence[SelectedRuns]) -> None:
        self._folders = {id(record): runs.folders for runs in selected for record in runs.records}
        self._kept: dict[int, Predictions | None] = {}

    def find(self, record: RunRecord) -> Predictions | None:
        """Return the predictions next to `record`; None if there are none. ElrError if they are not what was scored."""
        if id(record) not in self._kept:
            self._kept[id(record)] = self._stored(record)
        return self._kept[id(record)]

    def read(self, record: RunRecord) -> Predictions:
        """Return the predictions next to `record`. ElrError also if there are none."""
        found = self.find(record)
        if found is None:
            raise ElrError(
                f"{record['predictions']['file']} is not next to the record of {record['digest']}; "
                "put the file there, or run its plan again"
            )
        return found

    def decisions(self, record: RunRecord) -> Decisions:
        """Return the multi-label decisions in `record`, or those of its predictions. ElrError if it has neither."""
        return clip_decisions(record) if "decisions" in record else decisions_for(self.read(record), record["primary"])

    def _stored(self, record: RunRecord) -> Predictions | None:
        folder = self._folders[id(record)][record["digest"]]
        if not os.path.isfile(folder / Path(record["predictions"]["file"]).name):  # also if the name is too long
            return None
        return stored_predictions(record, folder)
