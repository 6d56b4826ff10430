"""Run folders: found by their run's digest, and never written over by another plan's run or one of other data."""

from __future__ import annotations

import re
from pathlib import Path

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError, did_you_mean
from benchmark_core.plans.extra_paths import ExtraPaths
from benchmark_core.plans.plan import Plan
from benchmark_core.records.record import find_record, read_record
from benchmark_core.runs.lists import other_data

RUNS = Path("elrbench-runs")  # where `elrbench run` leaves folders that are not named
_DIGEST = re.compile(r"[0-9a-f]{4,16}")


def find_run(text: str, runs: Path = RUNS) -> Path:
    """A run folder by its path, or by the first digits of its run's digest among the folders in `runs`: of several
    of one digest, the one that is named by it.

    ElrError where nothing of that name is there, or the digits begin several digests: then with the candidates.
    """
    path = Path(text)
    if path.exists():
        return path
    if not _DIGEST.fullmatch(text):
        raise ElrError(
            f"'{text}' is neither a run folder nor a digest of 4 to 16 hex digits, as 'elrbench run' printed both"
        )
    places = sorted(runs.glob("*/*.json"), key=lambda place: place.parent.name in place.name)  # its own folder last
    named = {digest: place.parent for place in places if (digest := _digest_of(place))}
    found = sorted(digest for digest in named if digest.startswith(text))
    if not found:
        raise ElrError(f"there is no run '{text}' in {runs}, and no such folder. {did_you_mean(text, named)}")
    if len(found) > 1:
        several = ", ".join(f"{digest} ({named[digest]})" for digest in found)
        raise ElrError(f"'{text}' begins the digests of {len(found)} runs: {several}; give more digits")
    return named[found[0]]


def refuse_other_plan(folder: Path, digest: str) -> None:
    """ElrError where `folder` holds another plan's run: its weights would be overwritten, its record left behind."""
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        if (found := _digest_of(path)) and found != digest:
            raise ElrError(f"{folder} holds the run {found} of another plan ({path.name}); give another --out")


def refuse_other_data(
    folder: Path, plan: Plan, catalog: Catalog, *, data: Path | None, extra: ExtraPaths, bad_clips: str
) -> None:
    """ElrError where `folder` holds the finished run of `plan` on other clips: two datasets may be called alike.

    A record that cannot be read is none.
    """
    if not folder.is_dir():
        return
    try:
        record = read_record(find_record(folder))
    except ElrError:
        return
    if record["digest"] != plan.digest:
        return
    if other := other_data(record, plan, catalog, data=data, extra=extra, bad_clips=bad_clips):
        raise ElrError(f"{other}, and {folder} holds that run; give another --out, or remove it")


def _digest_of(place: Path) -> str:
    """The digest in a record's file name; names of costs end in a device's, and only by chance so."""
    found = re.search(r"-([0-9a-f]{16})\.json$", place.name)
    return found[1] if found else ""
