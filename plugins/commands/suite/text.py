"""A suite for people and for programs. A printed figure and a measured one never stand in one column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark_core.cli.console import columns
from benchmark_core.papers.collection import Library
from benchmark_core.papers.reported import Figure
from benchmark_core.records.fields import RunRecord
from elrbench_plugins.commands.suite.campaign import SuiteRun
from elrbench_plugins.commands.suite.counts import Estimate
from elrbench_plugins.commands.suite.results import ScoreLine, datasets_of, differences
from elrbench_plugins.commands.suite.rows import PlannedRow, PlannedSuite
from elrbench_plugins.commands.suite.words import NOTHING, Footnotes, PlanWords, printed_cell

COUNTED = (
    "Parameters and multiply-adds are those of the deployed network, for one clip with all its intervals. Training is\n"
    "one seed and one fold, all stages, forward and backward. Only convolutions and matrix products are counted."
)


# -- show


def show_json(planned: PlannedSuite, library: Library, estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    """The suite's rows, in its order."""
    together, apart = training_totals(estimates)
    return {
        "suite": planned.suite.name,
        "title": planned.suite.title,
        "about": list(planned.suite.about),
        "papers": {figure.paper: library.papers[figure.paper].citation for figure in _figures(planned)},
        "remarks": list(planned.remarks),
        "rows": [_row_json(row, estimates.get(row.row.name)) for row in planned.rows],
        "training_macs": {"together": together, "apart": apart} if estimates else None,
    }


def _row_json(row: PlannedRow, cost: Estimate | None) -> dict[str, Any]:
    return {
        "row": row.row.name,
        "printed": [_figure_json(figure) for figure in row.printed],
        "plan": row.plans[0].to_json() if row.plans else None,
        "runs": [{"digest": plan.digest, "seed": plan.seed, "fold": plan.fold} for plan in row.plans],
        "differs": {key: list(pair) for key, pair in row.differs.items()},
        "left_out": row.left_out or None,
        "failed": row.failed or None,
        "note": row.row.note,
        "cost": cost
        and {
            "params": cost.params,
            "clip_macs": cost.clip_macs,
            "training_macs": cost.training_macs,
            "stages": dict(cost.stages),
            "pool_left_out": cost.pool,
            "unknown": cost.unknown or None,
        },
    }


def _figure_json(figure: Figure) -> dict[str, Any]:
    names = ("id", "paper", "table", "row", "column", "system", "dataset", "protocol", "degradation", "metric", "value")
    return {
        **{name: getattr(figure, name) for name in names},
        "origin": figure.origin or None,
        "notes": list(figure.notes),
    }


def show_text(planned: PlannedSuite, library: Library, estimates: Mapping[str, Estimate]) -> str:
    """A line for each printed figure; its notes below, numbered."""
    notes, words = Footnotes(), PlanWords(planned)
    several = len(datasets_of(_figures(planned))) > 1
    costs = ["params", "multiply-adds", "training"] if estimates else []
    table: list[Sequence[str]] = [["row", f"paper{_of(datasets_of(_figures(planned)))}", *costs, "plan"]]
    for row in planned.rows:
        for number, figure in enumerate(row.printed or (None,)):
            first = number == 0
            cells = [row.row.name if first else "", printed_cell(figure, notes, several)]
            if estimates:
                cells += _cost_cells(estimates.get(row.row.name)) if first else ["", "", ""]
            table.append([*cells, _plan_cell(row, words) + notes.mark(_row_notes(row)) if first else ""])
    blocks = [_heading(planned), columns(table), words.shared_text(), notes.text(), _sources(planned, library)]
    blocks += [_differences_text(planned), "\n".join(planned.remarks)]
    if estimates:
        blocks.append(_counted(estimates))
    return "\n\n".join(block for block in blocks if block)


def training_totals(estimates: Mapping[str, Estimate]) -> tuple[float | None, float | None]:
    """Multiply-adds of training all rows, each stage once, and each row by itself; None where one is not known."""
    each = [cost.training_macs for cost in estimates.values()]
    if not each or any(macs is None for macs in each):
        return None, None
    stages: dict[str, float] = {}
    for cost in estimates.values():
        stages |= cost.stages
    return sum(stages.values()), sum(macs for macs in each if macs is not None)


def _counted(estimates: Mapping[str, Estimate]) -> str:
    lines = [COUNTED]
    together, apart = training_totals(estimates)
    if together is not None and apart:
        lines.append(
            f"Training all rows takes {_big(together)} multiply-adds if they share stages, "
            f"{together / apart:.2f} of the {_big(apart)} that separate runs take."
        )
    if any(cost.pool for cost in estimates.values()):
        lines.append("+ plus passes over unlabelled clips, whose number is not known here.")
    lines += dict.fromkeys(f"{NOTHING} {cost.unknown}." for cost in estimates.values() if cost.unknown)
    return "\n".join(lines)


def _cost_cells(cost: Estimate | None) -> list[str]:
    if cost is None:
        return [NOTHING] * 3
    training = NOTHING if cost.training_macs is None else _big(cost.training_macs) + (" +" if cost.pool else "")
    return [f"{cost.params / 1e6:.2f} M", _big(cost.clip_macs), training]


def _big(count: float) -> str:
    """51.9 G, 244 P."""
    for factor, letter in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")):
        if count >= factor:
            return f"{count / factor:.3g} {letter}"
    return f"{count:.3g}"


# -- run


def jobs_json(planned: PlannedSuite, jobs: Sequence[SuiteRun], done: Mapping[str, RunRecord]) -> dict[str, Any]:
    """The runs in their order, and rows without any."""
    return {
        "suite": planned.suite.name,
        "remarks": list(planned.remarks),
        "runs": [
            {
                "digest": job.plan.digest,
                "rows": list(job.rows),
                "method": job.plan.method,
                "seed": job.plan.seed,
                "fold": job.plan.fold,
                "done": job.plan.digest in done,
            }
            for job in jobs
        ],
        "without": {row.row.name: row.failed or row.left_out for row in planned.rows if row.failed or row.left_out},
    }


def jobs_text(planned: PlannedSuite, jobs: Sequence[SuiteRun], done: Mapping[str, RunRecord]) -> str:
    """The same for people."""
    words = PlanWords(planned)
    table = [("digest", "", "seed", "fold", "plan", "rows")]
    for job in jobs:
        plan = job.plan
        state = "done" if plan.digest in done else "to run"
        table.append((plan.digest, state, str(plan.seed), plan.fold, words.of(plan), ", ".join(job.rows)))
    finished = sum(job.plan.digest in done for job in jobs)
    without = [f"{row.row.name}: {row.failed or row.left_out}" for row in planned.rows if row.failed or row.left_out]
    blocks = [columns(table) if jobs else "", words.shared_text(), "\n".join(without), _differences_text(planned)]
    blocks += ["\n".join(planned.remarks), f"{finished} of {len(jobs)} runs are done"]
    return "\n\n".join(block for block in blocks if block)


def run_json(planned: PlannedSuite, lines: Sequence[ScoreLine]) -> dict[str, Any]:
    """A line for each printed or primary score of each row."""
    return {
        "suite": planned.suite.name,
        "remarks": list(planned.remarks),
        "differs": {key: list(pair) for key, pair in differences(planned.rows).items()},
        "rows": [
            {
                "row": line.row.row.name,
                "metric": line.metric,
                "paper": _figure_json(line.printed) if line.printed else None,
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
    """Paper and ours in columns of their own, each headed by what it is of."""
    notes, words = Footnotes(), PlanWords(planned)
    several = len(datasets_of(line.printed for line in lines)) > 1
    ours_of = tuple(dict.fromkeys(row.plans[0].dataset for row in planned.rows if row.plans))
    heads = ("row", "score", f"paper{_of(datasets_of(line.printed for line in lines))}", f"ours{_of(ours_of)}")
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
                (line.state or words.of(line.row.plans[0], line.row.settings)) + notes.mark(_row_notes(line.row)),
            )
        )
        before = name
    legend = "In percent. n: test clips of one seed, all folds; ours is the mean over seeds, with its deviation."
    blocks = [_heading(planned), columns(table), words.shared_text(), legend, notes.text(), _differences_text(planned)]
    return "\n\n".join(block for block in blocks if block)


def _measured(line: ScoreLine) -> str:
    if line.ours is None:
        return NOTHING
    spread = "" if line.ours.std is None else f" ± {100 * line.ours.std:.2f}"
    return f"{100 * line.ours.value:.2f}{spread}"


# -- what both show


def _of(datasets: Sequence[str]) -> str:
    """The column's heading says what its figures are of."""
    return f": {', '.join(datasets)}" if datasets else ""


def _figures(planned: PlannedSuite) -> list[Figure]:
    return [figure for row in planned.rows for figure in row.printed]


def _heading(planned: PlannedSuite) -> str:
    suite = planned.suite
    return "\n".join([f"{suite.name}: {suite.title}" if suite.title else suite.name, *(f"  {x}" for x in suite.about)])


def _sources(planned: PlannedSuite, library: Library) -> str:
    papers = dict.fromkeys(figure.paper for figure in _figures(planned))
    return "\n".join(f"{paper}: {library.papers[paper].citation}" for paper in papers)


def _plan_cell(row: PlannedRow, words: PlanWords) -> str:
    if not row.plans:
        return row.failed or row.left_out
    cell = words.of(row.plans[0], row.settings) + (f", {len(row.plans)} runs" if len(row.plans) > 1 else "")
    return f"{cell}; {row.left_out}" if row.left_out else cell


def _row_notes(row: PlannedRow) -> tuple[str, ...]:
    return (row.row.note,) if row.row.note else ()


def _differences_text(planned: PlannedSuite) -> str:
    """In what the runs are not the paper's, or the suite's: a line a field, and one for all options together."""
    found = differences(planned.rows)
    if not found:
        return ""
    whose = "the paper's" if _figures(planned) else "the suite's"
    rows = [(key, ours, f"{whose}: {theirs}") for key, (theirs, ours) in found.items() if "." not in key]
    options = [key for key in found if "." in key]
    lines = [
        f"These runs are not {whose} own: compare them with one another, not with what is printed.",
        columns(rows, "  "),
    ]
    lines += [f"  {len(options)} option{'s' * (len(options) != 1)}: {', '.join(options)}"] * bool(options)
    return "\n".join(line for line in lines if line)
