"""How `elrbench suite run` runs one plan: the folders that it reads, the run, and the leaderboards."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_core.cli.console import ConsoleReporter
from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of
from benchmark_core.provenance import other_versions, plugins_of
from benchmark_core.records import publish, read_record
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.record import find_record
from benchmark_core.runs.context import ExtraPaths, RunContext
from benchmark_core.runs.folder import refuse_other_plan
from benchmark_core.runs.lists import other_data
from benchmark_core.runs.request import cache_folder, data_root, located
from elrbench_plugins.commands.suite.campaign import RunPlan, SuiteRun
from elrbench_plugins.commands.suite.rows import PlannedSuite


@dataclass(frozen=True)
class Runs:
    """How a suite's plans are run; folders are found before the first of them trains."""

    planned: PlannedSuite
    flags: Mapping[str, Any]
    bad_clips: str
    device: str | None
    cache: Path | None
    publish_to: Path | None
    reporter: ConsoleReporter

    def of_these_clips(
        self, jobs: Sequence[SuiteRun], done: Mapping[str, RunRecord]
    ) -> tuple[dict[str, RunRecord], dict[str, str]]:
        """Of `done`, the runs on the clips that lie here; why each other is to be run anew, by digest.

        A plan names its data, and two folders may be called alike. Where the clips are not here, or cannot be listed,
        there is nothing to compare: what is done is taken. Runs by other versions of plugins are taken, and that is
        said.
        """
        taken, anew = dict(done), {}
        others: dict[str, int] = {}
        for job in jobs:
            if (record := done.get(job.plan.digest)) is None:
                continue
            try:
                other = other_data(record, job.plan, self.planned.catalog, self._context(job))
            except ElrError:
                other = ""
            if other:
                anew[job.plan.digest] = other
                del taken[job.plan.digest]
                continue
            here = plugins_of(self.planned.catalog, components_of(self.planned.catalog, job.plan))
            if versions := other_versions(record["plugins"], here):
                others[versions] = others.get(versions, 0) + 1
        for versions, count in others.items():
            self.reporter.say(f"{count} of the finished runs are by {versions}; 'elrbench rerun' makes one anew")
        return taken, anew

    def start(self, jobs: Sequence[SuiteRun], done: Mapping[str, RunRecord]) -> RunPlan:
        """What runs one plan. ElrError where no plan's clips are where they should be, or the device is not there."""
        contexts: dict[str, RunContext] = {}
        missing: dict[str, ElrError] = {}
        for job in jobs:
            if job.plan.digest not in done:
                try:
                    contexts[job.plan.digest] = self._context(job)
                except ElrError as error:
                    missing[job.plan.digest] = error
        if missing and not contexts and not done:
            raise next(iter(missing.values()))
        if contexts:
            from benchmark_core.training.device import pick_device  # torch: not where nothing is to be trained

            pick_device(self.device)

        def run_plan(plan: Plan, out: Path) -> RunRecord:
            if plan.digest in missing:
                raise missing[plan.digest]
            from benchmark_core.runs.runner import run  # torch: not for a plan whose clips are not there

            refuse_other_plan(out, plan.digest)
            result = run(plan, self.planned.catalog, dataclasses.replace(contexts[plan.digest], out=out))
            if self.publish_to is not None:
                publish(result.folder, self.publish_to, say=self.reporter.say)
            return read_record(find_record(result.folder))

        return run_plan

    def _context(self, job: SuiteRun) -> RunContext:
        """Return the folders and settings of one run. ElrError if a dataset's folder is not given or absent."""
        given = ExtraPaths(
            unlabelled=self.flags["unlabelled_data"] if job.plan.unlabelled else None,
            high_source=self.flags["high_source_data"] if job.plan.hr_source else None,
        )
        catalog = self.planned.catalog
        return RunContext(
            data=data_root(catalog, job.plan.dataset, self.flags["data"]),
            out=Path(),
            cache=cache_folder(self.cache),
            extra=located(catalog, job.plan, given),
            reporter=self.reporter,
            bad_clips=self.bad_clips,
            device=self.device,
        )


def publish_earlier(
    jobs: Sequence[SuiteRun], done: Mapping[str, RunRecord], out: Path, folder: Path, reporter: ConsoleReporter
) -> list[str]:
    """Runs that an earlier call finished and did not publish; a line for each that cannot be."""
    failed = []
    for job in jobs:
        run_folder = out / job.plan.digest
        if job.plan.digest in done and run_folder.is_dir() and list(run_folder.glob(f"*-{job.plan.digest}.json")):
            try:
                publish(run_folder, folder, say=reporter.say)
            except ElrError as error:
                failed.append(f"{', '.join(job.rows)}: {error}")
    return failed
