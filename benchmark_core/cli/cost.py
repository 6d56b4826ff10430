"""`elrbench cost`: parameters and MACs of the deployed recognizer, and its latency on a GPU or a CPU."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark_core.cli.console import ConsoleReporter, print_json
from benchmark_core.cli.cost_text import as_text
from benchmark_core.cli.flags import board_flag, check_board, device_flag, json_flag, plan_flags
from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import read_size
from benchmark_core.runs.request import make_plan

if TYPE_CHECKING:
    import torch

    from benchmark_core.catalog import Catalog
    from benchmark_core.cost.cpu_latency import CpuRequest

# Plan flags that a backbone without a plan takes.
BARE = ("backbone", "classes", "enhancer", "modality", "size", "sampling", "weights")


@click.command("cost")
@plan_flags
@click.option("--low", metavar="HxW", help="With --enhancer: its input size. With natively low clips: their size.")
@device_flag
@click.option("--engines", metavar="NAME,NAME", help="On a CPU: time these of eager, compiled, onnxruntime, int8.")
@click.option("--max-load", metavar="PERCENT", type=float, help="On a CPU: largest load from other processes; 10.")
@click.option("--no-latency", is_flag=True, help="Count only, on the CPU.")
@click.option("--all", "every", is_flag=True, help="Measure every backbone and enhancer in its published settings.")
@click.option("--records", "published", is_flag=True, help="Measure the recognizer of every published record.")
@click.option("--only", metavar="NAME,NAME", help="With --all: only these components.")
@click.option(
    "--refresh", is_flag=True, help="With --publish and --all or --records: measure again what has a current record."
)
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
    engines: str | None,
    max_load: float | None,
    no_latency: bool,
    every: bool,
    published: bool,
    only: str | None,
    refresh: bool,
    keep: bool,
    folder: Path,
    as_json: bool,
    **fields: Any,
) -> None:
    """elrbench cost --backbone resnet34 --classes 101 --sampling 1x1 --size 256x340

    Count parameters and multiply-adds (MACs), and measure latency on a GPU or, without one, on the CPU. Needs no data
    and no weights. A busy CPU is not timed: latency is refused if other processes use more than --max-load of it.

    To measure one backbone, pass --backbone and --classes N. To measure the recognizer of a plan, pass --method,
    --dataset and other options of 'elrbench run'. To measure every backbone and enhancer, pass --all. To measure what
    the published records deploy, each network once, pass --records.

    With --all and --records, what fails is reported in one line, the others continue, and the exit code is 1. With
    --publish, each record is written as soon as it is measured. A record of the same structure, device and versions is
    kept and not measured again.
    """
    if every and published:
        raise ElrError("--all measures components and --records measures recognizers; pass one of them at a time")
    if published and only is not None:
        raise ElrError("--only chooses components, and --records measures recognizers; pass --all or remove --only")
    if every or published:
        _refuse_plan(planfile, low, settings, fields, "--all" if every else "--records", refresh=refresh, keep=keep)
    elif only is not None or refresh:
        raise ElrError(f"{'--refresh' if only is None else '--only'} needs --all; pass --all")
    from benchmark_core.catalog import load_catalog

    catalog = load_catalog(extra=plugins)
    if keep:
        check_board(folder)
    from benchmark_core.training.device import pick_device

    picked = pick_device("cpu" if no_latency and device is None else device)
    cpu = _cpu_request(picked, engines, max_load, counts_only=no_latency)
    if published:
        from benchmark_core.cli.cost_many import measure_records

        ctx.exit(measure_records(catalog, picked, cpu, folder, refresh, as_json, keep=keep))
    if every:
        from benchmark_core.cli.cost_many import measure_components

        names = tuple(name.strip() for name in only.split(",")) if only is not None else ()
        ctx.exit(measure_components(catalog, names, picked, cpu, folder if keep else None, refresh, as_json))
    if planfile is None and fields["method"] is None and fields["dataset"] is None:
        records = [_bare(catalog, low, settings, fields, picked, cpu)]
    else:
        records = _planned(catalog, planfile, low, settings, fields, picked, cpu)
    written = []
    if keep:
        from benchmark_core.records.files import COSTS
        from benchmark_core.records.publish_cost import publish_cost

        written = [str(publish_cost(folder / COSTS, record, say=ConsoleReporter().say)) for record in records]
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
    many: str,
    *,
    refresh: bool,
    keep: bool,
) -> None:
    """Raise ElrError if the flag `many` comes with a flag for a single network, or --refresh without --publish."""
    given = [f"--{name.replace('_', '-')}" for name, value in fields.items() if value is not None]
    given += ["--plan"] * (planfile is not None) + ["--low"] * (low is not None) + ["--set"] * bool(settings)
    if given:
        raise ElrError(f"{given[0]} describes a single network; remove it or {many}")
    if refresh and not keep:
        raise ElrError(f"--refresh needs {many} --publish; pass --publish or remove --refresh")


def _cpu_request(
    device: torch.device, engines: str | None, max_load: float | None, *, counts_only: bool
) -> CpuRequest | None:
    """Return what to time on a CPU, or None to time nothing there. Raises ElrError if flags do not fit the device."""
    given = {"--engines": engines is not None, "--max-load": max_load is not None, "--no-latency": counts_only}
    flags = [flag for flag, present in given.items() if present]
    if flags and device.type != "cpu":
        raise ElrError(f"{flags[0]} is about latency on a CPU, and the device is '{device}'; pass --device cpu")
    if counts_only and len(flags) > 1:
        raise ElrError(f"{flags[0]} and --no-latency contradict each other; remove one")
    if counts_only or device.type != "cpu":
        return None
    from benchmark_core.cost.cpu_latency import CpuRequest
    from benchmark_core.cost.engines import ENGINES
    from benchmark_core.cost.load import LIMIT

    names = list(ENGINES) if engines is None else [name.strip() for name in engines.split(",") if name.strip()]
    return CpuRequest(engines=names, limit=LIMIT if max_load is None else max_load / 100)


def _bare(
    catalog: Catalog,
    low: str | None,
    settings: tuple[str, ...],
    fields: dict[str, Any],
    device: torch.device,
    cpu: CpuRequest | None,
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
        raise ElrError("--enhancer and --low must be passed together: --enhancer NAME --low HxW")

    from benchmark_core.backbone_templates import add_backbone
    from benchmark_core.clips.modality import TEMPORAL, check_modality, early_parts, kind, streams
    from benchmark_core.clips.sampling import Sampling
    from benchmark_core.cost.structure import cost_of, describe_bare
    from benchmark_core.networks.assemble import build_backbone, build_recognizer
    from benchmark_core.specs import NO_ENHANCER
    from benchmark_core.weights_file import add_weights

    catalog, name = add_backbone(catalog, fields["backbone"])
    catalog, weights = add_weights(catalog, fields["weights"] or "scratch")
    backbone = catalog.backbones[name]
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
    return cost_of(recognizer, describe, (height, width), device, thorough=True, cpu=cpu)


def _planned(
    catalog: Catalog,
    planfile: Path | None,
    low: str | None,
    settings: tuple[str, ...],
    fields: dict[str, Any],
    device: torch.device,
    cpu: CpuRequest | None,
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
    size = read_size("--low", low) if low else None
    return costs_of_plan(plan, components, device, size, thorough=True, cpu=cpu)
