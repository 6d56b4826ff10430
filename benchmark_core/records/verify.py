"""Whether a record says what its predictions make: every score, interval, class and bit taken from them anew."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_core.errors import ElrError
from benchmark_core.records.checksum import read_json, read_sealed
from benchmark_core.records.consistency import check_record, check_result
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.files import RECORDS, track_path
from benchmark_core.records.record import part_folder, read_record, record_name
from benchmark_core.records.stored import stored_predictions
from benchmark_core.scoring.fusion import fuse
from benchmark_core.scoring.predictions import Predictions
from benchmark_core.scoring.scores import Score, Scored

ROUNDING = 1e-9  # what sums in another order, on another machine, may differ by
DIGITS = 1e-3  # of a logit: files keep four
DRIFT = 0.5  # of half an interval: six standard deviations of what another stream of 1,000 draws moves its ends by


@dataclass(frozen=True)
class Verified:
    """What was found of the record in `path`. problems: what it falls short in, a line each. notes: what is to be said
    and does not count against it. record: as far as it can be read.
    """

    path: Path
    record: RunRecord | None
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()


def record_files(paths: Sequence[Path], leaderboards: Path) -> list[Path]:
    """The run records that `paths` name, each a file or a folder of them; those of `leaderboards` where none is given.

    Where records are published every JSON file is to be one; elsewhere those that say so, or are called so and cannot
    be read. ElrError where a path is not there, or a folder holds none.
    """
    found: list[Path] = []
    for path in paths or [leaderboards / RECORDS]:
        if path.is_file():
            found.append(path)
            continue
        if not path.is_dir():
            raise ElrError(f"there is no record and no folder {path}; name a record's file, or a folder of records")
        files = sorted(each for each in path.rglob("*.json") if not each.name.startswith("."))
        runs = [each for each in files if _root(each, leaderboards) is not None or _is_run(each)]
        if not runs:
            raise ElrError(f"{path} holds no run record; name a record's file, or a folder of records")
        found += runs
    return list(dict.fromkeys(found))


def _root(path: Path, leaderboards: Path) -> Path | None:
    """The folder `records` that `path` lies in, in some track's folder or anywhere in that of `leaderboards`."""
    whole, own = path.absolute(), (leaderboards / RECORDS).absolute()
    if own in whole.parents:
        return own
    above = whole.parents
    return above[3] if len(above) > 3 and above[3].name == RECORDS else None


def _is_run(path: Path) -> bool:
    try:
        content = read_json(path)
    except ElrError:
        return re.search(r"-[0-9a-f]{16}\.json$", path.name) is not None
    return isinstance(content, dict) and content.get("kind") == "run"


def verify_record(path: Path, leaderboards: Path) -> Verified:
    """Checks seal, schema and plan's digest, the file's place, the predictions' digest, and all that they make."""
    problems: list[str] = []
    try:
        record = check_record(read_sealed(path, "run", RunRecord))
    except ElrError as error:
        problems.append(str(error).removeprefix(f"{path}: "))
        try:
            record = check_record(read_json(path))  # its seal is broken: what is in it may say where
        except ElrError:
            return Verified(path, None, tuple(problems))
    root = _root(path, leaderboards)
    due = Path(record_name(record)) if root is None else root / track_path(record["track"]) / record_name(record)
    if (path.absolute() if root else Path(path.name)) != due:
        problems.append(f"by its content it belongs at {due}; move it there or remove it")
    notes: list[str] = []
    try:
        stored = stored_predictions(record, path.parent)
        again = stored.scored()
    except ElrError as error:
        problems.append(str(error))
    else:
        problems += _scores(record, again, notes)
        problems += _others(record, again)
        if record["clips"]["test"] != len(stored.ids):
            problems.append(f"'clips.test' is {record['clips']['test']}, and {len(stored.ids)} were predicted")
        try:
            problems += _mean(path, record, stored, notes)
        except ElrError as error:
            problems.append(f"of the runs that it fuses: {error}")
    if not problems:  # else it is told already, and better
        try:
            check_result(record)
        except ElrError as error:
            problems.append(str(error))
    return Verified(path, record, tuple(problems), tuple(notes))


def _mean(path: Path, record: RunRecord, stored: Predictions, notes: list[str]) -> Iterator[str]:
    """Whether the predictions of a run that fuses others are the mean of theirs."""
    parts = []
    for digest in record.get("fused", ()):
        folders = (path.parent, part_folder(path.parent, record["digest"], digest))
        found = [file for folder in folders for file in sorted(folder.glob(f"*-{digest}.json"))]
        if not found:
            notes.append(f"the run {digest} that it fuses is not beside it, so their mean was not taken again")
            return
        parts.append(stored_predictions(read_record(found[0]), found[0].parent))
    if not parts:
        return
    mean = fuse(parts)
    if mean.ids != stored.ids or not np.allclose(mean.logits, stored.logits, rtol=DIGITS, atol=DIGITS):
        yield "its predictions are not the mean of those of the runs that it fuses"


def _scores(record: RunRecord, again: Scored, notes: list[str]) -> Iterator[str]:
    """Values, counts and intervals of the record's scores."""
    for name, said in record["scores"].items():
        if name not in again.scores:
            yield f"'scores.{name}' is no score that its predictions make"
            continue
        made = again.scores[name]
        if not _close(said["value"], made.value):
            yield _apart(f"scores.{name}.value", said["value"], made.value)
        for key in ("n", "interval"):
            if said[key] != getattr(made, key):
                yield _apart(f"scores.{name}.{key}", said[key], getattr(made, key))
        if _close(said["low"], made.low) and _close(said["high"], made.high):
            continue
        if _other_stream(record, made) and _near((said["low"], said["high"]), made):
            notes.append(
                f"the interval of {name} is [{said['low']:.4f}, {said['high']:.4f}], and [{made.low:.4f}, "
                f"{made.high:.4f}] here: its seeded draws are numpy {record['versions'].get('numpy')}'s, these are "
                f"numpy {np.__version__}'s"
            )
        else:
            yield _apart(f"the interval of scores.{name}", [said["low"], said["high"]], [made.low, made.high])
    if missing := sorted(again.scores.keys() - record["scores"].keys()):
        notes.append(f"it does not hold {', '.join(missing)}, which records hold today")


def _others(record: RunRecord, again: Scored) -> Iterator[str]:
    """Per-class scores, and what is packed."""
    plain = again.to_json(record["primary"])
    said, made = record["per_class"], plain["per_class"]
    for number, name in enumerate(said["classes"]):
        if said["n"][number] != made["n"][number]:
            yield _apart(f"per_class.n of '{name}'", said["n"][number], made["n"][number])
        one, other = said["value"][number], made["value"][number]
        if (one is None) != (other is None) or (one is not None and not _close(one, other)):
            yield _apart(f"per_class.value of '{name}'", one, other)
    if record["hits"] != plain["hits"]:
        yield "'hits' are not those of its predictions"
    if "decisions" in record and record["decisions"] != plain.get("decisions"):
        yield "'decisions' are not those of its predictions"


def _other_stream(record: RunRecord, made: Score) -> bool:
    """Whether draws of the same seed may differ: numpy keeps their order within a version alone."""
    return made.interval == "bootstrap95" and record["versions"].get("numpy") != np.__version__


def _near(said: tuple[float, float], made: Score) -> bool:
    reach = DRIFT * (made.high - made.low) / 2 + ROUNDING
    return abs(said[0] - made.low) <= reach and abs(said[1] - made.high) <= reach


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=0.0, abs_tol=ROUNDING)


def _apart(what: str, said: Any, made: Any) -> str:
    return f"{what} is {_shown(said)} where its predictions make {_shown(made)}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
