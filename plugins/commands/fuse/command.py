"""`elrbench fuse`: what would several recognizers score together?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark_core.cli.console import columns, print_json
from benchmark_core.cli.flags import board_flag, json_flag

if TYPE_CHECKING:
    from elrbench_plugins.commands.fuse.fused import Fused
    from elrbench_plugins.commands.fuse.groups import Groups

_DIGITS = 8


@click.command("fuse")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option(
    "--track",
    metavar="DATASET/PROTOCOL/DEGRADATION",
    help="Fuse the rows of methods RUN... in the table of this track, with all common seeds.",
)
@click.option(
    "--scale",
    is_flag=True,
    help="Average logits of one scale instead of probabilities, for parts that differ in confidence, such as a network "
    "and an SVM.",
)
@board_flag
@json_flag
def command(runs: tuple[str, ...], track: str | None, scale: bool, folder: Path, as_json: bool) -> None:
    """elrbench fuse stat hof-svm --track jhmdb/hmdb51-split1/average-12x16

    Score the mean of the probabilities of several runs or rows (late fusion), from their published predictions. Several
    rows are averaged seed by seed. The seeds of a single row are averaged. Single runs must be of one fold. Print the
    score and its paired difference from each part. Each RUN is named as in `elrbench compare`. Nothing is trained, and
    no record is written.

    Choose the parts before you look at test scores: the best of many combinations scores too high by chance.
    """
    from benchmark_core.scoring.fusion import fuse
    from benchmark_core.tables.select_runs import select_runs
    from benchmark_core.tables.selected_predictions import SelectedPredictions
    from elrbench_plugins.commands.fuse.fused import fused
    from elrbench_plugins.commands.fuse.groups import groups_of
    from elrbench_plugins.commands.fuse.scaled import fuse_scaled

    selected = [select_runs(text, folder, track) for text in runs]
    groups = groups_of(selected)
    payload = _payload(groups, fused(groups, SelectedPredictions(selected), fuse_scaled if scale else fuse)) | {
        "scaled": scale
    }
    if as_json:
        print_json(payload)
    else:
        click.echo(_text(payload))


def _payload(groups: Groups, found: Fused) -> dict[str, Any]:
    """Return the result as JSON."""
    from benchmark_core.scoring.statistics import mean_std

    mean, std = mean_std(found.scores)
    return {
        "metric": found.metric,
        "score": mean,
        "std": std,
        "seeds": list(groups.seeds),
        "folds": found.folds,
        "n": found.clips,
        "interval": "paired bootstrap over clips, 95 %",
        "parts": [
            {
                "name": part.name,
                "score": part.score,
                "digests": list(part.digests),
                "gain": {"value": part.gain.value, "low": part.gain.low, "high": part.gain.high},
                "significant": part.gain.significant,
            }
            for part in found.parts
        ],
    }


def _text(payload: dict[str, Any]) -> str:
    metric, std = payload["metric"], payload["std"]
    spread = "" if std is None else f" ± {100 * std:.2f}"
    folds = f", {payload['folds']} folds" if payload["folds"] > 1 else ""
    count = len(payload["seeds"])
    seeds = "" if not count else ", 1 seed" if count == 1 else f", {count} seeds"
    what = "scaled mean" if payload["scaled"] else "mean"
    lines = [
        f"{what} of {len(payload['parts'])} in {metric}: {100 * payload['score']:.2f} %{spread}, "
        f"n = {payload['n']} clips{folds}{seeds}",
        f"each part, and mean − part in points ({payload['interval']}; * excludes zero):",
    ]
    rows = []
    for part in payload["parts"]:
        value, low, high = (f"{100 * part['gain'][key]:+.2f}" for key in ("value", "low", "high"))
        digests = " ".join(digest[:_DIGITS] for digest in part["digests"])
        mark = " *" if part["significant"] else ""
        rows.append((part["name"], f"{metric} {100 * part['score']:.2f} %", f"{value} [{low}, {high}]{mark}", digests))
    return "\n".join([*lines, columns(rows, "  ")])
