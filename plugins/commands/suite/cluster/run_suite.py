"""`elrbench suite run --jobs`: make the jobs of a suite, run them by the head, and collect their records."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.plans.combinations import check_extras
from benchmark_core.plans.resolve import components_of
from benchmark_core.progress import Reporter
from benchmark_core.provenance import check_code, versions
from benchmark_core.records.fields import RunRecord
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.folder import refuse_other_plan
from elrbench_plugins.commands.suite.cluster.engines import make_executor
from elrbench_plugins.commands.suite.cluster.executor import EngineRequest
from elrbench_plugins.commands.suite.cluster.head import Head
from elrbench_plugins.commands.suite.cluster.job import Job, JobFolder, backbones_of, files_of, folders_of
from elrbench_plugins.commands.suite.cluster.planned_stage import PlannedStage
from elrbench_plugins.commands.suite.cluster.sheet import Sheet, SheetRun, cancel_mark, write_sheet
from elrbench_plugins.commands.suite.cluster.stages import StagePlanner
from elrbench_plugins.commands.suite.cluster.state import JobState, write_state
from elrbench_plugins.commands.suite.cluster.waves import Waves
from elrbench_plugins.commands.suite.cluster.worker_check import cache_identity, owners_text
from elrbench_plugins.commands.suite.plan_runner import PlanRunner
from elrbench_plugins.commands.suite.suite_runs import RunOutcome, SuiteRun, finished_runs


def run_as_jobs(
    runner: PlanRunner,
    runs: Sequence[SuiteRun],
    done: Mapping[str, RunRecord],
    out: Path,
    engine: EngineRequest,
    plugins: tuple[str, ...],
    reporter: Reporter,
    remarks: Mapping[str, str],
) -> RunOutcome:
    """Run every plan that is not in `done` as a job, each in the folder `out`/DIGEST.

    remarks: printed with a run, by digest of its plan.
    Raises ElrError before anything trains if the engine or all clips are absent; RunFailed if the user interrupts.
    """
    catalog, suite = runner.planned.catalog, runner.planned.suite.name
    contexts, missing = runner.contexts(runs, done)
    contexts, refused = _without_refused(runs, contexts, catalog, out)
    failures = {digest: str(error) for digest, error in {**missing, **refused}.items()}
    if not contexts:
        return RunOutcome(records=done, failures=failures)
    executor = make_executor(engine, out)
    threads = executor.threads
    cache = next(iter(contexts.values())).cache
    stages = planned_stages(runs, contexts, catalog, reporter)
    cache_id, software = cache_identity(cache), versions()
    jobs = {
        run.plan.digest: _job(
            run, contexts[run.plan.digest], catalog, plugins, threads, cache_id, software, stages[run.plan.digest]
        )
        for run in runs
        if run.plan.digest in contexts
    }
    sheet = Sheet(
        suite=suite,
        engine=engine,
        cache=cache,
        runs=tuple(
            SheetRun(
                digest=run.plan.digest,
                rows=run.rows,
                method=run.plan.method,
                seed=run.plan.seed,
                fold=run.plan.fold,
                stages=stages.get(run.plan.digest, ()),
                finished=run.plan.digest in done,
            )
            for run in runs
        ),
    )
    write_sheet(out, sheet)
    for digest, reason in failures.items():
        write_state(JobFolder(out / digest), JobState(phase="failed", error=reason))
    head = Head(
        suite=suite,
        runs=runs,
        jobs=jobs,
        out=out,
        executor=executor,
        waves=Waves(stages, TrainedStages(cache)),
        reporter=reporter,
        remarks=remarks,
        cancelled=cancel_mark(out, suite).exists,
    )
    failures |= head.run()
    ran = [run for run in runs if run.plan.digest in jobs and run.plan.digest not in failures]
    records = {**done, **finished_runs(ran, out, None)}
    for run in ran:
        if run.plan.digest not in records:
            failures[run.plan.digest] = "its job ended, but its run folder is not finished"
    return RunOutcome(records=records, failures=failures)


def planned_stages(
    runs: Sequence[SuiteRun], contexts: Mapping[str, RunContext], catalog: Catalog, reporter: Reporter
) -> dict[str, tuple[PlannedStage, ...]]:
    """Return the stages of each run that has a context. Says which methods' stages cannot be known."""
    planner = StagePlanner(catalog)
    found = {
        run.plan.digest: planner.stages(run.plan, contexts[run.plan.digest])
        for run in runs
        if run.plan.digest in contexts
    }
    if planner.unknown:
        names = ", ".join(f"'{name}'" for name in planner.unknown)
        reporter.warn(f"the stages of {names} are not known before training; such runs may wait at each other's locks")
    return found


class TrainedStages:
    """Whether a planned stage is in a cache; a stage that was there once is not looked up again."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self._known: set[str] = set()

    def __call__(self, stage: PlannedStage) -> bool:
        """Look the stage up."""
        if stage.key not in self._known and stage.note(self.cache).exists():
            self._known.add(stage.key)
        return stage.key in self._known


def _without_refused(
    runs: Sequence[SuiteRun], contexts: Mapping[str, RunContext], catalog: Catalog, out: Path
) -> tuple[dict[str, RunContext], dict[str, ElrError]]:
    """Leave out the runs whose code or extras are absent here, or whose folder holds another run."""
    kept, refused = {}, {}
    for run in runs:
        digest = run.plan.digest
        if digest not in contexts:
            continue
        try:
            components = components_of(catalog, run.plan)
            check_extras(run.plan, components)
            check_code(components)
            refuse_other_plan(out / digest, digest)
            kept[digest] = dataclasses.replace(contexts[digest], out=out / digest)
        except ElrError as error:
            refused[digest] = error
    return kept, refused


def _job(
    run: SuiteRun,
    context: RunContext,
    catalog: Catalog,
    plugins: tuple[str, ...],
    threads: int,
    cache_id: str,
    software: Mapping[str, str],
    stages: Sequence[PlannedStage],
) -> Job:
    weights, enhancer_weights = files_of(run.plan, catalog)
    return Job(
        rows=run.rows,
        plan=run.plan,
        out=context.out,
        cache=context.cache,
        data=context.data,
        extra=context.extra,
        folders=folders_of(run.plan, catalog),
        weights=weights,
        enhancer_weights=enhancer_weights,
        backbones=backbones_of(run.plan, catalog),
        plugins=plugins,
        bad_clips=context.bad_clips,
        shared_clips=context.shared_clips,
        device=context.device,
        track=context.track,
        validate=context.validate,
        threads=threads,
        cache_id=cache_id,
        versions=software,
        owners=owners_text(catalog, run.plan),
        macs={stage.name: stage.macs for stage in stages if stage.macs == stage.macs},
    )
