"""The runs of a suite: their order, which are finished, and running the rest one after the other."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from benchmark_core.errors import ElrError, explain
from benchmark_core.plans.plan import Plan
from benchmark_core.progress import Reporter
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.files import RECORDS
from benchmark_core.records.finished import is_finished
from benchmark_core.records.record import read_record
from elrbench_plugins.commands.suite.rows import PlannedRow

RunPlan = Callable[[Plan, Path], RunRecord]  # trains and scores one plan into a folder


@dataclass(frozen=True, kw_only=True)
class SuiteRun:
    """One plan to run, and the rows it belongs to; several rows may have the same plan."""

    plan: Plan
    rows: tuple[str, ...]

    def __str__(self) -> str:
        return f"{', '.join(self.rows)}: {self.plan.method} seed {self.plan.seed} fold {self.plan.fold}"


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """Records by plan digest, and reasons of failed runs by plan digest."""

    records: Mapping[str, RunRecord]
    failures: Mapping[str, str]


def failed_runs(runs: Sequence[SuiteRun], failures: Mapping[str, str]) -> list[str]:
    """Return a line per reason: `ROW: METHOD seed 0 fold 1: TEXT`, or `3 runs: TEXT` if several share it."""
    alike: dict[str, list[SuiteRun]] = {}
    for one in runs:
        if one.plan.digest in failures:
            alike.setdefault(failures[one.plan.digest], []).append(one)
    return [f"{of[0] if len(of) == 1 else f'{len(of)} runs'}: {text}" for text, of in alike.items()]


def runs_of(rows: Iterable[PlannedRow]) -> tuple[SuiteRun, ...]:
    """Return each plan once, ordered by seed, then fold, then oracles first, then the order of rows.

    With this order, the first seed is complete before the second starts, and the first row trains shared stages.
    """
    plans: dict[str, Plan] = {}
    names: dict[str, list[str]] = {}
    order: dict[str, tuple[int, int, bool, int]] = {}
    for number, row in enumerate(row for row in rows if not row.left_out):
        seeds, folds = ({getattr(plan, of): None for plan in row.plans} for of in ("seed", "fold"))
        oracle = row.components is not None and row.components.method.oracle
        for plan in row.plans:
            plans[plan.digest] = plan
            names.setdefault(plan.digest, []).append(row.row.name)
            position = (list(seeds).index(plan.seed), list(folds).index(plan.fold), not oracle, number)
            order[plan.digest] = min(position, order.get(plan.digest, position))
    digests = sorted(plans, key=order.__getitem__)
    return tuple(SuiteRun(plan=plans[digest], rows=tuple(dict.fromkeys(names[digest]))) for digest in digests)


def finished_runs(runs: Sequence[SuiteRun], out: Path, leaderboards: Path | None) -> dict[str, RunRecord]:
    """Return the records of finished runs by digest: of run folders in `out`, and published in `leaderboards`.

    A run folder with a record but without predictions or cost is not finished, even if its record is published.
    Raises ElrError, naming the file, if a record cannot be read.
    """
    wanted = {one.plan.digest for one in runs}
    found: dict[str, RunRecord] = {}
    published = leaderboards / RECORDS if leaderboards is not None else None
    for digest in sorted(wanted):
        for path in run_records(out / digest, digest):
            if is_finished(path.parent, record := read_record(path)):
                found[digest] = record
            else:
                wanted.discard(digest)
    if published is not None and published.is_dir():
        for path in sorted(published.rglob("*.json")):
            digest = path.stem.rpartition("-")[2]
            if digest in wanted and digest not in found:
                found[digest] = read_record(path)
    return found


def run_records(run_folder: Path, digest: str) -> list[Path]:
    """Return the record of the plan `digest` in a run folder as a list of one path; empty if there is none."""
    return sorted(run_folder.glob(f"*-{digest}.json"))


def run_all(
    runs: Sequence[SuiteRun],
    done: Mapping[str, RunRecord],
    out: Path,
    run: RunPlan,
    reporter: Reporter,
    remarks: Mapping[str, str] = MappingProxyType({}),
) -> RunOutcome:
    """Run every plan that is not in `done`, each in the folder `out`/DIGEST. remarks: printed with a run, by digest.

    An error fails its own plan only; the traceback of a bug is printed. After an interrupt, the next call
    skips finished runs and continues the interrupted one from its last finished epoch.
    """
    records: dict[str, RunRecord] = dict(done)
    failures: dict[str, str] = {}
    for number, suite_run in enumerate(runs, 1):
        digest = suite_run.plan.digest
        at = f"[{number}/{len(runs)}] {suite_run}"
        remark = f" ({remarks[digest]})" if digest in remarks else ""
        if digest in records:
            reporter.say(f"{at}: already done{remark}")
            continue
        reporter.say(f"{at}{remark}")
        try:
            records[digest] = run(suite_run.plan, out / digest)
        except ElrError as error:
            failures[digest] = str(error)
        except Exception as error:  # a bug in a method, or out of memory: other rows can still run
            failures[digest] = explain(error) or f"{type(error).__name__}: {' '.join(str(error).split())}"
            if explain(error) is None:
                reporter.warn("".join(traceback.format_exception(error)).rstrip())
        if digest in failures:
            reporter.warn(f"{at}: {failures[digest]}")
    return RunOutcome(records=records, failures=failures)
