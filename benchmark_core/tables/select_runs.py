"""What a word of `elrbench compare A B` stands for: one run, or all runs of a row of a track's table."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_core.errors import ElrError, did_you_mean, unknown
from benchmark_core.names import file_name
from benchmark_core.records.clip_results import clips_of
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.files import RECORDS, run_files
from benchmark_core.records.record import find_record, read_record
from benchmark_core.records.stored import stored_predictions
from benchmark_core.scoring.predictions import Predictions
from benchmark_core.tables.rows import TableRow, fold_rows

_DIGEST = re.compile(r"[0-9a-f]{4,16}")
_SHOWN = 8  # digits of a digest


@dataclass(frozen=True)
class Side:
    """Runs that differ in seed and fold alone. folders: by digest, where each record's predictions lie. row: whether a
    method of a track was named.
    """

    records: tuple[RunRecord, ...]
    folders: Mapping[str, Path]
    row: bool = False

    @property
    def first(self) -> RunRecord:
        """Any of them: what they have in common is read from it."""
        return self.records[0]


def find_side(text: str, leaderboards: Path, track: str | None = None) -> Side:
    """A record file, a run folder, a digest of a published run (or its first digits), or METHOD[@DIGEST] in `track`.

    track: DATASET/PROTOCOL/DEGRADATION; the method's row there is meant, whichever of its runs follows the @.
    Raises ElrError where nothing of that name is there, or several rows are: then with the candidates.
    """
    if track is not None:
        records = _of_track(leaderboards, track)
        method, at, digest = text.partition("@")
        if at or method in {record["plan"]["method"] for record in records.values()}:
            return _row(method, digest, track, records)
    path = Path(text)
    if path.is_file():
        return _run(path)
    if path.is_dir():
        return _run(find_record(path))
    if not _DIGEST.fullmatch(text):
        raise _nothing(text, leaderboards, track)
    return _run(_published(text, leaderboards))


def _run(path: Path) -> Side:
    record = read_record(path)
    return Side((record,), {record["digest"]: path.parent})


def _published(digest: str, leaderboards: Path) -> Path:
    """The record under `leaderboards` whose digest begins so: names hold digests, so that no other is read."""
    if not leaderboards.is_dir():
        raise ElrError(f"there is no folder {leaderboards}; give --folder, or run in the checkout")
    files = {path.stem.rpartition("-")[2]: path for path in run_files(leaderboards)}
    found = sorted(name for name in files if name.startswith(digest))
    if len(found) == 1:
        return files[found[0]]
    if found:
        candidates = ", ".join(files[name].stem for name in found)
        raise ElrError(f"'{digest}' is the beginning of {len(found)} runs' digests: {candidates}; give more digits")
    raise ElrError(f"no run '{digest}' is published under {leaderboards / RECORDS}. {did_you_mean(digest, files)}")


def _of_track(leaderboards: Path, track: str) -> dict[Path, RunRecord]:
    """The records of a track, by path."""
    folder = leaderboards / RECORDS
    tracks = sorted({path.parent.relative_to(folder).as_posix() for path in run_files(leaderboards)})
    parts = track.split("/")
    try:
        place = "/".join(map(file_name, parts)) if len(parts) == 3 else ""
    except ElrError:  # a part that can name no file names no track
        place = ""
    if place not in tracks:
        raise unknown(f"track (DATASET/PROTOCOL/DEGRADATION) under {folder}", track, tracks)
    return {path: read_record(path) for path in sorted((folder / place).glob("*.json"))}


def _row(method: str, digest: str, track: str, records: Mapping[Path, RunRecord]) -> Side:
    places = {record["digest"]: path.parent for path, record in records.items()}
    rows = [row for row in fold_rows(records.values()) if row.first["plan"]["method"] == method]
    if not rows:
        raise unknown(f"method in {track}", method, sorted({each["plan"]["method"] for each in records.values()}))
    if digest:
        rows = [row for row in rows if any(each["digest"].startswith(digest) for each in row.records)]
    if len(rows) == 1:
        return Side(tuple(rows[0].records), places, row=True)
    if not rows:
        raise ElrError(f"no run of method '{method}' in {track} has a digest that begins with '{digest}'")
    names = [f"{method}@{row.first['digest'][:_SHOWN]} ({_told_apart(row, rows)})" for row in rows]
    raise ElrError(f"method '{method}' has {len(rows)} rows in {track}: name one, {' or '.join(names)}")


def _told_apart(row: TableRow, rows: Sequence[TableRow]) -> str:
    """Names and numbers of `row` that some other of `rows` has otherwise."""
    every = [_facts(other) for other in rows]
    own = _facts(row)
    keys = [key for key in own if any(other.get(key) != own[key] for other in every)]
    return ", ".join(f"{key} {own[key]}" for key in keys) or f"{len(row.records)} runs"


def _facts(row: TableRow) -> dict[str, str]:
    first = row.first
    facts: dict[str, Any] = {key: value for key, value in first["plan"].items() if key not in ("seed", "fold")}
    facts |= facts.pop("settings")
    facts["data"] = clips_of(first)
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in facts.items()}


def _nothing(text: str, leaderboards: Path, track: str | None) -> ElrError:
    if track is not None:
        methods = {record["plan"]["method"] for record in _of_track(leaderboards, track).values()}
        return unknown(f"method in {track}", text, sorted(methods))
    return ElrError(
        f"'{text}' is no record file, no run folder and no digest; to name a method, give its table: "
        "--track DATASET/PROTOCOL/DEGRADATION"
    )


def predictions_of(side: Side, record: RunRecord) -> Predictions | None:
    """What lies beside a record of `side`; None where nothing does. ElrError where it is not what was scored."""
    folder = side.folders[record["digest"]]
    if not (folder / Path(record["predictions"]["file"]).name).is_file():
        return None
    return stored_predictions(record, folder)
