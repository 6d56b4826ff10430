"""Read the predictions file of a record, and check it against the record."""

from __future__ import annotations

import hashlib
from pathlib import Path

from benchmark_core.errors import ElrError
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.record import record_name
from benchmark_core.regular_file import read_regular
from benchmark_core.scoring.f1 import THRESHOLDS, Decisions
from benchmark_core.scoring.predictions import LARGEST, Predictions, read_predictions


def stored_bytes(record: RunRecord, folder: Path) -> bytes:
    """Return the content of the predictions file of `record` in `folder`.

    Raises:
        ElrError: if the file is missing, has the wrong name, or is not the file that the record was scored from.
    """
    name = record["predictions"]["file"]
    if name != record_name(record).removesuffix(".json") + ".predictions.csv.gz":
        raise ElrError(f"the record in {folder} names a wrong predictions file, '{name}'; run its plan again")
    path = folder / name
    if not path.exists():
        raise ElrError(f"{path} does not exist; run its plan again")
    content = read_regular(path, LARGEST)
    if hashlib.sha256(content).hexdigest() != record["predictions"]["sha256"]:
        raise ElrError(f"{path} is not the file that its record was scored from; run its plan again")
    return content


def stored_predictions(record: RunRecord, folder: Path) -> Predictions:
    """Return the predictions of `record` in `folder`. ElrError also if their clips, classes or task differ from it."""
    stored_bytes(record, folder)
    path = folder / record["predictions"]["file"]
    n, classes = record["scores"][record["primary"]]["n"], record["per_class"]["classes"]
    clips = n if record["hits"] is None else min(n, 6 * len(record["hits"]))  # a character of `hits` is six clips
    generous = (clips + 1) * (1024 + 32 * len(classes)) + 8 * sum(map(len, classes))  # bytes of ids, logits, header
    found = read_predictions(path, min(LARGEST, generous))
    task = "multi-label" if found.targets.ndim == 2 else "single-label"
    for what, actual, expected in (
        ("clips", len(found.ids), n),
        ("classes", list(found.classes), classes),
        ("task", task, record["track"]["task"]),
    ):
        if actual != expected:
            detail = f": {actual}, but the record has {expected}" if what != "classes" else ""
            raise ElrError(f"{path} has different {what} than its record{detail}; run its plan again")
    return found


def decisions_for(predictions: Predictions, metric: str) -> Decisions:
    """Return labels and predictions for the F1 named `metric`. ElrError if it is not an F1."""
    if metric not in THRESHOLDS:
        raise ElrError(f"'{metric}' is not an F1, so it has no per-clip decisions; compare intervals")
    return Decisions(predictions.targets > 0, predictions.logits > THRESHOLDS[metric])
