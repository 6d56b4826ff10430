"""The runs of a suite that have no published record: `elrbench suite missing`, a queue of work for several machines."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_core.cli.console import columns
from elrbench_plugins.commands.suite.flags import OVER_ROWS, RUNS, field_of
from elrbench_plugins.commands.suite.rows import PlannedSuite
from elrbench_plugins.commands.suite.suite_runs import SuiteRun, finished_runs, runs_of


@dataclass(frozen=True, kw_only=True)
class MissingRun:
    """A run without a published record.

    command: the words that run it alone. finished: its run folder, if it is finished and only has to be published.
    """

    run: SuiteRun
    command: tuple[str, ...]
    finished: Path | None


def missing_runs(
    name: str, planned: PlannedSuite, flags: Mapping[str, Any], leaderboards: Path, out: Path
) -> list[MissingRun]:
    """Return the runs without a published record, in the order in which `suite run` would run them.

    name, flags: of the command, repeated in the command of each run. out: parent of run folders.
    """
    runs = runs_of(planned.rows)
    nowhere = out / "suites" / "none"  # so that only published records count
    published = finished_runs(runs, nowhere, leaderboards if leaderboards.is_dir() else None)
    missing = [run for run in runs if run.plan.digest not in published]
    done = finished_runs(missing, out, None)
    return [
        MissingRun(
            run=run,
            command=_command(name, run, flags, out),
            finished=out / run.plan.digest if run.plan.digest in done else None,
        )
        for run in missing
    ]


def missing_json(planned: PlannedSuite, found: Sequence[MissingRun]) -> dict[str, Any]:
    """Return the queue, and the rows without a plan."""
    return {
        "suite": planned.suite.name,
        "runs": len(runs_of(planned.rows)),
        "missing": [
            {
                "digest": one.run.plan.digest,
                "rows": list(one.run.rows),
                "method": one.run.plan.method,
                "seed": one.run.plan.seed,
                "fold": one.run.plan.fold,
                "finished": None if one.finished is None else str(one.finished),
                "command": list(one.command),
                "plan": one.run.plan.to_json(),
            }
            for one in found
        ],
        "without": {row.row.name: row.failed or row.left_out for row in planned.rows if row.failed or row.left_out},
    }


def commands_text(found: Sequence[MissingRun]) -> str:
    """Return the commands alone, one per line."""
    return "\n".join(shlex.join(one.command) for one in found)


def missing_text(planned: PlannedSuite, found: Sequence[MissingRun]) -> str:
    """Return a line per run with its command, the rows without a plan, and the numbers of runs."""
    total = len(runs_of(planned.rows))
    lines = [
        (one.run.plan.digest, "to publish" if one.finished else "to run", shlex.join(one.command)) for one in found
    ]
    without = [f"{row.row.name}: {row.failed or row.left_out}" for row in planned.rows if row.failed or row.left_out]
    counted = f"{planned.suite.name}: {len(found)} of {total} runs have no published record"
    return "\n\n".join(block for block in (columns(lines), "\n".join(without), counted) if block)


def _command(name: str, run: SuiteRun, flags: Mapping[str, Any], out: Path) -> tuple[str, ...]:
    """Return the words that run one plan of a suite, under the options that were given."""
    words = ["elrbench", "suite", "run", name, "--only", run.rows[0], "--seeds", str(run.plan.seed)]
    words += ["--fold", run.plan.fold]
    for names, _, _ in OVER_ROWS:
        value = flags.get(field_of(names))
        if value is not None and field_of(names) != "fold":
            words += [names[0], str(value)]
    for flag, value in (
        ("--sizes", flags.get("sizes")),
        ("--out", None if out == RUNS else out),
        ("--data", flags.get("data")),
        ("--unlabelled-data", flags.get("unlabelled_data")),
        ("--high-source-data", flags.get("high_source_data")),
    ):
        if value is not None:
            words += [flag, str(value)]
    for flag, values in (("--set", flags.get("settings", ())), ("--plugin", flags.get("plugins", ()))):
        for value in values:
            words += [flag, value]
    return tuple(words)
