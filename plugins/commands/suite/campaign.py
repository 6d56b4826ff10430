"""Runs a suite's plans one after the other: what is finished is not run again, and one that fails stops no other."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import Plan
from benchmark_core.progress import Reporter
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.files import RECORDS
from benchmark_core.records.record import read_record
from elrbench_plugins.commands.suite.rows import PlannedRow

RunPlan = Callable[[Plan, Path], RunRecord]  # trains and scores one plan into a folder


@dataclass(frozen=True, kw_only=True)
class SuiteRun:
    """One plan to be run, and the rows that it is for: rows may come to the same plan."""

    plan: Plan
    rows: tuple[str, ...]

    def __str__(self) -> str:
        return f"{', '.join(self.rows)}: {self.plan.method} seed {self.plan.seed} fold {self.plan.fold}"


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """Records by digest, found or made; why each other failed, by digest."""

    records: Mapping[str, RunRecord]
    failures: Mapping[str, str]


def failed_runs(jobs: Sequence[SuiteRun], failures: Mapping[str, str]) -> list[str]:
    """A line for each reason: `ROW: METHOD seed 0 fold 1: TEXT`, or `3 runs: TEXT` where several failed alike."""
    alike: dict[str, list[SuiteRun]] = {}
    for job in jobs:
        if job.plan.digest in failures:
            alike.setdefault(failures[job.plan.digest], []).append(job)
    return [f"{of[0] if len(of) == 1 else f'{len(of)} runs'}: {text}" for text, of in alike.items()]


def jobs_of(rows: Iterable[PlannedRow]) -> tuple[SuiteRun, ...]:
    """Each plan once: seed by seed, and of one seed fold by fold, ceilings first, then in the rows' order.

    So the first seed's comparison is complete before the second begins, and what rows share is fitted by the first.
    """
    plans: dict[str, Plan] = {}
    names: dict[str, list[str]] = {}
    order: dict[str, tuple[int, int, bool, int]] = {}
    for place, row in enumerate(row for row in rows if not row.left_out):
        seeds, folds = ({getattr(plan, of): None for plan in row.plans} for of in ("seed", "fold"))
        oracle = row.components is not None and row.components.method.oracle
        for plan in row.plans:
            plans[plan.digest] = plan
            names.setdefault(plan.digest, []).append(row.row.name)
            at = (list(seeds).index(plan.seed), list(folds).index(plan.fold), not oracle, place)
            order[plan.digest] = min(at, order.get(plan.digest, at))
    digests = sorted(plans, key=order.__getitem__)
    return tuple(SuiteRun(plan=plans[digest], rows=tuple(dict.fromkeys(names[digest]))) for digest in digests)


def finished(jobs: Sequence[SuiteRun], out: Path, leaderboards: Path | None) -> dict[str, RunRecord]:
    """Records of the plans that were run before, in run folders under `out` or published; by digest.

    Raises ElrError naming a record that cannot be read.
    """
    wanted = {job.plan.digest for job in jobs}
    found: dict[str, RunRecord] = {}
    published = leaderboards / RECORDS if leaderboards is not None else None
    for digest in wanted:
        if (folder := out / digest).is_dir():
            for path in folder.glob(f"*-{digest}.json"):
                found[digest] = read_record(path)
    if published is not None and published.is_dir():
        for path in sorted(published.rglob("*.json")):
            digest = path.stem.rpartition("-")[2]
            if digest in wanted and digest not in found:
                found[digest] = read_record(path)
    return found


def run_jobs(
    jobs: Sequence[SuiteRun],
    done: Mapping[str, RunRecord],
    out: Path,
    run: RunPlan,
    reporter: Reporter,
    remarks: Mapping[str, str] = MappingProxyType({}),
) -> RunOutcome:
    """Runs what is not in `done`, each into `out`/DIGEST. remarks: what is said of a run, by digest.

    What a run raises fails its plan alone; what is not an ElrError is shown in full. A stop at the keyboard, or a kill,
    ends the campaign: finished runs stay, and the next call skips them; the one that was broken off goes on from its
    last finished epoch.
    """
    records: dict[str, RunRecord] = dict(done)
    failures: dict[str, str] = {}
    for number, job in enumerate(jobs, 1):
        digest = job.plan.digest
        at = f"[{number}/{len(jobs)}] {job}"
        told = f" ({remarks[digest]})" if digest in remarks else ""
        if digest in records:
            reporter.say(f"{at}: done before{told}")
            continue
        reporter.say(f"{at}{told}")
        try:
            records[digest] = run(job.plan, out / digest)
        except ElrError as error:
            failures[digest] = str(error)
        except Exception as error:  # a method's own, or memory: the other rows are none the worse for it
            failures[digest] = f"{type(error).__name__}: {' '.join(str(error).split())}"
            reporter.warn("".join(traceback.format_exception(error)).rstrip())
        if digest in failures:
            reporter.warn(f"{at}: {failures[digest]}")
    return RunOutcome(records=records, failures=failures)
