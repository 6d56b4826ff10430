"""`elrbench publish DIGEST|FOLDER`: a finished run's record and predictions into the leaderboards."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark_core.atomic import check_writable
from benchmark_core.cli.console import ConsoleReporter, print_json
from benchmark_core.cli.flags import board_flag, json_flag


@click.command("publish")
@click.argument("run", metavar="DIGEST|FOLDER")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("elrbench-runs"),
    show_default=True,
    help="The folder that holds DIGEST/.",
)
@board_flag
@json_flag
def command(run: str, out: Path, folder: Path, as_json: bool) -> None:
    """elrbench publish 3f2a90c14b7d5e68

    Copy the record and the predictions of a finished run into the leaderboards' records; tables are then made by
    'elrbench leaderboard'. The first digits of a digest do where they are unique; a run folder may be named instead.
    """
    from benchmark_core.runs.folder import find_run

    source = find_run(run, out)
    check_writable(folder, "--folder")

    from benchmark_core.records import publish

    written = [str(path) for path in publish(source, folder, say=ConsoleReporter().say)]
    if as_json:
        print_json({"run": str(source), "written": written})
    else:
        click.echo("\n".join(written))
