"""The list of a suite's jobs, for `suite status` and `cancel`: `suites/NAME.json` in the parent of run folders."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmark_core.atomic import write_whole
from benchmark_core.errors import ElrError, did_you_mean
from benchmark_core.names import file_name
from elrbench_plugins.commands.suite.cluster.executor import EngineRequest
from elrbench_plugins.commands.suite.cluster.job import JobFolder
from elrbench_plugins.commands.suite.cluster.planned_stage import PlannedStage
from elrbench_plugins.commands.suite.cluster.state import present_state

FOLDER = "suites"


@dataclass(frozen=True, kw_only=True)
class SheetRun:
    """One run of a suite. digest: of its plan, and the name of its run folder. finished: before the jobs started."""

    digest: str
    rows: tuple[str, ...]
    method: str
    seed: int
    fold: str
    stages: tuple[PlannedStage, ...] = ()
    finished: bool = False

    def __str__(self) -> str:
        return f"{', '.join(self.rows)}: {self.method} seed {self.seed} fold {self.fold}"


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A suite's runs in order, and the engine that runs them. started: seconds since 1970."""

    suite: str
    engine: EngineRequest
    cache: Path
    runs: tuple[SheetRun, ...]
    started: float = 0.0


def sheet_path(out: Path, suite: str) -> Path:
    """Return the path of a suite's sheet."""
    return out / FOLDER / f"{file_name(suite)}.json"


def write_sheet(out: Path, sheet: Sheet) -> None:
    """Write a sheet. Runs of an earlier sheet of the suite that still run or are queued are kept at its end."""
    digests = {run.digest for run in sheet.runs}
    try:
        before: tuple[SheetRun, ...] = read_sheet(out, sheet.suite).runs
    except ElrError:
        before = ()
    others = [run for run in before if run.digest not in digests]
    kept = [run for run in others if present_state(JobFolder(out / run.digest)).phase in ("running", "queued")]
    plain = asdict(replace(sheet, runs=(*sheet.runs, *kept), started=time.time()))
    plain |= {"engine": sheet.engine.to_json(), "cache": str(sheet.cache.absolute())}
    cancel_mark(out, sheet.suite).unlink(missing_ok=True)
    write_whole(sheet_path(out, sheet.suite), json.dumps(plain).encode(), durable=False)


def cancel_mark(out: Path, suite: str) -> Path:
    """Return the file by which `suite cancel` tells a head to start no further job."""
    return sheet_path(out, suite).with_suffix(".cancelled")


def read_sheet(out: Path, suite: str) -> Sheet:
    """Return the sheet of a suite. ElrError if there is none, or it cannot be read."""
    path = sheet_path(out, suite)
    try:
        plain: Any = json.loads(path.read_bytes())
        runs = tuple(
            SheetRun(
                digest=run["digest"],
                rows=tuple(run["rows"]),
                method=run["method"],
                seed=run["seed"],
                fold=run["fold"],
                stages=tuple(PlannedStage(**stage) for stage in run["stages"]),
                finished=run["finished"],
            )
            for run in plain["runs"]
        )
        return Sheet(
            suite=plain["suite"],
            engine=EngineRequest(**plain["engine"]),
            cache=Path(plain["cache"]),
            runs=runs,
            started=plain["started"],
        )
    except FileNotFoundError:
        names = [path.stem for path in path.parent.glob("*.json")]
        raise ElrError(
            f"no jobs of suite '{suite}' were started in {out}; start them with 'elrbench suite run {suite} --jobs N'. "
            f"{did_you_mean(suite, names) if names else ''}".rstrip()
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ElrError(f"{path} cannot be read ({error}); remove it and run the suite again") from error
