"""Texts of `elrbench privacy`: table, verification, paired differences, and what they show in plain words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmark_core.scoring.pairs import Estimate
from benchmark_core.scoring.statistics import Difference
from benchmark_core.tables.cells import NOTHING, billions, percent, spread
from benchmark_core.tables.rows import Interval
from benchmark_core.tables.track_cells import budget
from elrbench_plugins.commands.privacy.findings import Contrast, Findings, Leakage

LEGEND = (
    "Scores in %: mean ± standard deviation over seeds (95 % interval over test clips). chance: always the most "
    "frequent class, or 50 for pair_auc. guess: from the action's name alone. advantage: attack - guess in points, "
    "paired over test clips."
)
VERIFICATION_LEGEND = (
    "Same person or not, for all pairs of test clips, by the cosine of centred logits. 50 is chance for both. "
    "Intervals: 95 % bootstrap over people."
)
CAUTION = (
    "An attacker that fails proves little: a stronger one may succeed. These figures are no guarantee for other "
    "people, cameras or attackers."
)


def table(findings: Findings) -> list[dict[str, str]]:
    """Return the cells of each attack by column title. Without runs on actions, there is no such column."""
    metric = next((row.action.first["primary"] for row in findings.rows if row.action), "")
    return [_cells(number, row, findings.target, metric) for number, row in enumerate(findings.rows, 1)]


def _cells(number: int, row: Leakage, target: str, acted: str) -> dict[str, str]:
    return {
        "#": str(number),
        "view": row.view,
        "enhancer": row.enhancer,
        "attacker": row.attacker,
        "budget": budget(row.attack.first),
        **({f"action {acted}": _score(row.acted)} if acted else {}),
        f"{target} {row.metric}": _score(row.score) if row.score else _folds(row),
        "chance": percent(row.chance, 1),
        "guess": percent(row.guess, 1),
        "advantage": points(row.advantage),
        "params (M)": f"{row.cost['params']['total'] / 1e6:.2f}" if row.cost else NOTHING,
        "MACs/clip (G)": billions(row.macs, row.cost["understated"]) if row.cost and row.macs else NOTHING,
        "seeds": str(len(row.attack.seeds)),
    }


def _folds(row: Leakage) -> str:
    return f"{row.attack.most_folds}/{row.attack.folds} folds"


def _score(score: Interval | None) -> str:
    if score is None:
        return NOTHING
    return f"{spread(score)} ({percent(score.low, 1)} to {percent(score.high, 1)})"


def points(difference: Difference | None) -> str:
    """Return `+7.00 (+3.10 to +10.90)`, without the interval if there is none."""
    if difference is None:
        return NOTHING
    value, low, high = (f"{100 * each:+.2f}" for each in (difference.value, difference.low, difference.high))
    return value if math.isnan(difference.low) else f"{value} ({low} to {high})"


def verification_table(findings: Findings) -> list[dict[str, str]]:
    """Return ROC area and equal error rate of each attack whose predictions were found."""
    return [
        {
            "#": str(number),
            "view": row.view,
            "enhancer": row.enhancer,
            "attacker": row.attacker,
            "ROC area": _estimate(row.verification.area),
            "equal error": _estimate(row.verification.error),
            "people": str(row.verification.people),
            "pairs of one": str(row.verification.same),
            "pairs of two": str(row.verification.different),
        }
        for number, row in enumerate(findings.rows, 1)
        if row.verification
    ]


def _estimate(found: Estimate) -> str:
    value = percent(found.value) + ("" if found.std is None else f" ± {percent(found.std)}")
    interval = "" if found.low is None else f" ({percent(found.low, 1)} to {percent(found.high, 1)})"
    return value + interval


def contrast_table(contrasts: Sequence[Contrast], rows: Sequence[Leakage]) -> list[dict[str, str]]:
    """Return a row per paired difference; attacks have their numbers in the table of attacks."""
    number = {id(row): str(index) for index, row in enumerate(rows, 1)}
    return [
        {
            "attacks": f"{number[id(each.after)]} - {number[id(each.before)]}",
            "after": _name(each.after),
            "before": _name(each.before),
            "difference": points(each.comparison.difference),
            "n": str(each.comparison.difference.n),
            "seeds": str(len(each.comparison.seeds)),
            "McNemar p": ", ".join(f"{p:.2g}" for p in each.comparison.p) or NOTHING,
        }
        for each in contrasts
    ]


def _name(row: Leakage) -> str:
    return f"{row.view}, {row.enhancer}, {row.attacker}"


def sentences(findings: Findings) -> list[str]:
    """Return what the figures show: one sentence per view, the view at which an attack first succeeds, a caution."""
    said = [sentence for view in findings.views if (sentence := _of_view(findings, view))]
    informed = findings.best("high")
    if informed is not None and informed.score is not None:
        said.append(f"On high views, {informed.attacker} scores {percent(informed.score.mean, 1)} %{_acted(informed)}.")
    elif said:
        said.append("No attacker was run on high views, so a failure may be the attacker's and not the view's.")
    return [*said, *([_summary(findings)] if _summary(findings) else []), CAUTION] if said else []


def _of_view(findings: Findings, view: str) -> str:
    best = findings.best(view)
    if best is None or best.score is None:
        return ""
    tried = sum(row.view == view and row.score is not None for row in findings.rows)
    who = f"{best.attacker} with {best.enhancer}" if best.enhancer != "none" else best.attacker
    of = f"the best of {tried} attackers ({who})" if tried > 1 else f"the attacker ({who})"
    verdict = {True: "exceeds", False: "does not exceed"}[succeeds(best)]
    against = f"a guess from the action ({percent(best.guess, 1)} %)" if best.advantage else f"chance{_chance(best)}"
    by = f": {points(best.advantage)} points" if best.advantage else ""
    return f"At {view}, {of} scores {percent(best.score.mean, 1)} % and {verdict} {against}{by}{_acted(best)}."


def _chance(row: Leakage) -> str:
    return "" if row.chance is None else f" ({percent(row.chance, 1)} %)"


def _acted(row: Leakage) -> str:
    return f"; trained on actions, the same network scores {percent(row.acted.mean, 1)} %" if row.acted else ""


def succeeds(row: Leakage) -> bool:
    """Whether an attack exceeds the guess: the interval of its advantage is above zero.

    Without such an interval, its own interval has to be above guess and chance.
    """
    if row.score is None:
        return False
    if row.advantage is not None and not math.isnan(row.advantage.low):
        return row.advantage.low > 0
    return row.score.low > max(row.guess or 0.0, row.chance or 0.0)


def _summary(findings: Findings) -> str:
    """Return at which views the best attack exceeds a guess; "" for fewer than two views."""
    known = [(view, best) for view in findings.views if (best := findings.best(view)) is not None]
    if len(known) < 2:
        return ""
    leaking = [view for view, best in known if succeeds(best)]
    tight = [view for view, best in known if not succeeds(best)]
    if not leaking:
        return f"In short: at none of {', '.join(tight)} does the best attacker exceed a guess."
    if not tight:
        return f"In short: at every view ({', '.join(leaking)}) the best attacker exceeds a guess."
    return f"In short: the best attacker exceeds a guess at {', '.join(leaking)}, but not at {', '.join(tight)}."
