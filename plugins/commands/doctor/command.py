"""The command `elrbench doctor`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark_core.cli.console import columns, print_json
from benchmark_core.cli.flags import cache_flag, json_flag, plugin_flag
from benchmark_core.runs.request import cache_folder


@click.command("doctor")
@cache_flag
@plugin_flag
@json_flag
@click.pass_context
def command(ctx: click.Context, cache: Path | None, plugins: tuple[str, ...], as_json: bool) -> None:
    """elrbench doctor

    Print versions, devices, the video decoder, free space in the cache folder, and the installed plugins. List every
    problem that would stop a run.

    Exit code: 1 if there is a problem, else 0.
    """
    from elrbench_plugins.commands.doctor.examine import examine

    report = examine(cache_folder(cache), plugins)
    if as_json:
        print_json(report.to_json())
    else:
        click.echo(columns(report.lines()))
    ctx.exit(1 if report.troubles else 0)
