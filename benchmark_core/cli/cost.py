"""`elrbench cost`: what the deployed recognizer costs. Parameters and multiply-adds anywhere, latency on a GPU."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark_core.cli.console import ConsoleReporter, columns, print_json
from benchmark_core.cli.flags import board_flag, device_flag, json_flag, plan_flags
from benchmark_core.errors import ElrError, unknown
from benchmark_core.plans.plan import read_size
from benchmark_core.runs.request import make_plan

if TYPE_CHECKING:
    import torch

    from benchmark_core.catalog import Catalog

# A plan's flags that describe a backbone alone.
BARE = ("backbone", "classes", "enhancer", "modality", "size", "sampling", "weights")


@click.command("cost")
@plan_flags
@click.option("--low", metavar="HxW", help="Low size of a bare backbone's enhancer, or to trace on a native track.")
@device_flag
@click.option("--all", "every", is_flag=True, help="Every backbone and enhancer, where it is published; no data.")
@click.option("--only", metavar="NAME,NAME", help="With --all: of these alone.")
@click.option("--refresh", is_flag=True, help="With --all --publish: measure also what a record says already.")
@click.option("--publish", "keep", is_flag=True, help="Write the cost record into the leaderboards.")
@board_flag
@json_flag
@click.pass_context
def command(
    ctx: click.Context,
    /,
    planfile: Path | None,
    settings: tuple[str, ...],
    plugins: tuple[str, ...],
    low: str | None,
    device: str | None,
    every: bool,
    only: str | None,
    refresh: bool,
    keep: bool,
    folder: Path,
    as_json: bool,
    **fields: Any,
) -> None:
    """elrbench cost --backbone resnet34 --classes 101 --sampling 1x1 --size 256x340

    Parameters, multiply-adds and latency of a bare backbone, or of the recognizer that a plan deploys: then give
    --method and --dataset and whatever else 'elrbench run' takes. A bare backbone takes the number of its classes.

    With --all: of every backbone and enhancer in the settings that it is published in. What is broken is one line, the
    rest goes on, and the exit code is 1. With --publish each record is written once it is measured, and what a record
    of the same structure, device and versions says already is not measured again.
    """
    if every:
        _refuse_plan(planfile, low, settings, fields, refresh=refresh, keep=keep)
    elif only is not None or refresh:
        raise ElrError(f"{'--refresh' if only is None else '--only'} is for --all: every backbone and enhancer")
    from benchmark_core.catalog import load_catalog

    catalog = load_catalog(extra=plugins)
    if keep and not folder.is_dir():
        raise ElrError(f"there is no folder {folder} to publish into; give --folder, or run in the checkout")
    from benchmark_core.training.device import pick_device

    if every:
        names = tuple(name.strip() for name in only.split(",")) if only is not None else ()
        ctx.exit(_all(catalog, names, pick_device(device), folder if keep else None, refresh, as_json))
    if planfile is None and fields["method"] is None and fields["dataset"] is None:
        records = [_bare(catalog, low, settings, fields, pick_device(device))]
    else:
        records = _planned(catalog, planfile, low, settings, fields, pick_device(device))
    written = []
    if keep:
        from benchmark_core.records.cost_record import cost_name, replaces, write_cost
        from benchmark_core.records.files import COSTS

        for record in records:
            place = folder / COSTS / cost_name(record)
            if replaces(place, record):
                ConsoleReporter().say(f"{place}: an earlier measurement of the same structure and device is replaced")
        written = [str(write_cost(folder / COSTS, record)) for record in records]
    if as_json:
        total, *parts = records
        print_json(total | ({"parts": parts} if parts else {}))
    else:
        click.echo("\n\n".join(map(as_text, records)))
        for path in written:
            click.echo(f"published: {path}")


def _refuse_plan(
    planfile: Path | None,
    low: str | None,
    settings: tuple[str, ...],
    fields: dict[str, Any],
    *,
    refresh: bool,
    keep: bool,
) -> None:
    """ElrError where --all is given what is for one network, or nothing is there to be measured again."""
    given = [f"--{name.replace('_', '-')}" for name, value in fields.items() if value is not None]
    given += ["--plan"] * (planfile is not None) + ["--low"] * (low is not None) + ["--set"] * bool(settings)
    if given:
        raise ElrError(f"{given[0]} is for one network, and --all measures each where it is published; leave one out")
    if refresh and not keep:
        raise ElrError("--refresh is for --all --publish: without --publish everything is measured anyway")


def _all(
    catalog: Catalog, only: tuple[str, ...], device: torch.device, folder: Path | None, refresh: bool, as_json: bool
) -> int:
    """Of every backbone and enhancer; the exit code."""
    from benchmark_core.cli.cost_all import as_text as table
    from benchmark_core.cli.cost_all import every_cost
    from benchmark_core.records.files import COSTS
    from benchmark_core.training.device import describe_device

    costs = None if folder is None else folder / COSTS
    outcomes = list(every_cost(catalog, only, device, costs, refresh=refresh, say=ConsoleReporter()))
    if as_json:
        found = [outcome.as_json() for outcome in outcomes]
        print_json({"device": describe_device(device), "costs": found})
    else:
        click.echo(table(outcomes, describe_device(device)))
    return 1 if any(outcome.state == "failed" for outcome in outcomes) else 0


def _bare(
    catalog: Catalog, low: str | None, settings: tuple[str, ...], fields: dict[str, Any], device: torch.device
) -> dict[str, Any]:
    """Of a backbone with the mean of its logits, on views of its own size or behind an enhancer."""
    given = [f"--{name}" for name, value in fields.items() if value is not None and name not in BARE]
    given += ["--set"] * bool(settings)
    if given:
        raise ElrError(f"{given[0]} is for a plan: give --method and --dataset too")
    for name in ("backbone", "classes"):
        if fields[name] is None:
            raise ElrError(f"give --{name} for a bare backbone, or --method and --dataset for what a plan deploys")
    classes = fields["classes"]
    if not re.fullmatch(r"[1-9]\d{0,5}", classes):
        raise ElrError(f"--classes {classes} is not the number of a bare backbone's classes, e.g. --classes 101")
    if (low is None) != (fields["enhancer"] is None):
        raise ElrError("--enhancer and --low go together: what is enlarged, and from which size")

    from benchmark_core.clips.modality import MODALITIES, kind, streams
    from benchmark_core.clips.sampling import Sampling
    from benchmark_core.cost.structure import cost_of, describe_bare
    from benchmark_core.networks.assemble import build_backbone, build_recognizer
    from benchmark_core.weights_file import place_weights

    catalog, weights = place_weights(catalog, fields["weights"] or "scratch")
    backbone = catalog.backbones[fields["backbone"]]
    enhancer = catalog.enhancers[fields["enhancer"]] if fields["enhancer"] else None
    size = read_size("--size", fields["size"] or "256x340")
    sampling = Sampling.parse(fields["sampling"] or backbone.sampling)
    modality = fields["modality"] or "rgb"
    if modality not in (known := [name for name in MODALITIES if len(streams(name)) == 1]):
        raise unknown("modality of a bare backbone", modality, known)
    if kind(modality) == "flow" and enhancer:
        raise ElrError("flow is made of enlarged frames and seen at network size: leave out --enhancer and --low")
    describe = describe_bare(
        backbone,
        classes=int(classes),
        size=size,
        sampling=sampling,
        modality=modality,
        enhancer=enhancer,
        low=read_size("--low", low) if low else None,
    )
    recognizer = build_recognizer(
        backbone_spec=backbone,
        enhancer_spec=enhancer,
        classes=int(classes),
        low=read_size("--low", low) if low else None,
        size=size,
        sampling=(sampling.k, sampling.t),
        modality=modality,
    )
    if weights != "scratch":
        _, said = build_backbone(backbone, int(classes), weights=weights, modality=modality)
        ConsoleReporter().say(f"weights: {said}")
    height, width = describe["low"]
    return cost_of(recognizer, describe, (height, width), device, thorough=True)


def _planned(
    catalog: Catalog,
    planfile: Path | None,
    low: str | None,
    settings: tuple[str, ...],
    fields: dict[str, Any],
    device: torch.device,
) -> list[dict[str, Any]]:
    """Of what a plan deploys: its method's own head, its enhancer; a privileged one on high views.

    Where it fuses two networks, their sum and then each of them.
    """
    if (fields["classes"] or "").isdigit():
        raise ElrError("--classes N is for a bare backbone; a plan takes names of its dataset's: --classes A,B,C")
    catalog, plan, _ = make_plan(catalog, planfile, settings, fields)

    from benchmark_core.cost.streams import costs_of_plan
    from benchmark_core.networks.assemble import enhancer_initialisation_of, initialisation_of
    from benchmark_core.plans.resolve import components_of

    components = components_of(catalog, plan)
    for stream in plan.streams:
        if (said := initialisation_of(stream, components)) != plan.weights:
            ConsoleReporter().say(f"weights: {said}")
        if not components.method.oracle and (said := enhancer_initialisation_of(stream, components)):
            ConsoleReporter().say(f"enhancer's weights: {said}")
    return costs_of_plan(plan, components, device, read_size("--low", low) if low else None, thorough=True)


def as_text(record: dict[str, Any]) -> str:
    """The record for people; no GPU, no latency."""
    params, macs, latency = record["params"], record["macs"], record["latency"]
    rows = [
        ("structure", record["structure"]),
        *([("the sum of", f"{len(record['streams'])} networks")] if "streams" in record else []),
        ("parameters", f"{params['total']:,} ({params['total'] / 1e6:.2f} M)"),
        *((f"  {part}", f"{count:,}") for part, count in params.items() if part != "total" and count),
        ("multiply-adds of a view", f"{macs['view'] / 1e9:.4f} G"),
        ("multiply-adds of a clip", f"{macs['clip'] / 1e9:.4f} G"),
    ]
    if macs["enhancer"]:
        rows.append(("  enhancer, of a view", f"{macs['enhancer'] / 1e9:.4f} G"))
    if record["uncounted"]:
        rows.append(("operators not counted", ", ".join(f"{name} x{n}" for name, n in record["uncounted"].items())))
    if record["understated"]:
        rows.append(("a lower bound", f"heavy operators are not counted: {', '.join(record['understated'])}"))
    rows += _latency(latency) if latency else [("latency of a clip", "- (no GPU)")]
    if flow := record.get("flow"):
        rows.append(("optical flow of a field", f"{flow['field']:.2f} ms ({flow['algorithm']}, on the processor)"))
    rows.append(("device", record["device"]))
    return columns(rows)


def _latency(latency: dict[str, Any]) -> list[tuple[str, str]]:
    """Of a clip, of many at once, and of the same in other precisions and compiled."""
    rows = [("latency of a clip", _timed(latency["single"]))]
    if "throughput" in latency:
        rows.append((f"  of {latency['throughput']['batch']} at once", _timed(latency["throughput"])))
    for variant in latency.get("variants", ()):
        name = f"  {variant['precision']}{', compiled' if variant['compiled'] else ''}"
        if "failed" in variant:
            rows.append((name, f"- ({variant['failed']})"))
            continue
        rows.append((name, _timed(variant["single"])))
        rows.append((f"    of {variant['throughput']['batch']} at once", _timed(variant["throughput"])))
    return rows


def _timed(timed: dict[str, Any]) -> str:
    """`1.23 ms (1.22 to 1.25), 123 MiB`."""
    text = f"{timed['median']:.2f} ms ({timed['q1']:.2f} to {timed['q3']:.2f})"
    if "clips_per_second" in timed:
        text += f", {timed['clips_per_second']:.0f} clips/s"
    return text + (f", {timed['peak_memory'] / 2**20:.0f} MiB" if "peak_memory" in timed else "")
