"""The command `elrbench report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark_core.cli.console import ConsoleReporter, print_json
from benchmark_core.cli.flags import cache_flag, data_flag, device_flag, json_flag, plugin_flag
from benchmark_core.errors import ElrError
from benchmark_core.runs.request import cache_folder, data_root

if TYPE_CHECKING:
    from benchmark_core.catalog import Catalog

PATH = click.Path(path_type=Path)


@click.command("report")
@click.argument("run", metavar="DIGEST|DIR")
@data_flag
@device_flag
@click.option("--out", type=PATH, metavar="FILE", help="Page to write. Default: report.html in the run folder.")
@click.option(
    "--clips",
    type=click.IntRange(0, 100),
    metavar="N",
    default=4,
    show_default=True,
    help="Number of best and of worst clips; 0: none.",
)
@cache_flag
@plugin_flag
@json_flag
def command(
    run: str,
    data: Path | None,
    device: str | None,
    out: Path | None,
    clips: int,
    cache: Path | None,
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """elrbench report elrbench-runs/3f2a90c14b7d5e68 --data /data/clips

    Write a finished run as one HTML page that opens from disk: training curves, confusion matrix, attention maps,
    enhanced frames, features, best and worst clips, cost and plan.

    Panels with clips need the dataset. Attention maps need the networks of the run's stages in the cache. A panel that
    cannot be drawn says why. The page contains frames of the dataset, whose licence may not allow you to share them.

    Needs the extra 'report'.
    """
    from benchmark_core.runs.folder import find_run
    from elrbench_plugins.commands.report.extras import check_extra
    from elrbench_plugins.commands.report.read_run import read_run

    check_extra()
    folder = find_run(run)
    finished = read_run(folder)

    from benchmark_core.atomic import check_cache, check_writable, write_whole
    from benchmark_core.catalog import load_catalog
    from elrbench_plugins.commands.report.make import PAGE, make_report

    page = out or folder / PAGE
    if page.is_dir():
        raise ElrError(f"--out {page} is a folder; pass a file name")
    reads_clips = clips > 0 and "fused" not in finished.record
    check_writable(page.parent)
    if reads_clips:
        check_cache(cache_folder(cache))
    name = finished.record["plan"]["dataset"]
    catalog, dataset = load_catalog(extra=plugins), name
    if data is not None:
        catalog, dataset = catalog.with_folder(name, data)
        data_root(catalog, dataset, data)  # an explicit --data must exist
    report = make_report(
        finished,
        catalog,
        find_data=lambda: data_folder(catalog, dataset, data),
        cache=cache_folder(cache),
        device=device,
        clips=clips,
        page_folder=page.parent,
        reporter=ConsoleReporter(),
    )

    from elrbench_plugins.commands.report.page import render

    content = render(report).encode(errors="backslashreplace")
    write_whole(page, content)
    result: dict[str, Any] = {
        "file": str(page),
        "bytes": len(content),
        "digest": finished.record["digest"],
        "panels": sorted(report.panels),
        "absent": report.why,
    }
    if as_json:
        print_json(result)
    else:
        for why in dict.fromkeys(report.why.values()):
            panels = ", ".join(panel for panel, reason in report.why.items() if reason == why)
            click.echo(f"not shown: {panels}: {why}")
        click.echo(f"written: {page}")


def data_folder(catalog: Catalog, dataset: str, data: Path | None) -> Path | None:
    """Return the folder of the run's dataset; None if it is drawn by code.

    Raises ElrError if it is not known. A record names a dataset of your own, such as `folder:my-clips`, without its
    folder.
    """
    base = catalog.datasets.spec_of(dataset)
    if data is None and base.at is not None and dataset not in catalog.folders:
        raise ElrError(f"the record does not name the folder of dataset '{dataset}'; pass --data DIR")
    return data_root(catalog, dataset, data)
