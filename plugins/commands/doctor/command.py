"""`elrbench doctor`: what this machine has, and what stands in the way."""

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

    Versions, devices, the video decoder, the cache folder and its free space, the plugins with their distributions, and
    clashes between them. Exit 1 where something stands in the way of a run.
    """
    from elrbench_plugins.commands.doctor.examine import examine

    report = examine(cache_folder(cache), plugins)
    if as_json:
        print_json(report.to_json())
    else:
        click.echo(columns((part, what) for part, what in report.lines()))
    ctx.exit(1 if report.troubles else 0)
