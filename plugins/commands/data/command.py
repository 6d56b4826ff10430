"""The commands `elrbench data info`, `verify` and `prepare`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from benchmark_core.cli.app import Group
from benchmark_core.cli.console import ConsoleReporter, print_json
from benchmark_core.cli.flags import bad_clips_flag, cache_flag, json_flag, plugin_flag
from benchmark_core.errors import unknown
from benchmark_core.plans.plan import read_size
from benchmark_core.runs.request import cache_folder, data_root
from elrbench_plugins.commands.data.text import describe, info_text, prepare_text, verify_text

if TYPE_CHECKING:
    from benchmark_core.catalog import Catalog
    from benchmark_core.specs import DatasetSpec, DegradationSpec, Value
    from elrbench_plugins.commands.data.fill import Wanted

ROOT = click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the dataset. Default: $ELRBENCH_DATA/FOLDER; see `elrbench data info`.",
)
WORKERS = click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Clips decoded in parallel. Default: number of cores, at most 8.",
)
CLASSES = click.option("--classes", metavar="A,B,C", help="Use only these classes. Default: all.")


@click.group("data", cls=Group, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """elrbench data verify jhmdb --data DIR

    Describe, verify and pre-decode a dataset.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


# -- info


@command.command("info", short_help="Describe a dataset and say where to get it.")
@click.argument("name")
@plugin_flag
@json_flag
def info(name: str, plugins: tuple[str, ...], as_json: bool) -> None:
    """elrbench data info jhmdb

    Describe a dataset: where to get it, licence, expected folder layout, protocols with their official clip counts,
    and classes.

    Reads no data, except the folder of a dataset of your own: folder:PATH.
    """
    from benchmark_core.catalog import load_catalog

    catalog = load_catalog(extra=plugins)
    if name not in catalog.datasets:  # a template such as `folder` is described without a folder, too
        catalog, name = catalog.with_folder(name)
    facts = describe(catalog.datasets.spec_of(name), named=name not in catalog.folders)
    if as_json:
        print_json(facts)
    else:
        click.echo(info_text(facts))


# -- verify


@command.command("verify", short_help="Compare a folder with the published dataset; decode every clip.")
@click.argument("name")
@ROOT
@CLASSES
@click.option("--protocol", metavar="NAME", help="Protocol to verify. Default: all.")
@click.option("--sampling", metavar="KxT", help="Report clips that are too short for this sampling. Default: 4x1.")
@click.option("--strict", is_flag=True, help="Exit with 1 also if clips are suspect.")
@WORKERS
@plugin_flag
@json_flag
@click.pass_context
def verify(
    ctx: click.Context,
    name: str,
    data: Path | None,
    classes: str | None,
    protocol: str | None,
    sampling: str | None,
    strict: bool,
    workers: int | None,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """elrbench data verify jhmdb --data DIR

    Compare a folder with the dataset as published. Count clips by fold and class, decode every clip to its end, and
    list clips that are missing, broken, too short or duplicated.

    List clips with signs of damage as suspect: decoder warnings, truncated files, frames of two sizes. Runs use these
    clips. Damage that decodes to valid pictures leaves no sign.

    Exit code: 1 if there is a problem, else 0. Suspect clips are a problem only with --strict.
    """
    from benchmark_core.catalog import load_catalog

    _, spec, options, root = find(load_catalog(extra=plugins), name, data, classes)
    if protocol is not None and protocol not in spec.protocols:
        raise unknown(f"protocol of dataset '{spec.name}'", protocol, spec.protocols)

    from benchmark_core.clips.sampling import Sampling
    from benchmark_core.specs import BackboneSpec
    from elrbench_plugins.commands.data.verify import verify as verify_folder

    report = verify_folder(
        spec,
        options,
        data=root,
        sampling=Sampling.parse(sampling or BackboneSpec.sampling),
        protocols=(protocol,) if protocol else (),
        workers=workers or min(8, os.cpu_count() or 1),
        reporter=ConsoleReporter(),
    )
    if as_json:
        print_json(report.to_json())
    else:
        click.echo(verify_text(report, spec.default_protocol))
    ctx.exit(0 if report.clean and not (strict and report.suspect) else 1)


# -- prepare


@command.command("prepare", short_help="Decode and degrade all clips before any run.")
@click.argument("name")
@ROOT
@CLASSES
@click.option("--protocol", metavar="NAME", help="Protocol whose clips are decoded. Default: the first.")
@click.option("--degradation", metavar="NAME", help="Degradation that makes low views. Default: the dataset's.")
@click.option(
    "--size", metavar="HxW", default="256x340", show_default=True, help="Network size in pixels; size of high views."
)
@click.option("--views", type=click.Choice(("both", "low", "high")), default="both", help="Views to store.")
@bad_clips_flag
@WORKERS
@cache_flag
@plugin_flag
@json_flag
def prepare(
    name: str,
    data: Path | None,
    classes: str | None,
    protocol: str | None,
    degradation: str | None,
    size: str,
    views: str,
    bad_clips: str,
    workers: int | None,
    cache: Path | None,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """elrbench data prepare jhmdb --data DIR --size 96x128

    Decode and degrade the clips of all folds into the clip store, so that runs start without this wait.

    Clips that are already stored are kept. A command that was stopped continues if it is run again.
    """
    from benchmark_core.catalog import load_catalog

    catalog, spec, options, root = find(load_catalog(extra=plugins), name, data, classes)
    protocol = protocol or spec.default_protocol
    if protocol not in spec.protocols:
        raise unknown(f"protocol of dataset '{spec.name}'", protocol, spec.protocols)

    from benchmark_core.atomic import check_writable
    from benchmark_core.plans.resolve import with_options
    from elrbench_plugins.commands.data.fill import fill

    made, numbers = cast(
        "tuple[DegradationSpec, dict[str, Value]]",
        with_options(catalog, "degradation", degradation or spec.degradation),
    )
    folder = cache_folder(cache)
    check_writable(folder)
    filled = fill(
        spec,
        options,
        made,
        numbers,
        protocol=protocol,
        size=read_size("--size", size),
        views=cast("Wanted", views),
        data=root,
        cache=folder,
        bad_clips=bad_clips,
        workers=workers,
        reporter=ConsoleReporter(),
    )
    if as_json:
        print_json({"dataset": spec.name, "protocol": protocol, "cache": str(folder), **filled.to_json()})
    else:
        click.echo(prepare_text(filled, folder))


def find(
    catalog: Catalog, name: str, data: Path | None, classes: str | None
) -> tuple[Catalog, DatasetSpec, dict[str, Value], Path | None]:
    """Return the catalog with the dataset in it, the dataset restricted to `classes`, its options, and its folder.

    The folder is None if the dataset is drawn by code.
    """
    from benchmark_core.clips.classes import pick_classes, with_classes
    from benchmark_core.plans.resolve import with_options

    catalog, name = catalog.with_folder(name, data)
    found, options = with_options(catalog, "dataset", name)
    spec = cast("DatasetSpec", found)
    root = data_root(catalog, name, data)
    picked = pick_classes(spec, [one.strip() for one in classes.split(",")]) if classes else ()
    return catalog, with_classes(spec, picked), options, root
