"""`elrbench run`: plan, train, score, record."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark_core.cli.console import ConsoleReporter, columns, print_json
from benchmark_core.cli.flags import (
    bad_clips_flag,
    board_flag,
    cache_flag,
    check_board,
    data_flag,
    device_flag,
    extra_data_flags,
    json_flag,
    plan_flags,
    shared_clips_flag,
    track_flag,
    validate_flag,
)
from benchmark_core.runs.context import ExtraPaths, RunContext
from benchmark_core.runs.request import cache_folder, data_root, located, make_plan

if TYPE_CHECKING:
    from benchmark_core.plans.plan import Plan

PATH = click.Path(path_type=Path)


@click.command("run")
@plan_flags
@data_flag
@extra_data_flags
@bad_clips_flag
@shared_clips_flag
@device_flag
@click.option("--out", type=PATH, metavar="DIR", help="Run folder. Default: ./elrbench-runs/DIGEST.")
@cache_flag
@click.option("--publish", "publish_to", is_flag=True, help="Copy record and predictions into the leaderboards folder.")
@board_flag
@click.option("--refit", is_flag=True, help="Train every stage again, even if it is in the cache.")
@validate_flag
@track_flag
@click.option("--dry-run", is_flag=True, help="Print the plan and exit.")
@json_flag
def command(
    planfile: Path | None,
    settings: tuple[str, ...],
    plugins: tuple[str, ...],
    data: Path | None,
    unlabelled_data: Path | None,
    high_source_data: Path | None,
    bad_clips: str,
    shared_clips: str | None,
    device: str | None,
    out: Path | None,
    cache: Path | None,
    publish_to: bool,
    folder: Path,
    refit: bool,
    validate: int | None,
    track: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    **fields: Any,
) -> None:
    """elrbench run --method cstat --dataset puppets --budget smoke

    Train a recognizer, score it on the test clips, and write record and predictions into the run folder. A run is one
    fold and one seed. A run that was interrupted continues from its last finished epoch.

    The recognizer sees low views: clips in extreme low resolution. High views are the same frames in full resolution; a
    teacher may see them in training. An enhancer brings low views to the input size of the backbone, the network size.
    """
    from benchmark_core.catalog import load_catalog
    from benchmark_core.plans.keep import check_validate

    catalog = load_catalog(extra=plugins)
    extra = ExtraPaths(unlabelled=unlabelled_data, high_source=high_source_data)
    catalog, plan, extra = make_plan(catalog, planfile, settings, fields, data, extra)
    check_validate(plan, validate or 0)
    if dry_run:
        _print_plan(plan, as_json)
        return
    root, extra = data_root(catalog, plan.dataset, data), located(catalog, plan, extra)
    if publish_to:
        check_board(folder)

    from benchmark_core.runs.folder import RUNS, refuse_other_plan

    folder_of_run = out or RUNS / plan.digest
    refuse_other_plan(folder_of_run, plan.digest)

    from benchmark_core.runs.places import place_in
    from benchmark_core.runs.runner import run

    place_in(os.environ, plan.processes)  # raises if torchrun started another number of processes

    context = RunContext(
        data=root,
        out=folder_of_run,
        cache=cache_folder(cache),
        extra=extra,
        reporter=ConsoleReporter(),
        bad_clips=bad_clips,
        shared_clips=shared_clips,
        device=device,
        refit=refit,
        track=track,
        validate=validate or 0,
    )
    result = run(plan, catalog, context)
    if result.rank:  # another process of the same run prints and publishes
        return
    published: list[str] = []
    if publish_to:
        from benchmark_core.records import publish

        published = [str(path) for path in publish(result.folder, folder, say=ConsoleReporter().say)]
    if as_json:
        parts = [{"folder": str(part.folder), "record": part.record} for part in result.streams]
        payload = {"folder": str(result.folder), "published": published, "record": result.record}
        print_json(payload | ({"parts": parts} if parts else {}))
    else:
        for part in result.streams:
            click.echo(summary(part.record, part.folder, []))
        click.echo(summary(result.record, result.folder, published))


def _print_plan(plan: Plan, as_json: bool) -> None:
    plain = plan.to_json()
    parts = {stream.modality: stream.digest for stream in plan.streams} if len(plan.streams) > 1 else {}
    if as_json:
        print_json({"digest": plan.digest, "plan": plain} | ({"streams": parts} if parts else {}))
        return
    settings = plain.pop("settings")
    plain["size"] = "x".join(map(str, plain["size"]))
    rows = [("digest", plan.digest), *((f"  of {name}", digest) for name, digest in parts.items())]
    rows += [*plain.items(), *settings.items()]
    click.echo(columns((key, str(value)) for key, value in rows if value != ""))


def summary(record: Mapping[str, Any], folder: Path, published: list[str]) -> str:
    """Return the scores of a run and its folder as text."""
    from benchmark_core.counted import counted
    from benchmark_core.records.record import printed_scores

    rows = []
    for name, score in printed_scores(record).items():
        interval = f"[{100 * score['low']:.1f}, {100 * score['high']:.1f}]" if score.get("low") is not None else ""
        rows.append((name, f"{100 * score['value']:.1f} %", interval, f"n = {score['n']}"))
    plan = record["plan"]
    seen = "" if plan["modality"] == "rgb" else f" ({plan['modality']})"
    lines = [f"{plan['method']}{seen} on {plan['dataset']}, budget {plan['budget']}"]
    lines.append(columns(rows, "  "))
    if record["clips"]["bad"]:
        lines.append(f"  {counted(len(record['clips']['bad']), 'clip')} could not be read; the record lists them")
    if folder.name != record["digest"]:
        lines.append(f"digest: {record['digest']}")
    lines.append(f"run folder: {folder}")
    lines += [f"published: {path}" for path in published]
    return "\n".join(lines)
