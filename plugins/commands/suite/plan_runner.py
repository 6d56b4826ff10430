"""Run one plan of a suite: find its data folders, run it, and publish the record."""

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
from benchmark_core.records.finished import is_finished
from benchmark_core.records.record import find_record
from benchmark_core.runs.context import ExtraPaths, RunContext
from benchmark_core.runs.folder import refuse_other_plan
from benchmark_core.runs.lists import other_data
from benchmark_core.runs.request import cache_folder, data_root, located
from elrbench_plugins.commands.suite.rows import PlannedSuite
from elrbench_plugins.commands.suite.suite_runs import RunPlan, SuiteRun, run_records


@dataclass(frozen=True)
class PlanRunner:
    """Runs the plans of a suite. Data folders are found before the first plan trains."""

    planned: PlannedSuite
    flags: Mapping[str, Any]
    bad_clips: str
    device: str | None
    cache: Path | None
    publish_to: Path | None
    reporter: ConsoleReporter

    def on_these_clips(
        self, runs: Sequence[SuiteRun], done: Mapping[str, RunRecord]
    ) -> tuple[dict[str, RunRecord], dict[str, str]]:
        """Return the runs of `done` that used the present clips, and by digest why the others must run again.

        A plan names its dataset, but two folders may have the same name. If the clips are missing or cannot be listed,
        the finished run is kept. Runs by other plugin versions are kept and reported.
        """
        kept, again = dict(done), {}
        others: dict[str, int] = {}
        for one in runs:
            if (record := done.get(one.plan.digest)) is None:
                continue
            try:
                other = other_data(record, one.plan, self.planned.catalog, self._context(one))
            except ElrError:
                other = ""
            if other:
                again[one.plan.digest] = other
                del kept[one.plan.digest]
                continue
            here = plugins_of(self.planned.catalog, components_of(self.planned.catalog, one.plan))
            if versions := other_versions(record["plugins"], here):
                others[versions] = others.get(versions, 0) + 1
        for versions, count in others.items():
            self.reporter.say(f"{count} finished runs are by {versions}; 'elrbench rerun' runs one again")
        return kept, again

    def contexts(
        self, runs: Sequence[SuiteRun], done: Mapping[str, RunRecord]
    ) -> tuple[dict[str, RunContext], dict[str, ElrError]]:
        """Return the context of each run that is not done, and the errors of those whose clips are not found.

        Raises ElrError if no clips are found at all.
        """
        contexts: dict[str, RunContext] = {}
        missing: dict[str, ElrError] = {}
        for one in runs:
            if one.plan.digest not in done:
                try:
                    contexts[one.plan.digest] = self._context(one)
                except ElrError as error:
                    missing[one.plan.digest] = error
        if missing and not contexts and not done:
            raise next(iter(missing.values()))
        return contexts, missing

    def start(self, runs: Sequence[SuiteRun], done: Mapping[str, RunRecord]) -> RunPlan:
        """Return a function that runs one plan. Raises ElrError if no clips are found, or for an unknown device."""
        contexts, missing = self.contexts(runs, done)
        if contexts:
            from benchmark_core.training.device import pick_device  # imports torch: only if something is trained

            pick_device(self.device)

        def run_plan(plan: Plan, out: Path) -> RunRecord:
            if plan.digest in missing:
                raise missing[plan.digest]
            from benchmark_core.runs.runner import run  # imports torch: not for a plan whose clips are missing

            refuse_other_plan(out, plan.digest)
            if any(not is_finished(out, read_record(path)) for path in run_records(out, plan.digest)):
                self.reporter.say(f"{out} lacks cost or predictions next to its record; its plan is run again")
            result = run(plan, self.planned.catalog, dataclasses.replace(contexts[plan.digest], out=out))
            if self.publish_to is not None:
                publish(result.folder, self.publish_to, say=self.reporter.say)
            return read_record(find_record(result.folder))

        return run_plan

    def _context(self, one: SuiteRun) -> RunContext:
        """Return the folders and settings of one run. ElrError if a dataset's folder is not given or absent."""
        given = ExtraPaths(
            unlabelled=self.flags["unlabelled_data"] if one.plan.unlabelled else None,
            high_source=self.flags["high_source_data"] if one.plan.hr_source else None,
        )
        catalog = self.planned.catalog
        return RunContext(
            data=data_root(catalog, one.plan.dataset, self.flags["data"]),
            out=Path(),
            cache=cache_folder(self.cache),
            extra=located(catalog, one.plan, given),
            reporter=self.reporter,
            bad_clips=self.bad_clips,
            shared_clips=self.flags["shared_clips"],
            device=self.device,
            track=self.flags["track"],
            validate=self.flags["validate"] or 0,
        )


def publish_earlier(
    runs: Sequence[SuiteRun], done: Mapping[str, RunRecord], out: Path, folder: Path, reporter: ConsoleReporter
) -> list[str]:
    """Publish runs that an earlier call finished. Return a line for each that cannot be published."""
    failed = []
    for one in runs:
        run_folder = out / one.plan.digest
        if one.plan.digest in done and run_records(run_folder, one.plan.digest):
            try:
                publish(run_folder, folder, say=reporter.say)
            except ElrError as error:
                failed.append(f"{', '.join(one.rows)}: {error}")
    return failed
