"""The command `elrbench rerun`."""

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
    shared_clips_flag,
    track_flag,
    validate_flag,
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
@click.option(
    "--backbone",
    metavar="NAME",
    help="Backbone, if the recorded plan names the digest of a folder: the template and the folder, e.g. hf:FOLDER.",
)
@click.option(
    "--weights", metavar="FILE", help="Checkpoint of the backbone, if the recorded plan loaded one from a file."
)
@click.option(
    "--enhancer-weights",
    metavar="FILE",
    help="Checkpoint of the enhancer, if the recorded plan loaded one from a file.",
)
@click.option("--teacher", metavar="DIR", help="Run folder of the teacher, if the recorded plan was given one.")
@bad_clips_flag
@shared_clips_flag
@device_flag
@click.option("--out", type=PATH, metavar="DIR", help="Run folder to write. Default: ./elrbench-runs/DIGEST-again.")
@cache_flag
@click.option("--refit", is_flag=True, help="Train every stage again, even if it is in the cache.")
@validate_flag
@track_flag
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
    backbone: str | None,
    weights: str | None,
    enhancer_weights: str | None,
    teacher: str | None,
    bad_clips: str,
    shared_clips: str | None,
    device: str | None,
    out: Path | None,
    cache: Path | None,
    refit: bool,
    validate: int | None,
    track: tuple[str, ...],
    plugins: tuple[str, ...],
    folder: Path,
    as_json: bool,
) -> None:
    """elrbench rerun 098902fa --refit

    Run the plan of a record again and compare both runs: scores, predictions per clip, versions, plugins, devices.

    RECORD is a record file, a run folder, or the digest of a published run (its first digits are enough). Nothing is
    published.

    Exit code: 1 if the data differ from those of the record; nothing is trained then. 1 if predictions differ although
    both runs used a CPU, and device, processor, versions and plugins are the same. Else 0. The device includes the
    number of threads. On a GPU, results may differ between runs.
    """
    from benchmark_core.catalog import load_catalog
    from benchmark_core.plans.planfile import fields_of
    from benchmark_core.provenance import refuse_absent
    from benchmark_core.tables.select_runs import select_runs
    from benchmark_core.tables.selected_predictions import SelectedPredictions

    selected = select_runs(record, folder, rows=False)
    old = selected.first
    before = SelectedPredictions([selected]).find(old)
    given = {
        "backbone": backbone,
        "weights": weights,
        "enhancer_weights": enhancer_weights,
        "teacher": teacher,
    }
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
        raise ElrError(f"--out {place} is the folder of the record and would be overwritten; pass another --out DIR")
    refuse_other_folder(place, plan.digest)
    context = RunContext(
        data=root,
        out=place,
        cache=cache_folder(cache),
        extra=extra,
        reporter=ConsoleReporter(),
        bad_clips=bad_clips,
        shared_clips=shared_clips or ("warn" if old.get("shared_clips") else None),
        device=device,
        refit=refit,
        track=track,
        validate=validate or 0,
    )
    if other := other_data(old, plan, catalog, context):
        raise RunFailed(f"{other}; nothing was trained. Pass --data DIR of the recorded clips")

    from benchmark_core.records.record import find_record, read_record, without_top5
    from benchmark_core.records.stored import stored_predictions
    from benchmark_core.runs.runner import run

    result = run(plan, catalog, context)
    new = read_record(find_record(result.folder))
    found = agreement(old, before, new, stored_predictions(new, result.folder))
    comparison = _comparison(old, new, found, differences(old, new), result.folder)
    if as_json:
        print_json(comparison)
    else:
        printed = without_top5(comparison["scores"], old["dataset"]["classes"], old["primary"])
        click.echo(_text({**comparison, "scores": printed}))
    on_a_cpu = old["device"].startswith("cpu")
    ctx.exit(0 if found.all_same or found.same is None or comparison["differ"] or not on_a_cpu else 1)


def _comparison(
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
            "largest_logit_difference": found.largest_difference,
            "agree": found.all_same,
        },
        "differ": {key: list(pair) for key, pair in differ.items()},
        "reused": [stage["name"] for stage in new["stages"] if stage["reused"]],
    }


def _text(comparison: dict[str, Any]) -> str:
    rows = [("", "recorded", "again", "difference")]
    for name, of in comparison["scores"].items():
        old, new = of["old"], of["new"]
        difference = f"{100 * (new['value'] - old['value']):+.2f}" if old and new else "-"
        rows.append((name, _score(old), _score(new), difference))
    lines = [
        "{digest}: {method} on {dataset}, budget {budget}".format_map(comparison),
        columns(rows, "  "),
        _predictions_text(comparison["predictions"]),
    ]
    if comparison["differ"]:
        lines.append("differences, recorded | again:")
        lines.append(columns(((key, f"{one} | {other}") for key, (one, other) in comparison["differ"].items()), "  "))
    else:
        lines.append("same device, processor, versions and plugins")
    if comparison["reused"]:
        lines.append(f"stages from the cache: {', '.join(comparison['reused'])}; --refit trains them again")
    return "\n".join([*lines, f"run folder: {comparison['folder']}"])


def _score(score: ScoreFields | None) -> str:
    return "-" if score is None else f"{100 * score['value']:.2f} [{100 * score['low']:.1f}, {100 * score['high']:.1f}]"


def _predictions_text(found: dict[str, Any]) -> str:
    if found["same"] is None:
        return "predictions: not compared, because the predictions file of the record is missing"
    what = "the same outcome (right or wrong)" if found["of"] == "hits" else "the same prediction"
    largest = found["largest_logit_difference"]
    logits = "" if largest is None else f"; logits differ by at most {largest:.3g}" if largest else "; logits are equal"
    return f"predictions: {what} for {found['same']} of {found['clips']} clips{logits}"
