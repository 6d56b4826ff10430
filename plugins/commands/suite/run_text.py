"""Texts and JSON of `elrbench suite run`: printed and measured figures, in separate columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark_core.cli.console import columns
from benchmark_core.records.fields import RunRecord
from elrbench_plugins.commands.suite.cells import (
    NOTHING,
    Footnotes,
    PlanLabels,
    datasets_heading,
    differences_text,
    figure_json,
    heading,
    printed_cell,
    row_notes,
)
from elrbench_plugins.commands.suite.results import ScoreLine, datasets_of, differences
from elrbench_plugins.commands.suite.rows import PlannedSuite
from elrbench_plugins.commands.suite.suite_runs import SuiteRun


def runs_json(planned: PlannedSuite, runs: Sequence[SuiteRun], done: Mapping[str, RunRecord]) -> dict[str, Any]:
    """Return the runs in order, and the rows without a run."""
    return {
        "suite": planned.suite.name,
        "remarks": list(planned.remarks),
        "runs": [
            {
                "digest": run.plan.digest,
                "rows": list(run.rows),
                "method": run.plan.method,
                "seed": run.plan.seed,
                "fold": run.plan.fold,
                "done": run.plan.digest in done,
            }
            for run in runs
        ],
        "without": {row.row.name: row.failed or row.left_out for row in planned.rows if row.failed or row.left_out},
    }


def runs_text(planned: PlannedSuite, runs: Sequence[SuiteRun], done: Mapping[str, RunRecord]) -> str:
    """Return the runs for people."""
    labels = PlanLabels(planned)
    table = [("digest", "", "seed", "fold", "plan", "rows")]
    for run in runs:
        plan = run.plan
        state = "done" if plan.digest in done else "to run"
        table.append((plan.digest, state, str(plan.seed), plan.fold, labels.of(plan), ", ".join(run.rows)))
    finished = sum(run.plan.digest in done for run in runs)
    without = [f"{row.row.name}: {row.failed or row.left_out}" for row in planned.rows if row.failed or row.left_out]
    blocks = [columns(table) if runs else "", labels.shared_text(), "\n".join(without), differences_text(planned)]
    blocks += ["\n".join(planned.remarks), f"{finished} of {len(runs)} runs are done"]
    return "\n\n".join(block for block in blocks if block)


def run_json(planned: PlannedSuite, lines: Sequence[ScoreLine]) -> dict[str, Any]:
    """Return one entry per printed or primary score of each row."""
    return {
        "suite": planned.suite.name,
        "remarks": list(planned.remarks),
        "differs": {key: list(pair) for key, pair in differences(planned.rows).items()},
        "rows": [
            {
                "row": line.row.row.name,
                "metric": line.metric,
                "paper": figure_json(line.printed) if line.printed else None,
                "ours": line.ours
                and {
                    "value": line.ours.value,
                    "std": line.ours.std,
                    "n": line.ours.clips,
                    "seeds": line.ours.seeds,
                    "dataset": line.row.plans[0].dataset,
                    "budget": line.row.plans[0].budget,
                },
                "runs": line.runs,
                "of": line.of,
                "digests": [plan.digest for plan in line.row.plans],
                "state": line.state or None,
            }
            for line in lines
        ],
    }


def run_text(planned: PlannedSuite, lines: Sequence[ScoreLine]) -> str:
    """Return the table; printed and measured scores are in separate columns, headed by their datasets."""
    notes, labels = Footnotes(), PlanLabels(planned)
    several = len(datasets_of(line.printed for line in lines)) > 1
    ours_of = tuple(dict.fromkeys(row.plans[0].dataset for row in planned.rows if row.plans))
    heads = (
        "row",
        "score",
        f"paper{datasets_heading(datasets_of(line.printed for line in lines))}",
        f"ours{datasets_heading(ours_of)}",
    )
    table: list[Sequence[str]] = [(*heads, "n", "seeds", "plan")]
    before = ""
    for line in lines:
        name = line.row.row.name
        ours = line.ours
        table.append(
            (
                name if name != before else "",
                line.metric or NOTHING,
                printed_cell(line.printed, notes, several),
                _measured(line),
                str(ours.clips) if ours else NOTHING,
                str(ours.seeds) if ours else NOTHING,
                (line.state or labels.of(line.row.plans[0], line.row.settings)) + notes.mark(row_notes(line.row)),
            )
        )
        before = name
    legend = "Scores in percent. n: test clips of one seed, all folds. ours: mean ± standard deviation over seeds."
    blocks = [heading(planned), columns(table), labels.shared_text(), legend, notes.text(), differences_text(planned)]
    return "\n\n".join(block for block in blocks if block)


def _measured(line: ScoreLine) -> str:
    if line.ours is None:
        return NOTHING
    spread = "" if line.ours.std is None else f" ± {100 * line.ours.std:.2f}"
    return f"{100 * line.ours.value:.2f}{spread}"
