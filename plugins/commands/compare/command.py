"""`elrbench compare A B`: the paired difference of two runs or rows, what clips can show, which classes moved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark_core.cli.console import columns, print_json
from benchmark_core.cli.flags import board_flag, json_flag

if TYPE_CHECKING:
    from benchmark_core.records.fields import RunRecord
    from benchmark_core.scoring.f1 import Decisions
    from benchmark_core.scoring.predictions import Predictions
    from benchmark_core.tables.compare import Comparison, Pairing
    from benchmark_core.tables.select_runs import Side
    from elrbench_plugins.commands.compare.class_differences import Moved

CONNOR = "Connor 1987, Biometrics 43"
NORMAL = "normal approximation, with the bootstrap's standard deviation"
_EACH_WAY = 10  # classes shown of each end, where there are more than three times as many
_DIGITS = 8


@click.command("compare")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option(
    "--track", metavar="DATASET/PROTOCOL/DEGRADATION", help="A and B may be methods of this table: all seeds and folds."
)
@board_flag
@json_flag
def command(a: str, b: str, track: str | None, folder: Path, as_json: bool) -> None:
    """elrbench compare cstat:mlp+rc supervised:matched --track puppets/subjects/average-12x16

    The difference A − B of two runs on the same clips, with its 95 % interval by paired bootstrap, the exact McNemar
    test of each seed, the smallest difference that these clips can show, and the classes that moved. A and B are record
    files, run folders, digests of published runs (or their first digits), or methods of a track's table; METHOD@DIGEST
    is the row that this run is of.
    """
    from benchmark_core.tables.compare import compare_pairs, pair, pair_groups
    from benchmark_core.tables.select_runs import find_side
    from elrbench_plugins.commands.compare.class_differences import moved_classes

    sides = find_side(a, folder, track), find_side(b, folder, track)
    rows = any(side.row for side in sides)
    pairing = pair_groups(sides[0].records, sides[1].records) if rows else pair(sides[0].first, sides[1].first)
    stored = _Stored(sides)
    found = compare_pairs(pairing, stored.decisions)
    moved = moved_classes(pairing, stored.predictions, stored.decisions)
    told = _told(sides, pairing, found, moved)
    if as_json:
        print_json(told)
    else:
        click.echo(_text(told))


class _Stored:
    """What lies beside the records of both sides, each file read once."""

    def __init__(self, sides: tuple[Side, Side]) -> None:
        self.sides = {id(record): side for side in sides for record in side.records}
        self.read: dict[int, Predictions | None] = {}

    def predictions(self, record: RunRecord) -> Predictions | None:
        from benchmark_core.tables.select_runs import predictions_of

        if id(record) not in self.read:
            self.read[id(record)] = predictions_of(self.sides[id(record)], record)
        return self.read[id(record)]

    def decisions(self, record: RunRecord) -> Decisions:
        from benchmark_core.errors import ElrError
        from benchmark_core.records.clip_results import decisions_of
        from benchmark_core.records.stored import decided

        if "decisions" in record:
            return decisions_of(record)
        found = self.predictions(record)
        if found is None:
            raise ElrError(
                f"{record['digest']} holds no decisions of its clips, and {record['predictions']['file']} is not "
                "beside it; put the file there, or run its plan again"
            )
        return decided(found, record["primary"])


def _told(sides: tuple[Side, Side], pairing: Pairing, found: Comparison, moved: list[Moved]) -> dict[str, Any]:
    from benchmark_core.scoring.statistics import ALPHA, POWER

    difference = found.difference
    mcnemar = [
        {"seed": seed, "only_a": only_a, "only_b": only_b, "p": p}
        for seed, (only_a, only_b), p in zip(found.seeds, found.only, found.p, strict=False)
    ]
    told: dict[str, Any] = {
        "a": _side(pairing, 0),
        "b": _side(pairing, 1),
        "differ": _differ(sides),
        "metric": found.metric,
        "n": difference.n,
        "folds": len(pairing.sizes),
        "seeds": len(found.seeds),
        "difference": {"value": difference.value, "low": difference.low, "high": difference.high},
        "interval": "paired bootstrap over clips, 95 %",
        "parts": difference.parts,
        "mcnemar": mcnemar,
        "smallest": {
            "value": found.smallest,
            "alpha": ALPHA,
            "power": POWER,
            "discordant": found.discordant,
            "source": NORMAL if found.discordant is None else CONNOR,
        },
        "classes": [
            {
                "class": each.name,
                "n": each.n,
                "a": each.a,
                "b": each.b,
                "difference": each.difference,
                "p": each.p,
                "parts": each.parts,
            }
            for each in moved
        ],
    }
    return told


def _side(pairing: Pairing, side: int) -> dict[str, Any]:
    """The runs of one side that entered."""
    runs = [pair[side] for row in pairing.runs for pair in row]
    seeds = list(dict.fromkeys(run["plan"]["seed"] for run in runs))
    metric = runs[0]["primary"]
    rows = [
        sum(s * pair[side]["scores"][metric]["value"] for s, pair in zip(pairing.shares, row, strict=True))
        for row in pairing.runs
    ]
    return {
        "method": runs[0]["plan"]["method"],
        "score": sum(rows) / len(rows),
        "seeds": seeds,
        "digests": [run["digest"] for run in runs],
    }


def _differ(sides: tuple[Side, Side]) -> dict[str, list[Any]]:
    """What differs beside the methods and their own numbers: a difference of scores may come of that."""
    plans = []
    for side in sides:
        plan: dict[str, Any] = {**side.first["plan"]}
        settings = {key: value for key, value in plan.pop("settings").items() if not key.startswith("method.")}
        own = ("method", "seed", "fold", "teacher")
        plans.append({key: value for key, value in plan.items() if key not in own} | settings)
    one, other = plans
    return {key: [one.get(key), other.get(key)] for key in {**one, **other} if one.get(key) != other.get(key)}


def _text(told: dict[str, Any]) -> str:
    difference = told["difference"]
    value, low, high = (f"{100 * difference[key]:+.2f}" for key in ("value", "low", "high"))
    folds = f", {told['folds']} folds" if told["folds"] > 1 else ""
    seeds = "1 seed" if told["seeds"] == 1 else f"{told['seeds']} seeds"
    verdict = (
        "the interval leaves zero out" if told["parts"] else "the interval holds zero: these clips do not part them"
    )
    lines = [columns([_side_cells(name, told) for name in ("a", "b")])]
    if told["differ"]:
        pairs = (f"{key} {_shown(one)} | {_shown(other)}" for key, (one, other) in told["differ"].items())
        lines.append("differ also in: " + ", ".join(pairs))
    lines += [
        "",
        f"A − B in {told['metric']}: {value} points [{low}, {high}], n = {told['n']} clips{folds}, {seeds}",
        f"  {told['interval']}: {verdict}",
    ]
    if told["mcnemar"]:
        lines.append("McNemar's exact test, seed by seed:")
        cells = (
            (f"seed {each['seed']}", f"only A right {each['only_a']}", f"only B right {each['only_b']}", _p(each["p"]))
            for each in told["mcnemar"]
        )
        lines.append(columns(cells, "  "))
    return "\n".join([*lines, _smallest(told), "", _classes(told)])


def _side_cells(name: str, told: dict[str, Any]) -> tuple[str, ...]:
    side = told[name]
    seeds = f"seed{'s' if len(side['seeds']) > 1 else ''} {', '.join(map(str, side['seeds']))}"
    digests = " ".join(digest[:_DIGITS] for digest in side["digests"])
    return name.upper(), side["method"], f"{told['metric']} {100 * side['score']:.2f} %", seeds, digests


def _smallest(told: dict[str, Any]) -> str:
    found = told["smallest"]
    how = f"two-sided {100 * found['alpha']:.0f} %, power {100 * found['power']:.0f} %"
    if found["discordant"] is not None:
        over = ", its mean square over seeds," if told["seeds"] > 1 else ""
        how += f", discordance{over} {100 * found['discordant']:.1f} % as observed"
    if found["value"] is None:
        return f"smallest difference that these clips can show: none, so few differ ({how})"
    value = 100 * found["value"]
    return f"smallest difference that these clips can show: {value:.2f} points ({how}; {found['source']})"


def _classes(told: dict[str, Any]) -> str:
    every = told["classes"]
    what = "recall" if told["mcnemar"] else "F1"
    tested = sum(each["p"] is not None for each in every)
    test = "exact test" if told["mcnemar"] else "randomisation test, 10,000 swaps"
    if tested:
        heading = f"classes by A − B in {what}; * where they part ({test}, 5 % over all {tested} classes, Holm):"
    else:
        heading = f"classes by A − B in {what}; no predictions lie beside the records, so none is tested:"
    shown = every
    if len(every) > 3 * _EACH_WAY:
        ends = {*range(_EACH_WAY), *range(len(every) - _EACH_WAY, len(every))}
        shown = [each for place, each in enumerate(every) if place in ends or each["parts"]]
    rows = []
    for each in shown:
        gap = "-" if each["difference"] is None else f"{100 * each['difference']:+.1f}"
        scores = (f"{name} {_percent(each[name.lower()])}" for name in "AB")
        rows.append((gap, f"n {each['n']}", *scores, _p(each["p"]), ("* " if each["parts"] else "  ") + each["class"]))
    left = len(every) - len(shown)
    more = [f"  {left} classes between are left out; --json lists them"] if left else []
    return "\n".join([heading, columns(rows, "  "), *more])


def _p(p: float | None) -> str:
    return "" if p is None else f"p = {p:.2g}"


def _percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:.1f}"


def _shown(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, list) else "-" if value in ("", None) else str(value)
