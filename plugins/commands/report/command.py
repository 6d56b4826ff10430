"""`elrbench report DIGEST|RUNFOLDER`: a finished run as one page, written into its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmark_core.cli.console import ConsoleReporter, print_json
from benchmark_core.cli.flags import cache_flag, data_flag, device_flag, json_flag, plugin_flag
from benchmark_core.errors import ElrError
from benchmark_core.runs.request import cache_folder, data_root

PATH = click.Path(path_type=Path)


@click.command("report")
@click.argument("run", metavar="DIGEST|RUNFOLDER")
@data_flag
@device_flag
@click.option("--out", type=PATH, metavar="FILE", help="Default: report.html in the run folder.")
@click.option(
    "--clips", type=click.IntRange(0, 100), metavar="N", default=4, show_default=True, help="Best, and worst. 0: none."
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

    Write one page of a finished run that opens anywhere: training curves, confused classes, where its networks look,
    what its enhancer makes of clips, features laid out, best and worst clips, cost and plan. The networks of its stages
    are taken from the cache where they are there. A panel that cannot be drawn says why. Its frames are the dataset's:
    keep the page to yourself where its licence asks for that.
    """
    from benchmark_core.runs.folder import find_run
    from elrbench_plugins.commands.report.extras import check_extra
    from elrbench_plugins.commands.report.read import read_run

    check_extra()
    folder = find_run(run)
    finished = read_run(folder)

    from benchmark_core.atomic import check_writable, write_whole
    from benchmark_core.catalog import load_catalog
    from elrbench_plugins.commands.report.make import PAGE, make_report

    place = out or folder / PAGE
    if place.is_dir():
        raise ElrError(f"--out {place} is a folder; name the file to write")
    reads_clips = clips > 0 and "fused" not in finished.record
    for needed in (place.parent, *([cache_folder(cache)] if reads_clips else [])):
        check_writable(needed)
    name = finished.record["plan"]["dataset"]
    catalog, placed = load_catalog(extra=plugins), name
    if data is not None:
        catalog, placed = catalog.placed(name, data)
        data_root(catalog, placed, data)  # what is asked for must be there
    report = make_report(
        finished,
        catalog,
        find_data=lambda: data_root(catalog, placed, data),
        cache=cache_folder(cache),
        device=device,
        clips=clips,
        extra=place.parent,
        reporter=ConsoleReporter(),
    )

    from elrbench_plugins.commands.report.page import render

    content = render(report).encode(errors="backslashreplace")
    write_whole(place, content)
    told: dict[str, Any] = {
        "file": str(place),
        "bytes": len(content),
        "digest": finished.record["digest"],
        "panels": sorted(report.panels),
        "absent": report.why,
    }
    if as_json:
        print_json(told)
    else:
        for why in dict.fromkeys(report.why.values()):
            panels = ", ".join(panel for panel, reason in report.why.items() if reason == why)
            click.echo(f"not shown: {panels}: {why}")
        click.echo(f"written: {place}")
