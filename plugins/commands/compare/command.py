"""`elrbench compare A B`: paired difference of two runs or rows, detectable difference, and differences per class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark_core.cli.console import columns, print_json
from benchmark_core.cli.flags import board_flag, json_flag

if TYPE_CHECKING:
    from benchmark_core.tables.compare import Comparison, Pairing
    from benchmark_core.tables.select_runs import SelectedRuns
    from elrbench_plugins.commands.compare.class_differences import ClassDifference

CONNOR = "Connor 1987, Biometrics 43"
NORMAL = "normal approximation, with the bootstrap's standard deviation"
_EACH_END = 10  # classes shown from each end of the list, if there are more than three times as many
_DIGITS = 8


@click.command("compare")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option(
    "--track",
    metavar="DATASET/PROTOCOL/DEGRADATION",
    help="Compare the rows of methods A and B in the table of this track, with all seeds and folds.",
)
@click.option("--across-degradations", is_flag=True, help="Allow two runs whose degradations differ.")
@board_flag
@json_flag
def command(a: str, b: str, track: str | None, across_degradations: bool, folder: Path, as_json: bool) -> None:
    """elrbench compare stat supervised:matched --track puppets/subjects/average-12x16

    Compare two runs or table rows on the same clips. Print the difference A − B with its 95 % paired bootstrap
    interval, the exact McNemar test per seed, the smallest detectable difference, and the differences per class. A and
    B are record files, run folders, digests of published runs (or their first digits), or methods if --track is given.
    If a method has several rows, METHOD@DIGEST selects the row that contains that run.
    """
    from benchmark_core.tables.compare import compare_pairs, pair, pair_groups
    from benchmark_core.tables.select_runs import select_runs
    from benchmark_core.tables.selected_predictions import SelectedPredictions
    from elrbench_plugins.commands.compare.class_differences import class_differences

    selected = select_runs(a, folder, track), select_runs(b, folder, track)
    one, other = selected
    rows = one.is_row or other.is_row
    across = {"across_degradations": across_degradations}
    pairing = pair_groups(one.records, other.records, **across) if rows else pair(one.first, other.first, **across)
    stored = SelectedPredictions(selected)
    comparison = compare_pairs(pairing, stored.decisions)
    classes = class_differences(pairing, stored.find, stored.decisions)
    payload = _payload(selected, pairing, comparison, classes)
    if as_json:
        print_json(payload)
    else:
        click.echo(_text(payload))


def _payload(
    selected: tuple[SelectedRuns, SelectedRuns],
    pairing: Pairing,
    comparison: Comparison,
    classes: list[ClassDifference],
) -> dict[str, Any]:
    """Return the comparison as JSON."""
    from benchmark_core.scoring.statistics import ALPHA, POWER

    difference = comparison.difference
    mcnemar = [
        {"seed": seed, "only_a": only_a, "only_b": only_b, "p": p}
        for seed, (only_a, only_b), p in zip(comparison.seeds, comparison.only_right, comparison.p, strict=False)
    ]
    return {
        "a": _runs(pairing, 0, comparison.metric),
        "b": _runs(pairing, 1, comparison.metric),
        "differ": _plan_differences(selected),
        "metric": comparison.metric,
        "n": difference.n,
        "folds": len(pairing.sizes),
        "seeds": len(comparison.seeds),
        "difference": {"value": difference.value, "low": difference.low, "high": difference.high},
        "interval": "paired bootstrap over clips, 95 %",
        "significant": difference.significant,
        "mcnemar": mcnemar,
        "smallest": {
            "value": comparison.smallest,
            "alpha": ALPHA,
            "power": POWER,
            "discordant": comparison.discordant,
            "source": NORMAL if comparison.discordant is None else CONNOR,
        },
        "classes": [
            {
                "class": each.name,
                "n": each.n,
                "a": each.a,
                "b": each.b,
                "difference": each.difference,
                "p": each.p,
                "significant": each.significant,
            }
            for each in classes
        ],
    }


def _runs(pairing: Pairing, side: int, metric: str) -> dict[str, Any]:
    """Return method, score, seeds and digests of the compared runs. side: 0 for A, 1 for B."""
    runs = [pair[side] for row in pairing.runs for pair in row]
    seeds = list(dict.fromkeys(run["plan"]["seed"] for run in runs))
    scores = [
        sum(share * pair[side]["scores"][metric]["value"] for share, pair in zip(pairing.shares, row, strict=True))
        for row in pairing.runs
    ]
    return {
        "method": runs[0]["plan"]["method"],
        "score": sum(scores) / len(scores),
        "seeds": seeds,
        "digests": [run["digest"] for run in runs],
    }


def _plan_differences(selected: tuple[SelectedRuns, SelectedRuns]) -> dict[str, list[Any]]:
    """Return the plan fields, without the method and its settings, in which A and B differ."""
    plans = []
    for runs in selected:
        plan: dict[str, Any] = {**runs.first["plan"]}
        settings = {key: value for key, value in plan.pop("settings").items() if not key.startswith("method.")}
        own = ("method", "seed", "fold", "teacher")
        plans.append({key: value for key, value in plan.items() if key not in own} | settings)
    one, other = plans
    return {key: [one.get(key), other.get(key)] for key in {**one, **other} if one.get(key) != other.get(key)}


def _text(payload: dict[str, Any]) -> str:
    difference = payload["difference"]
    value, low, high = (f"{100 * difference[key]:+.2f}" for key in ("value", "low", "high"))
    folds = f", {payload['folds']} folds" if payload["folds"] > 1 else ""
    seeds = "1 seed" if payload["seeds"] == 1 else f"{payload['seeds']} seeds"
    verdict = (
        "significant: the interval excludes zero"
        if payload["significant"]
        else "not significant: the interval contains zero"
    )
    lines = [columns([_run_cells(name, payload) for name in ("a", "b")])]
    if payload["differ"]:
        pairs = (f"{key} {_shown(one)} | {_shown(other)}" for key, (one, other) in payload["differ"].items())
        lines.append("other differences: " + ", ".join(pairs))
    lines += [
        "",
        f"A − B in {payload['metric']}: {value} points [{low}, {high}], n = {payload['n']} clips{folds}, {seeds}",
        f"  {payload['interval']}; {verdict}",
    ]
    if payload["mcnemar"]:
        lines.append("McNemar's exact test per seed:")
        cells = (
            (f"seed {each['seed']}", f"only A right {each['only_a']}", f"only B right {each['only_b']}", _p(each["p"]))
            for each in payload["mcnemar"]
        )
        lines.append(columns(cells, "  "))
    return "\n".join([*lines, _smallest(payload), "", _classes(payload)])


def _run_cells(name: str, payload: dict[str, Any]) -> tuple[str, ...]:
    runs = payload[name]
    seeds = f"seed{'s' if len(runs['seeds']) > 1 else ''} {', '.join(map(str, runs['seeds']))}"
    digests = " ".join(digest[:_DIGITS] for digest in runs["digests"])
    return name.upper(), runs["method"], f"{payload['metric']} {100 * runs['score']:.2f} %", seeds, digests


def _smallest(payload: dict[str, Any]) -> str:
    found = payload["smallest"]
    how = f"two-sided {100 * found['alpha']:.0f} %, power {100 * found['power']:.0f} %"
    if found["discordant"] is not None:
        mean = " (mean square over seeds)" if payload["seeds"] > 1 else ""
        how += f", observed discordance{mean} {100 * found['discordant']:.1f} %"
    if found["value"] is None:
        return f"smallest detectable difference: none, because too few clips differ ({how})"
    return f"smallest detectable difference: {100 * found['value']:.2f} points ({how}; {found['source']})"


def _classes(payload: dict[str, Any]) -> str:
    classes = payload["classes"]
    what = "recall" if payload["mcnemar"] else "F1"
    tested = sum(each["p"] is not None for each in classes)
    test = "exact test" if payload["mcnemar"] else "randomisation test, 10,000 swaps"
    if tested:
        heading = f"classes by A − B in {what}; * marks significant ones ({test}, 5 % over {tested} classes, Holm):"
    else:
        heading = f"classes by A − B in {what}; not tested, because no predictions are next to the records:"
    shown = classes
    if len(classes) > 3 * _EACH_END:
        ends = {*range(_EACH_END), *range(len(classes) - _EACH_END, len(classes))}
        shown = [each for index, each in enumerate(classes) if index in ends or each["significant"]]
    rows = []
    for each in shown:
        gap = "-" if each["difference"] is None else f"{100 * each['difference']:+.1f}"
        scores = (f"{name} {_percent(each[name.lower()])}" for name in "AB")
        name = ("* " if each["significant"] else "  ") + each["class"]
        rows.append((gap, f"n {each['n']}", *scores, _p(each["p"]), name))
    hidden = len(classes) - len(shown)
    more = [f"  {hidden} classes in between are not shown; --json lists them"] if hidden else []
    return "\n".join([heading, columns(rows, "  "), *more])


def _p(p: float | None) -> str:
    return "" if p is None else f"p = {p:.2g}"


def _percent(fraction: float | None) -> str:
    return "-" if fraction is None else f"{100 * fraction:.1f}"


def _shown(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, list) else "-" if value in ("", None) else str(value)
