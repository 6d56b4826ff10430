"""Plan the attacks and the recognizers next to them as a suite, and run what is not finished."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_core.cli.console import ConsoleReporter
from benchmark_core.cli.flags import check_board
from benchmark_core.records.fields import RunRecord
from benchmark_core.runs.request import data_root
from elrbench_plugins.commands.privacy.attacks import PrivacyRequest, privacy_suite
from elrbench_plugins.commands.privacy.checks import VERIFICATION, check_people, check_target
from elrbench_plugins.commands.suite.flags import read_seeds
from elrbench_plugins.commands.suite.plan_runner import PlanRunner, publish_earlier
from elrbench_plugins.commands.suite.rows import PlannedSuite, SuiteRequest, plan_suite
from elrbench_plugins.commands.suite.suite_runs import SuiteRun, failed_runs, finished_runs, run_all, runs_of

_PLAN = ("dataset", "target", "sizes", "protocol", "action_protocol", "action", "size")  # flags as they are
_FIELDS = ("budget", "recipe", "modality", "sampling")  # flags that are fields of every plan


@dataclass(frozen=True, kw_only=True)
class PlannedAttacks:
    """Runs in order. done: records of finished runs by digest. remarks: by digest, why a run is repeated."""

    planned: PlannedSuite
    runs: tuple[SuiteRun, ...]
    done: Mapping[str, RunRecord]
    remarks: Mapping[str, str]
    runner: PlanRunner
    out: Path


def plan_attacks(flags: Mapping[str, Any], out: Path, folder: Path, reporter: ConsoleReporter) -> PlannedAttacks:
    """Return the runs under the options of `elrbench privacy`. Checks every name, number and list of clips.

    out: parent of run folders. folder: of leaderboards, whose runs count as finished.
    """
    from benchmark_core.catalog import load_catalog
    from benchmark_core.papers.collection import load_library

    if flags["publish"]:
        check_board(folder)
    catalog = load_catalog(extra=flags["plugins"])
    asked = PrivacyRequest(
        degradations=_names(flags["degradation"]),
        enhancers=_names(flags["enhancer"]),
        attackers=_names(flags["attacker"]),
        fields=tuple((name, flags[name]) for name in _FIELDS if flags[name]),
        **{name: flags[name] for name in _PLAN},
    )
    check_target(asked, catalog, flags["data"])
    request = SuiteRequest(settings=flags["settings"], seeds=read_seeds(flags["seeds"]))
    planned = plan_suite(privacy_suite(asked, catalog), catalog, load_library(), request)
    runs = runs_of(planned.rows)
    own = {"data": flags["data"], "shared_clips": flags["shared_clips"]}
    runner = PlanRunner(
        planned,
        {**own, "unlabelled_data": None, "high_source_data": None, "track": (), "validate": 0},
        flags["bad_clips"],
        flags["device"],
        flags["cache"],
        folder if flags["publish"] else None,
        reporter,
    )
    done, remarks = runner.on_these_clips(runs, finished_runs(runs, out, folder if folder.is_dir() else None))
    if any(one.plan.digest not in done for one in runs):
        plans = [(plan, row.components) for row in planned.rows for plan in row.plans if row.components]
        check_people(
            asked,
            plans,
            data_root(planned.catalog, asked.attacked, flags["data"]),
            verified=f"{asked.dataset}:{VERIFICATION}" in planned.catalog.datasets,
        )
    return PlannedAttacks(planned=planned, runs=runs, done=done, remarks=remarks, runner=runner, out=out)


def run_attacks(attacks: PlannedAttacks) -> tuple[Sequence[RunRecord], list[str]]:
    """Run what is not finished. Return all records, and a line per run that failed or could not be published."""
    runner, runs, done = attacks.runner, attacks.runs, attacks.done
    for remark in attacks.planned.remarks:
        runner.reporter.warn(remark)
    records, failed = dict(done), []
    if any(one.plan.digest not in done for one in runs):
        outcome = run_all(runs, done, attacks.out, runner.start(runs, done), runner.reporter, attacks.remarks)
        records = dict(outcome.records)
        failed = failed_runs(runs, outcome.failures)
    if runner.publish_to is not None:
        failed += publish_earlier(runs, done, attacks.out, runner.publish_to, runner.reporter)
    failed += [f"{row.row.name}: {row.failed}" for row in attacks.planned.rows if row.failed]
    return list(records.values()), failed


def _names(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the names of `("a,b", "c")`, each once."""
    words = (word.strip() for text in texts for word in text.split(","))
    return tuple(dict.fromkeys(word for word in words if word))
