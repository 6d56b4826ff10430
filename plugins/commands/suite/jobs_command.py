"""The commands `elrbench suite status`, `cancel` and `missing`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from benchmark_core.cli.console import print_json
from benchmark_core.cli.flags import board_flag, json_flag
from elrbench_plugins.commands.suite.flags import out_flag, over_rows, planned_suite


def suite_of(name: str) -> str:
    """Return the name of a suite, given it or its file."""
    return re.sub(r"\.ya?ml$", "", Path(name).name)


@click.command("status", short_help="Show the jobs of a suite: state, stage, epoch, ETA, host, log.")
@click.argument("name", metavar="NAME|FILE")
@out_flag
@json_flag
def status_command(name: str, out: Path, as_json: bool) -> None:
    """elrbench suite status cstat-table4

    Show the jobs that `elrbench suite run --jobs` has started: state, stage, epoch, estimated time left, host and log.

    Reads files in --out alone, so that it works on every machine that sees the folder.
    """
    from elrbench_plugins.commands.suite.cluster.sheet import read_sheet
    from elrbench_plugins.commands.suite.cluster.status import status_json, status_text, statuses

    sheet = read_sheet(out, suite_of(name))
    found = statuses(sheet, out)
    if as_json:
        print_json(status_json(sheet, found))
    else:
        click.echo(status_text(sheet, found))


@click.command("cancel", short_help="End the jobs of a suite.")
@click.argument("name", metavar="NAME|FILE")
@out_flag
@json_flag
def cancel_command(name: str, out: Path, as_json: bool) -> None:
    """elrbench suite cancel cstat-table4

    End the jobs of a suite, queued and running. `elrbench suite run` continues them from their last finished epoch.
    """
    from elrbench_plugins.commands.suite.cluster.cancel import cancel_jobs
    from elrbench_plugins.commands.suite.cluster.sheet import read_sheet

    count = cancel_jobs(read_sheet(out, suite_of(name)), out)
    if as_json:
        print_json({"cancelled": count})
    else:
        click.echo(f"{count} jobs cancelled")


@click.command("missing", short_help="List the runs of a suite that have no published record.")
@click.argument("name", metavar="NAME|FILE")
@over_rows
@click.option("--commands", is_flag=True, help="Print only the commands, one per line.")
@out_flag
@board_flag
@json_flag
def missing_command(name: str, commands: bool, out: Path, folder: Path, as_json: bool, **flags: Any) -> None:
    """elrbench suite missing cstat-table4

    List the runs that have no published record, with a command for each: a queue of work for several machines.

    Needs no data. Options that change rows, such as --budget, are repeated in each command.
    """
    _, planned = planned_suite(name, flags)

    from elrbench_plugins.commands.suite.missing import commands_text, missing_json, missing_runs, missing_text

    found = missing_runs(name, planned, flags, folder, out)
    if as_json:
        print_json(missing_json(planned, found))
    elif commands:
        click.echo(commands_text(found))
    else:
        click.echo(missing_text(planned, found))
