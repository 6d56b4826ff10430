"""JSON and Markdown of `elrbench privacy`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from benchmark_core.cli.console import columns
from benchmark_core.scoring.pairs import Estimate, Verification
from benchmark_core.scoring.statistics import Difference
from benchmark_core.tables.markup import escape_markdown, escape_row, markdown_table
from benchmark_core.tables.rows import Interval, TableRow
from elrbench_plugins.commands.privacy.findings import Findings, Leakage
from elrbench_plugins.commands.privacy.text import (
    LEGEND,
    VERIFICATION_LEGEND,
    contrast_table,
    sentences,
    succeeds,
    table,
    verification_table,
)

CONTRASTS = "Paired differences of two attacks on the same test clips, in points"


def findings_json(findings: Findings) -> dict[str, Any]:
    """Return all figures as fractions."""
    number = {id(row): index for index, row in enumerate(findings.rows, 1)}
    return {
        "dataset": findings.track,
        "protocol": findings.protocol,
        "target": findings.target,
        "actions": findings.actions or None,
        "rows": [_row(row) for row in findings.rows],
        "differences": [
            {
                "after": number[id(each.after)],
                "before": number[id(each.before)],
                "metric": each.comparison.metric,
                **_difference(each.comparison.difference),
                "n": each.comparison.difference.n,
                "seeds": list(each.comparison.seeds),
                "mcnemar_p": list(each.comparison.p),
            }
            for each in findings.contrasts
        ],
        "remarks": list(findings.remarks),
        "sentences": sentences(findings),
    }


def _row(row: Leakage) -> dict[str, Any]:
    plan = row.attack.first["plan"]
    return {
        "view": row.view,
        "degradation": row.degradation,
        "informed": row.informed,
        "enhancer": row.enhancer,
        "attacker": row.attacker,
        "method": plan["method"],
        "backbone": plan["backbone"],
        "budget": plan["budget"],
        "metric": row.metric,
        "attack": _interval(row.score),
        "action": _interval(row.acted),
        "chance": row.chance,
        "guess": row.guess,
        "advantage": _difference(row.advantage) if row.advantage else None,
        "exceeds_guess": succeeds(row) if row.score else None,
        "verification": _verification(row.verification),
        "params": row.cost["params"]["total"] if row.cost else None,
        "macs": row.macs,
        "runs": _runs(row.attack),
        "action_runs": _runs(row.action) if row.action else None,
    }


def _runs(row: TableRow) -> dict[str, Any]:
    return {"seeds": list(row.seeds), "digests": [record["digest"] for record in row.records]}


def _interval(score: Interval | None) -> dict[str, Any] | None:
    return None if score is None else {"value": score.mean, "std": score.std, "low": score.low, "high": score.high}


def _difference(difference: Difference) -> dict[str, Any]:
    bounds = (None, None) if math.isnan(difference.low) else (difference.low, difference.high)
    return {"value": difference.value, "low": bounds[0], "high": bounds[1]}


def _verification(found: Verification | None) -> dict[str, Any] | None:
    if found is None:
        return None
    pairs = {"people": found.people, "same_pairs": found.same, "different_pairs": found.different}
    return {"roc_area": _estimate(found.area), "equal_error_rate": _estimate(found.error), **pairs}


def _estimate(found: Estimate) -> dict[str, Any]:
    return {"value": found.value, "std": found.std, "low": found.low, "high": found.high}


def findings_text(findings: Findings) -> str:
    """Return the tables and sentences for people."""
    blocks = [_title(findings)]
    for legend, rows in _tables(findings):
        blocks += [columns([list(rows[0]), *(list(row.values()) for row in rows)]), legend]
    return "\n\n".join(filter(None, [*blocks, "\n".join(findings.remarks), "\n".join(sentences(findings))]))


def findings_markdown(findings: Findings, pictures: Sequence[str] = ()) -> str:
    """Return the same as a page. pictures: names of files next to it."""
    blocks = [f"# Privacy: {escape_markdown(_title(findings))}"]
    blocks += [f"![accuracy and leakage]({name})" for name in pictures]
    for legend, rows in _tables(findings):
        blocks += [markdown_table([escape_row(row) for row in rows]), legend]
    remarks = [escape_markdown(remark) for remark in findings.remarks]
    return "\n\n".join([*blocks, *remarks, *sentences(findings)]) + "\n"


def _title(findings: Findings) -> str:
    """Return `puppets:identity, recordings; actions: puppets, subjects`."""
    return f"{findings.track}, {findings.protocol}" + (f"; actions: {findings.actions}" if findings.actions else "")


def _tables(findings: Findings) -> list[tuple[str, list[dict[str, str]]]]:
    """Return (legend, rows) of each table that has rows."""
    tables = (
        (LEGEND, table(findings)),
        (VERIFICATION_LEGEND, verification_table(findings)),
        (f"{CONTRASTS}.", contrast_table(findings.contrasts, findings.rows)),
    )
    return [(legend, rows) for legend, rows in tables if rows]
