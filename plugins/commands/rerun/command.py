"""`elrbench rerun RECORD`: a record's plan run again, old and new side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark_core.cli.console import ConsoleReporter, columns, print_json
from benchmark_core.cli.flags import (
    bad_clips_flag,
    board_flag,
    cache_flag,
    data_flag,
    device_flag,
    extra_data_flags,
    json_flag,
    plugin_flag,
)
from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.runs.context import ExtraPaths, RunContext
from benchmark_core.runs.request import cache_folder, data_root, located, make_plan

if TYPE_CHECKING:
    from benchmark_core.records.fields import RunRecord, ScoreFields
    from elrbench_plugins.commands.rerun.rerun import Agreement

PATH = click.Path(path_type=Path)


@click.command("rerun")
@click.argument("record")
@data_flag
@extra_data_flags
@click.option("--weights", metavar="FILE", help="Where the plan starts from a file: that file.")
@click.option("--enhancer-weights", metavar="FILE", help="Where the plan's enhancer is a file's: that file.")
@click.option("--teacher", metavar="RUNFOLDER", help="Where the plan was given a teacher: the run that left it.")
@bad_clips_flag
@device_flag
@click.option("--out", type=PATH, metavar="FOLDER", help="Run folder. Default: ./elrbench-runs/DIGEST-again.")
@cache_flag
@click.option("--refit", is_flag=True, help="Fit every stage again, also those that the cache folder holds.")
@plugin_flag
@board_flag
@json_flag
@click.pass_context
def command(
    ctx: click.Context,
    /,
    record: str,
    data: Path | None,
    unlabelled_data: Path | None,
    high_source_data: Path | None,
    weights: str | None,
    enhancer_weights: str | None,
    teacher: str | None,
    bad_clips: str,
    device: str | None,
    out: Path | None,
    cache: Path | None,
    refit: bool,
    plugins: tuple[str, ...],
    folder: Path,
    as_json: bool,
) -> None:
    """elrbench rerun 098902fa --refit

    Run the plan of a record again and print its scores beside the recorded ones, on how many clips the two predict the
    same, and which versions, plugins and devices differ. RECORD is a record's file, a run folder, or the digest of a
    published run or its first digits. Exit 1, before anything is trained, where the data are not those of the record;
    and, after it, where clips are predicted otherwise though device, versions and plugins are the same. Nothing is
    published.
    """
    from benchmark_core.catalog import load_catalog
    from benchmark_core.plans.planfile import fields_of
    from benchmark_core.provenance import refuse_absent
    from benchmark_core.tables.select_runs import predictions_of, select_runs

    selected = select_runs(record, folder)
    old = selected.first
    before = predictions_of(selected, old)
    given = {"weights": weights, "enhancer_weights": enhancer_weights, "teacher": teacher}
    catalog = load_catalog(extra=plugins)
    refuse_absent(old["plugins"], catalog)
    asked = fields_of(old["plan"], {name: text for name, text in given.items() if text is not None})
    extra = ExtraPaths(unlabelled=unlabelled_data, high_source=high_source_data)
    catalog, plan, extra = make_plan(catalog, None, (), asked, data, extra)

    from benchmark_core.runs.folder import RUNS
    from benchmark_core.runs.folder import refuse_other_plan as refuse_other_folder
    from benchmark_core.runs.lists import other_data
    from elrbench_plugins.commands.rerun.rerun import agreement, differences, refuse_other_plan

    refuse_other_plan(old, plan)
    root, extra = data_root(catalog, plan.dataset, data), located(catalog, plan, extra)
    place = out or RUNS / f"{plan.digest}-again"
    if place.absolute() == selected.folders[old["digest"]].absolute():
        raise ElrError(f"--out {place} is the folder of the record itself, which would be lost; give another")
    refuse_other_folder(place, plan.digest)
    context = RunContext(
        data=root,
        out=place,
        cache=cache_folder(cache),
        extra=extra,
        reporter=ConsoleReporter(),
        bad_clips=bad_clips,
        device=device,
        refit=refit,
    )
    if other := other_data(old, plan, catalog, context):
        raise RunFailed(f"{other}; nothing was trained. Give the folder with the same clips")

    from benchmark_core.records.record import find_record, read_record
    from benchmark_core.records.stored import stored_predictions
    from benchmark_core.runs.runner import run

    result = run(plan, catalog, context)
    new = read_record(find_record(result.folder))
    found = agreement(old, before, new, stored_predictions(new, result.folder))
    told = _told(old, new, found, differences(old, new), result.folder)
    if as_json:
        print_json(told)
    else:
        click.echo(_text(told))
    ctx.exit(0 if found.whole or found.same is None or told["differ"] else 1)


def _told(
    old: RunRecord, new: RunRecord, found: Agreement, differ: dict[str, tuple[str, str]], folder: Path
) -> dict[str, Any]:
    names = [*old["scores"], *(name for name in new["scores"] if name not in old["scores"])]
    return {
        "digest": old["digest"],
        "method": old["plan"]["method"],
        "dataset": old["plan"]["dataset"],
        "budget": old["plan"]["budget"],
        "folder": str(folder),
        "scores": {name: {"old": old["scores"].get(name), "new": new["scores"].get(name)} for name in names},
        "predictions": {
            "clips": found.clips,
            "same": found.same,
            "of": "hits" if found.hits else "predictions",
            "largest_logit_difference": found.gap,
            "agree": found.whole,
        },
        "differ": {key: list(pair) for key, pair in differ.items()},
        "reused": [stage["name"] for stage in new["stages"] if stage["reused"]],
    }


def _text(told: dict[str, Any]) -> str:
    rows = [("", "recorded", "again", "difference")]
    for name, of in told["scores"].items():
        old, new = of["old"], of["new"]
        gap = f"{100 * (new['value'] - old['value']):+.2f}" if old and new else "-"
        rows.append((name, _score(old), _score(new), gap))
    lines = [
        f"{told['digest']}: {told['method']} on {told['dataset']}, budget {told['budget']}",
        columns(rows, "  "),
        _agreement(told["predictions"]),
    ]
    if told["differ"]:
        lines.append("differ between the two, recorded | again:")
        lines.append(columns(((key, f"{one} | {other}") for key, (one, other) in told["differ"].items()), "  "))
    else:
        lines.append("same device, versions and plugins")
    if told["reused"]:
        lines.append(f"taken from the cache, not fitted again: {', '.join(told['reused'])}; --refit fits them again")
    return "\n".join([*lines, f"run folder: {told['folder']}"])


def _score(score: ScoreFields | None) -> str:
    return "-" if score is None else f"{100 * score['value']:.2f} [{100 * score['low']:.1f}, {100 * score['high']:.1f}]"


def _agreement(found: dict[str, Any]) -> str:
    if found["same"] is None:
        return "predictions: the record's are not beside it, so clips cannot be compared"
    what = "are right or wrong alike" if found["of"] == "hits" else "are predicted alike"
    gap = found["largest_logit_difference"]
    rest = "" if gap is None else f"; logits differ by {gap:.3g} at most" if gap else "; logits are equal"
    return f"predictions: {found['same']} of {found['clips']} clips {what}{rest}"
