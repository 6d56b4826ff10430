"""The predictions that lie beside a record: found, held against its digest, read."""

from __future__ import annotations

import hashlib
from pathlib import Path

from benchmark_core.errors import ElrError
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.record import record_name
from benchmark_core.scoring.f1 import THRESHOLDS, Decisions
from benchmark_core.scoring.predictions import Predictions, read_predictions


def stored_bytes(record: RunRecord, folder: Path) -> bytes:
    """The predictions file of `record`, which lies in `folder`.

    Raises ElrError where it is not there, not named after the record, or not the file that the record was scored from.
    """
    name = record["predictions"]["file"]
    if name != record_name(record).removesuffix(".json") + ".predictions.csv.gz":
        raise ElrError(f"the record in {folder} names its predictions '{name}', not after itself; run it again")
    path = folder / name
    if not path.is_file():
        raise ElrError(f"{path} is not there; run its plan again")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != record["predictions"]["sha256"]:
        raise ElrError(f"{path} is not the file that its record was scored from; run its plan again")
    return content


def stored_predictions(record: RunRecord, folder: Path) -> Predictions:
    """As `stored_bytes`, read. ElrError also where they are of other clips or classes than the record says."""
    stored_bytes(record, folder)
    path = folder / record["predictions"]["file"]
    found = read_predictions(path)
    n = record["scores"][record["primary"]]["n"]
    task = "multi-label" if found.targets.ndim == 2 else "single-label"
    for what, there, due in (
        ("clips", len(found.ids), n),
        ("classes", list(found.classes), record["per_class"]["classes"]),
        ("a task", task, record["track"]["task"]),
    ):
        if there != due:
            shown = f": {there}, where the record has {due}" if what != "classes" else " than the record's"
            raise ElrError(f"{path} is of other {what}{shown}; run its plan again")
    return found


def decided(predictions: Predictions, metric: str) -> Decisions:
    """What the F1 of that name is of. ElrError where it is no F1, of which alone decisions can be told apart."""
    if metric not in THRESHOLDS:
        raise ElrError(f"'{metric}' is no F1, so clips have no decisions to pair; compare its intervals")
    return Decisions(predictions.targets > 0, predictions.logits > THRESHOLDS[metric])
