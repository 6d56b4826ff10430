"""Draw attacks and recognizers over the size of low views: where does an attack fall to chance, and the action not?"""

from __future__ import annotations

from benchmark_core.tables.rows import Interval, TableRow
from elrbench_plugins.commands.privacy.findings import Findings, Leakage
from elrbench_plugins.commands.site.curves import size_of
from elrbench_plugins.commands.suite.results import Measured, ScoreLine
from elrbench_plugins.commands.suite.rows import PlannedRow
from elrbench_plugins.commands.suite.size_picture import size_picture
from elrbench_plugins.commands.suite.suite import SuiteRow


def curves_picture(findings: Findings) -> bytes | None:
    """Return the picture, a line per attacker and a line per recognizer; None for fewer than two sizes.

    Recognizers whose primary score is another one than the attackers' are left out.
    """
    rows = [row for row in findings.rows if not row.informed and size_of(row.degradation)[0]]
    if len({size_of(row.degradation)[0] for row in rows}) < 2:
        return None
    families = {size_of(row.degradation)[1] for row in rows}
    lines = []
    for row in rows:
        if row.score is not None:
            lines.append(_line(findings.target, row, row.attack, row.score, len(families) > 1))
        if row.acted is not None and row.action is not None:
            lines.append(_line("action", row, row.action, row.acted, len(families) > 1))
    return size_picture(lines, f"{findings.track}, {findings.protocol}")


def _line(what: str, row: Leakage, runs: TableRow, score: Interval, with_family: bool) -> ScoreLine:
    """Return a score under the name of its curve: `identity, supervised/native3d-s@6x8`."""
    size, family = size_of(row.degradation)
    assert size is not None
    words = [what, row.attacker, row.enhancer if row.enhancer != "none" else "", family if with_family else ""]
    named = SuiteRow(name=f"{', '.join(filter(None, words))}@{size[0]}x{size[1]}", fields={})
    metric = runs.first["primary"]
    clips = sum(record["scores"][metric]["n"] for record in runs.runs[runs.seeds[0]].values())
    return ScoreLine(
        row=PlannedRow(row=named, printed=()),
        metric=metric,
        printed=None,
        ours=Measured(value=score.mean, std=score.std, clips=clips, seeds=len(runs.seeds)),
        runs=len(runs.records),
        of=len(runs.records),
        state="",
    )
