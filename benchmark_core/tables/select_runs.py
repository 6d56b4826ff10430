"""Select the runs that an argument of `elrbench compare` or `fuse` names: one run, or all runs of a table row."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_core.errors import ElrError, unknown
from benchmark_core.names import file_name
from benchmark_core.records.clip_results import clip_list
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.files import RECORDS, run_files
from benchmark_core.records.record import find_record, read_record
from benchmark_core.tables.rows import TableRow, group_rows

_DIGEST = re.compile(r"[0-9a-f]{4,16}")
NETWORK = ("backbone", "sampling", "size")  # fields of a plan that name a row's network in messages
_SHOWN = 8  # digits of a digest in messages


@dataclass(frozen=True)
class SelectedRuns:
    """Runs that differ only in seed and fold.

    Attributes:
        records: the runs.
        folders: folder of each record's predictions, by digest.
        is_row: whether the argument named a method of a track, not a single run.
    """

    records: tuple[RunRecord, ...]
    folders: Mapping[str, Path]
    is_row: bool = False

    @property
    def first(self) -> RunRecord:
        """A record, for the fields that all records share."""
        return self.records[0]


def select_runs(text: str, leaderboards: Path, track: str | None = None, *, rows: bool = True) -> SelectedRuns:
    """Return the runs that `text` names.

    Args:
        text: a record file, a run folder, the digest of a published run (or its first digits), or with `track`
            METHOD[@DIGEST]. The digest of any run of a row selects that row.
        leaderboards: folder of published records.
        track: DATASET/PROTOCOL/DEGRADATION of the table that holds the method.
        rows: whether the command takes rows of a track, for the message of the error.

    Raises:
        ElrError: if nothing has that name, or several rows have it; the message lists the candidates.
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
        raise _not_found(text, leaderboards, track, rows)
    return _run(_published(text, leaderboards))


def _run(path: Path) -> SelectedRuns:
    record = read_record(path)
    return SelectedRuns((record,), {record["digest"]: path.parent})


def _published(digest: str, leaderboards: Path) -> Path:
    """Return the record under `leaderboards` whose digest starts with `digest`. File names contain the digests."""
    if not leaderboards.is_dir():
        raise ElrError(f"the folder {leaderboards} does not exist; pass --folder DIR or run in the checkout")
    files = {path.stem.rpartition("-")[2]: path for path in run_files(leaderboards)}
    found = sorted(name for name in files if name.startswith(digest))
    if len(found) == 1:
        return files[found[0]]
    if found:
        candidates = ", ".join(files[name].stem for name in found)
        raise ElrError(f"{len(found)} runs have a digest that starts with '{digest}': {candidates}; pass more digits")
    raise ElrError(f"no published run under {leaderboards / RECORDS} starts with '{digest}'")


def _of_track(leaderboards: Path, track: str) -> dict[Path, RunRecord]:
    """Return the records of a track by path."""
    folder = leaderboards / RECORDS
    tracks = sorted({path.parent.relative_to(folder).as_posix() for path in run_files(leaderboards)})
    parts = track.split("/")
    try:
        relative = "/".join(map(file_name, parts)) if len(parts) == 3 else ""
    except ElrError:  # a part that is not a valid file name cannot be a track
        relative = ""
    if not tracks:
        raise ElrError(f"no records under {folder}; run in the checkout or pass --folder DIR")
    if relative not in tracks:
        begun = [known for known in tracks if known.startswith(track)] if track else []
        if begun:
            raise ElrError(f"there is no track '{track}' under {folder}; tracks that start with it: {', '.join(begun)}")
        raise unknown(f"track (DATASET/PROTOCOL/DEGRADATION) under {folder}", track, tracks)
    return {path: read_record(path) for path in sorted((folder / relative).glob("*.json"))}


def _row(method: str, digest: str, track: str, records: Mapping[Path, RunRecord]) -> SelectedRuns:
    folders = {record["digest"]: path.parent for path, record in records.items()}
    rows = [row for row in group_rows(records.values()) if row.first["plan"]["method"] == method]
    if not rows:
        raise unknown(f"method in {track}", method, sorted({each["plan"]["method"] for each in records.values()}))
    if digest:
        rows = [row for row in rows if any(each["digest"].startswith(digest) for each in row.records)]
    if len(rows) == 1:
        return SelectedRuns(tuple(rows[0].records), folders, is_row=True)
    if not rows:
        raise ElrError(f"no run of method '{method}' in {track} has a digest that starts with '{digest}'")
    names = [f"{method}@{row.first['digest'][:_SHOWN]} ({_distinction(row, rows)})" for row in rows]
    raise ElrError(f"method '{method}' has {len(rows)} rows in {track}; choose one: {' or '.join(names)}")


def _distinction(row: TableRow, rows: Sequence[TableRow]) -> str:
    """Return the network of `row`, `efficientnet-lite0 4x1 96x128`, and other fields that tell it from other `rows`.

    The network is left out if all rows have the same. Other fields follow until no other row has the same text.
    """
    every, own = [_facts(other) for other in rows if other is not row], _facts(row)
    differing = [key for key in own if any(other.get(key) != own[key] for other in every)]
    network = [key for key in NETWORK if key in own] if set(NETWORK) & set(differing) else []
    words = [" ".join(own[key] for key in network)] if network else []
    alike = [other for other in every if all(other.get(key) == own[key] for key in network)]
    for key in differing:
        if alike and key not in network:
            words.append(f"{key} {own[key]}")
            alike = [other for other in alike if other.get(key) == own[key]]
    return ", ".join(words) or f"{len(row.records)} runs"


def _facts(row: TableRow) -> dict[str, str]:
    first = row.first
    facts: dict[str, Any] = {key: value for key, value in first["plan"].items() if key not in ("seed", "fold")}
    facts |= facts.pop("settings")
    facts["data"] = clip_list(first)
    facts["size"] = "x".join(map(str, first["plan"]["size"]))
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in facts.items()}


def _not_found(text: str, leaderboards: Path, track: str | None, rows: bool) -> ElrError:
    if track is not None:
        methods = {record["plan"]["method"] for record in _of_track(leaderboards, track).values()}
        return unknown(f"method in {track}", text, sorted(methods))
    hint = "; methods need --track DATASET/PROTOCOL/DEGRADATION" if rows else ""
    return ElrError(f"'{text}' is not a record file, run folder or digest of a published run{hint}")
