"""Verify records: score the predictions again, and compare every score, interval, class and bit."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_core.errors import ElrError
from benchmark_core.records.checksum import read_json, read_with_checksum
from benchmark_core.records.consistency import check_record, check_result
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.files import RECORDS, track_path
from benchmark_core.records.record import part_folder, read_record, record_name
from benchmark_core.records.stored import stored_predictions
from benchmark_core.scoring.fusion import fuse
from benchmark_core.scoring.predictions import Predictions
from benchmark_core.scoring.scores import Score, Scored

ROUNDING = 1e-9  # difference between sums in another order, on another machine
DIGITS = 1e-3  # tolerance for logits, which files store with four significant digits
# Tolerance for interval ends, as a fraction of the half width: six standard deviations of the change that another
# random stream of 1,000 draws causes.
DRIFT = 0.5


@dataclass(frozen=True)
class VerifiedRecord:
    """Result of verifying one record.

    Attributes:
        path: file of the record.
        record: the record, or None if it cannot be read.
        problems: one line per fault.
        notes: remarks that are not faults.
    """

    path: Path
    record: RunRecord | None
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()


def record_files(paths: Sequence[Path], leaderboards: Path) -> list[Path]:
    """Return the paths of the run records in `paths`, which are files or folders. Default: all published records.

    In a folder of published records, every JSON file must be a run record. In other folders, JSON files of another kind
    are skipped.

    Raises:
        ElrError: if a path does not exist, or a folder holds no run record.
    """
    found: list[Path] = []
    for path in paths or [leaderboards / RECORDS]:
        if not path.exists():
            raise ElrError(f"{path} does not exist; pass a record file or a folder of records")
        if not path.is_dir():
            found.append(path)
            continue
        files = sorted(each for each in path.rglob("*.json") if not each.name.startswith("."))
        runs = [each for each in files if _root(each, leaderboards) is not None or _is_run(each)]
        if not runs:
            raise ElrError(f"{path} holds no run record; pass a record file or a folder of records")
        found += runs
    return list(dict.fromkeys(found))


def _root(path: Path, leaderboards: Path) -> Path | None:
    """Return the `records` folder that contains `path`; None if `path` is not in one."""
    published = (leaderboards / RECORDS).absolute()
    above = path.absolute().parents
    if published in above:
        return published
    return above[3] if len(above) > 3 and above[3].name == RECORDS else None


def _is_run(path: Path) -> bool:
    try:
        content = read_json(path)
    except ElrError:
        return re.search(r"-[0-9a-f]{16}\.json$", path.name) is not None
    return isinstance(content, dict) and content.get("kind") == "run"


def verify_record(path: Path, leaderboards: Path) -> VerifiedRecord:
    """Check schema, checksum, digests and location of a record, and every result against its predictions."""
    problems: list[str] = []
    try:
        record = check_record(read_with_checksum(path, "run", RunRecord))
    except ElrError as error:
        problems.append(str(error).removeprefix(f"{path}: ").removeprefix(f"{path} "))
        try:
            record = check_record(read_json(path))  # without the checksum, to find the changed field
        except ElrError:
            return VerifiedRecord(path, None, tuple(problems))
    root = _root(path, leaderboards)
    name = Path(record_name(record))
    expected = name if root is None else root / track_path(record["track"]) / name
    if (path.absolute() if root else Path(path.name)) != expected:
        problems.append(f"its content belongs at {expected}; move it there or delete it")
    notes: list[str] = []
    try:
        stored = stored_predictions(record, path.parent)
        scored = stored.scored(record["primary"])
    except ElrError as error:
        problems.append(str(error))
    else:
        problems += _check_scores(record, scored, notes)
        problems += _check_per_clip(record, scored)
        if record["clips"]["test"] != len(stored.ids):
            problems.append(f"'clips.test' is {record['clips']['test']}, but {len(stored.ids)} clips have predictions")
        try:
            problems += _check_fusion(path, record, stored, notes)
        except ElrError as error:
            problems.append(f"a run that it fuses is not valid: {error}")
    if not problems:  # otherwise the problems above name the fault more precisely
        try:
            check_result(record)
        except ElrError as error:
            problems.append(str(error))
    return VerifiedRecord(path, record, tuple(problems), tuple(notes))


def _check_fusion(path: Path, record: RunRecord, stored: Predictions, notes: list[str]) -> Iterator[str]:
    """Check that the predictions of a fused run are the mean of its parts."""
    parts = []
    for digest in record.get("fused", ()):
        folders = (path.parent, part_folder(path.parent, record["digest"], digest))
        found = [file for folder in folders for file in sorted(folder.glob(f"*-{digest}.json"))]
        if not found:
            notes.append(f"the fused run {digest} was not found, so the mean of the predictions was not checked")
            return
        parts.append(stored_predictions(read_record(found[0]), found[0].parent))
    if not parts:
        return
    mean = fuse(parts)
    if mean.ids != stored.ids or not np.allclose(mean.logits, stored.logits, rtol=DIGITS, atol=DIGITS):
        yield "its predictions are not the mean of the runs that it fuses"


def _check_scores(record: RunRecord, scored: Scored, notes: list[str]) -> Iterator[str]:
    """Check values, counts and intervals of the scores."""
    for name, recorded in record["scores"].items():
        if name not in scored.scores:
            yield f"'scores.{name}' is not a score of its predictions"
            continue
        expected = scored.scores[name]
        if not _close(recorded["value"], expected.value):
            yield _mismatch(f"scores.{name}.value", recorded["value"], expected.value)
        for key in ("n", "interval"):
            if recorded[key] != getattr(expected, key):
                yield _mismatch(f"scores.{name}.{key}", recorded[key], getattr(expected, key))
        if _close(recorded["low"], expected.low) and _close(recorded["high"], expected.high):
            continue
        if _other_stream(record, expected) and _near((recorded["low"], recorded["high"]), expected):
            notes.append(
                f"the interval of {name} is [{recorded['low']:.4f}, {recorded['high']:.4f}] with numpy "
                f"{record['versions'].get('numpy')}, and [{expected.low:.4f}, {expected.high:.4f}] with numpy "
                f"{np.__version__}, because their random streams differ"
            )
        else:
            interval, again = [recorded["low"], recorded["high"]], [expected.low, expected.high]
            yield _mismatch(f"the interval of scores.{name}", interval, again)
    if missing := sorted(scored.scores.keys() - record["scores"].keys()):
        notes.append(f"it has no {', '.join(missing)}, which newer records have")
    if "window_scores" in record:
        notes.append(f"{', '.join(record['window_scores'])} cannot be checked: predictions are of whole clips")


def _check_per_clip(record: RunRecord, scored: Scored) -> Iterator[str]:
    """Check per-class scores, hits and decisions."""
    plain = scored.to_json(record["primary"])
    recorded, expected = record["per_class"], plain["per_class"]
    for number, name in enumerate(recorded["classes"]):
        if recorded["n"][number] != expected["n"][number]:
            yield _mismatch(f"per_class.n of '{name}'", recorded["n"][number], expected["n"][number])
        one, other = recorded["value"][number], expected["value"][number]
        if (one is None) != (other is None) or (one is not None and not _close(one, other)):
            yield _mismatch(f"per_class.value of '{name}'", one, other)
    if record["hits"] != plain["hits"]:
        yield "'hits' do not match its predictions"
    if "decisions" in record and record["decisions"] != plain.get("decisions"):
        yield "'decisions' do not match its predictions"


def _other_stream(record: RunRecord, score: Score) -> bool:
    """Whether bootstrap draws with the same seed may differ: numpy guarantees the stream only within a version."""
    return score.interval == "bootstrap95" and record["versions"].get("numpy") != np.__version__


def _near(interval: tuple[float, float], score: Score) -> bool:
    tolerance = DRIFT * (score.high - score.low) / 2 + ROUNDING
    return abs(interval[0] - score.low) <= tolerance and abs(interval[1] - score.high) <= tolerance


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=0.0, abs_tol=ROUNDING)


def _mismatch(what: str, recorded: Any, expected: Any) -> str:
    return f"{what} is {_shown(recorded)}, but its predictions give {_shown(expected)}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
