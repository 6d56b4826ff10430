"""`elrbench cost`: parameters and MACs of the deployed recognizer, and its latency on a GPU."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark_core.cli.console import ConsoleReporter, columns, print_json
from benchmark_core.cli.flags import board_flag, check_board, device_flag, json_flag, plan_flags
from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import read_size
from benchmark_core.runs.request import make_plan

if TYPE_CHECKING:
    import torch

    from benchmark_core.catalog import Catalog

# Plan flags that a backbone without a plan takes.
BARE = ("backbone", "classes", "enhancer", "modality", "size", "sampling", "weights")


@click.command("cost")
@plan_flags
@click.option("--low", metavar="HxW", help="Low size: input of --enhancer, or size of natively low clips.")
@device_flag
@click.option("--all", "every", is_flag=True, help="Measure every backbone and enhancer in its published settings.")
@click.option("--only", metavar="NAME,NAME", help="With --all: only these components.")
@click.option("--refresh", is_flag=True, help="With --all --publish: measure again what has a current record.")
@click.option("--publish", "keep", is_flag=True, help="Write the cost records into the leaderboards folder.")
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

    Count parameters and multiply-adds (MACs), and measure latency if there is a GPU. Needs no data and no weights.

    To measure one backbone, pass --backbone and --classes N. To measure the recognizer of a plan, pass --method,
    --dataset and other options of 'elrbench run'. To measure every backbone and enhancer, pass --all.

    With --all, a component that fails is reported in one line, the others continue, and the exit code is 1. With --all
    --publish, each record is written as soon as it is measured. A record of the same structure, device and versions is
    kept and not measured again.
    """
    if every:
        _refuse_plan(planfile, low, settings, fields, refresh=refresh, keep=keep)
    elif only is not None or refresh:
        raise ElrError(f"{'--refresh' if only is None else '--only'} needs --all; pass --all")
    from benchmark_core.catalog import load_catalog

    catalog = load_catalog(extra=plugins)
    if keep:
        check_board(folder)
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
            path = folder / COSTS / cost_name(record)
            if replaces(path, record):
                ConsoleReporter().say(f"{path}: replaces an earlier measurement of the same structure and device")
        written = [str(write_cost(folder / COSTS, record)) for record in records]
    if as_json:
        total, *parts = records
        print_json(total | ({"parts": parts} if parts else {}))
    else:
        click.echo("\n\n".join(map(as_text, records)))
        for name in written:
            click.echo(f"published: {name}")


def _refuse_plan(
    planfile: Path | None,
    low: str | None,
    settings: tuple[str, ...],
    fields: dict[str, Any],
    *,
    refresh: bool,
    keep: bool,
) -> None:
    """Raise ElrError if --all comes with a flag for a single network, or --refresh without --publish."""
    given = [f"--{name.replace('_', '-')}" for name, value in fields.items() if value is not None]
    given += ["--plan"] * (planfile is not None) + ["--low"] * (low is not None) + ["--set"] * bool(settings)
    if given:
        raise ElrError(f"{given[0]} describes a single network; remove it or --all")
    if refresh and not keep:
        raise ElrError("--refresh needs --all --publish; pass --publish or remove --refresh")


def _all(
    catalog: Catalog, only: tuple[str, ...], device: torch.device, folder: Path | None, refresh: bool, as_json: bool
) -> int:
    """Measure and print every backbone and enhancer; return the exit code."""
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
    """Return the cost of a backbone with the mean of its logits, with or without an enhancer."""
    given = [f"--{name}" for name, value in fields.items() if value is not None and name not in BARE]
    given += ["--set"] * bool(settings)
    if given:
        raise ElrError(f"{given[0]} needs a plan: pass --method and --dataset")
    for name in ("backbone", "classes"):
        if fields[name] is None:
            raise ElrError(f"--{name} is missing: pass --backbone and --classes, or --method and --dataset")
    classes = fields["classes"]
    if not re.fullmatch(r"[1-9]\d{0,5}", classes):
        raise ElrError(f"--classes {classes}: without --dataset, pass the number of classes, e.g. --classes 101")
    if (low is None) != (fields["enhancer"] is None):
        raise ElrError("--enhancer and --low must be passed together, e.g. --enhancer bicubic --low 12x16")

    from benchmark_core.clips.modality import TEMPORAL, check_modality, early_parts, kind, streams
    from benchmark_core.clips.sampling import Sampling
    from benchmark_core.cost.structure import cost_of, describe_bare
    from benchmark_core.networks.assemble import build_backbone, build_recognizer
    from benchmark_core.specs import NO_ENHANCER
    from benchmark_core.weights_file import add_weights

    catalog, weights = add_weights(catalog, fields["weights"] or "scratch")
    backbone = catalog.backbones[fields["backbone"]]
    enhancer = catalog.enhancers[fields["enhancer"]] if fields["enhancer"] else None
    if backbone.native and enhancer and enhancer.name != NO_ENHANCER:
        raise ElrError(f"backbone '{backbone.name}' works at the low size; remove --enhancer and --low")
    if backbone.native and not fields["size"]:
        raise ElrError(f"backbone '{backbone.name}' works at the low size; pass it, e.g. --size 12x16")
    size = read_size("--size", fields["size"] or "256x340", smallest=backbone.smallest if backbone.native else 1)
    sampling = Sampling.parse(fields["sampling"] or backbone.sampling)
    modality = check_modality(fields["modality"] or "rgb")
    if len(streams(modality)) > 1:
        raise ElrError(f"--modality {modality} is two networks; pass one of {', '.join(streams(modality))}")
    if set(early_parts(modality)) & set(TEMPORAL) and (backbone.dims == 2 or sampling.t == 1):
        raise ElrError(f"--modality {modality} compares frames; pass a 3D --backbone and e.g. --sampling clip-16")
    if kind(modality) == "flow" and enhancer:
        raise ElrError("a flow network takes no enhancer; remove --enhancer and --low")
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
        _, loaded = build_backbone(backbone, int(classes), weights=weights, modality=modality)
        ConsoleReporter().say(f"weights: {loaded}")
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
    """Return the costs of what a plan deploys; for two fused networks the sum first, then each of them."""
    if (fields["classes"] or "").isdigit():
        raise ElrError("with --dataset, --classes takes class names, e.g. --classes A,B,C")
    catalog, plan, _ = make_plan(catalog, planfile, settings, fields)

    from benchmark_core.clips.clip_views import ClipViews
    from benchmark_core.cost.streams import costs_of_plan
    from benchmark_core.networks.assemble import enhancer_initialisation_of, initialisation_of
    from benchmark_core.plans.resolve import components_of

    components = components_of(catalog, plan)
    for stream in plan.streams:
        if (loaded := initialisation_of(stream, components)) != plan.weights:
            ConsoleReporter().say(f"weights: {loaded}")
        if not components.method.oracle and (loaded := enhancer_initialisation_of(stream, components)):
            ConsoleReporter().say(f"enhancer weights: {loaded}")
    if (views := ClipViews.parse(plan.test_views).count) > 1:
        ConsoleReporter().say(f"costs of one view; a test clip has {views}, and tables show the MACs of all of them")
    return costs_of_plan(plan, components, device, read_size("--low", low) if low else None, thorough=True)


def as_text(record: dict[str, Any]) -> str:
    """Format a record; without a GPU the latency is `-`."""
    params, macs, latency = record["params"], record["macs"], record["latency"]
    rows = [
        ("structure", record["structure"]),
        *([("sum of", f"{len(record['streams'])} networks")] if "streams" in record else []),
        ("parameters", f"{params['total']:,} ({params['total'] / 1e6:.2f} M)"),
        *((f"  {name}", f"{count:,}") for name, count in params.items() if name != "total" and count),
        ("MACs per view", f"{macs['view'] / 1e9:.4f} G"),
        ("MACs per clip", f"{macs['clip'] / 1e9:.4f} G"),
    ]
    if macs["enhancer"]:
        rows.append(("  enhancer, per view", f"{macs['enhancer'] / 1e9:.4f} G"))
    if record["uncounted"]:
        rows.append(("uncounted operators", ", ".join(f"{name} x{n}" for name, n in record["uncounted"].items())))
    if record["understated"]:
        rows.append(("lower bound", f"uncounted and heavy: {', '.join(record['understated'])}"))
    rows += _latency(latency) if latency else [("latency per clip", "- (no GPU)")]
    if flow := record.get("flow"):
        rows.append(("optical flow per field", f"{flow['field']:.2f} ms ({flow['algorithm']}, on the CPU)"))
    rows.append(("device", record["device"]))
    return columns(rows)


def _latency(latency: dict[str, Any]) -> list[tuple[str, str]]:
    """Return rows for one clip, for a batch, and for both in other precisions and compiled."""
    rows = [("latency per clip", _timed(latency["single"]))]
    if "throughput" in latency:
        rows.append((f"  batch of {latency['throughput']['batch']}", _timed(latency["throughput"])))
    for variant in latency.get("variants", ()):
        name = f"  {variant['precision']}{', compiled' if variant['compiled'] else ''}"
        if "failed" in variant:
            rows.append((name, f"- ({variant['failed']})"))
            continue
        rows.append((name, _timed(variant["single"])))
        rows.append((f"    batch of {variant['throughput']['batch']}", _timed(variant["throughput"])))
    return rows


def _timed(timed: dict[str, Any]) -> str:
    """Format as `1.23 ms (1.22 to 1.25), 123 MiB`: median, quartiles, peak memory."""
    text = f"{timed['median']:.2f} ms ({timed['q1']:.2f} to {timed['q3']:.2f})"
    if "clips_per_second" in timed:
        text += f", {timed['clips_per_second']:.0f} clips/s"
    return text + (f", {timed['peak_memory'] / 2**20:.0f} MiB" if "peak_memory" in timed else "")
