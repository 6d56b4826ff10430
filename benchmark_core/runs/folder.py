"""Find run folders by digest, and refuse to overwrite another run."""

from __future__ import annotations

import re
from pathlib import Path

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import Plan
from benchmark_core.records.record import find_record, read_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.lists import other_data

RUNS = Path("elrbench-runs")  # default parent of run folders
_DIGEST = re.compile(r"[0-9a-f]{4,16}")


def find_run(text: str, runs: Path = RUNS) -> Path:
    """Return a run folder given its path, or the first digits of its run's digest.

    Digests are looked up among the folders in `runs`. If several folders hold the same run, the one named by the digest
    is returned. ElrError, with the candidates, if nothing is found or the digits begin several digests.
    """
    path = Path(text)
    if path.exists():
        return path
    if not _DIGEST.fullmatch(text):
        raise ElrError(
            f"'{text}' is neither the folder of a finished run nor a digest of 4 to 16 hex digits; 'elrbench run' "
            "prints both. To continue an interrupted run, repeat its command"
        )
    records = sorted(runs.glob("*/*.json"), key=lambda record: record.parent.name in record.name)  # own folder last
    named = {digest: record.parent for record in records if (digest := _digest_of(record))}
    found = sorted(digest for digest in named if digest.startswith(text))
    if not found:
        held = f"{len(named)} other run{'s' * (len(named) > 1)}" if named else "no runs"
        raise ElrError(f"no run starts with '{text}': {_shown(runs)} holds {held}; pass a run folder")
    if len(found) > 1:
        several = ", ".join(f"{digest} ({named[digest]})" for digest in found)
        raise ElrError(f"{len(found)} runs have a digest that starts with '{text}': {several}; pass more digits")
    return named[found[0]]


def refuse_other_plan(folder: Path, digest: str) -> None:
    """Raise ElrError if `folder` holds the run of another plan, whose files would be overwritten."""
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        if (found := _digest_of(path)) and found != digest:
            raise ElrError(f"{folder} holds the run {found} of another plan ({path.name}); pass another --out")


def refuse_other_data(plan: Plan, catalog: Catalog, context: RunContext) -> None:
    """Raise ElrError if `context.out` holds a finished run of `plan` on other clips.

    Two datasets may share a name and so a plan. A record that cannot be read is ignored.
    """
    folder = context.out
    try:
        record = read_record(find_record(folder))
    except ElrError:
        return
    if record["digest"] != plan.digest:
        return
    if difference := other_data(record, plan, catalog, context):
        raise ElrError(f"{difference}, and {folder} holds that run; pass another --out or remove the folder")


def _shown(folder: Path) -> str:
    """Return a folder's path, with `./` before a relative one."""
    return str(folder) if folder.is_absolute() or ".." in folder.parts else f"./{folder}"


def _digest_of(path: Path) -> str:
    """Return the digest in the name of a record's file, "" for other files. A cost record's name ends in a device."""
    found = re.search(r"-([0-9a-f]{16})\.json$", path.name)
    return found[1] if found else ""
