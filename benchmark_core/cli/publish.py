"""`elrbench publish DIGEST|DIR`: copy a finished run to the leaderboards."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark_core.cli.console import ConsoleReporter, print_json
from benchmark_core.cli.flags import board_flag, check_board, json_flag


@click.command("publish")
@click.argument("run", metavar="DIGEST|DIR")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    default=Path("elrbench-runs"),
    show_default=True,
    help="Parent of run folders, in which DIGEST is looked up.",
)
@board_flag
@json_flag
def command(run: str, out: Path, folder: Path, as_json: bool) -> None:
    """elrbench publish 3f2a90c14b7d5e68

    Copy record, predictions and costs of a finished run to the leaderboards folder, which is created if needed. Then
    run 'elrbench leaderboard' to update the tables. Name the run by its digest, by the first digits of the digest if
    they are unique, or by its run folder.
    """
    from benchmark_core.runs.folder import find_run

    source = find_run(run, out)
    check_board(folder)
    from benchmark_core.records import publish

    written = [str(path) for path in publish(source, folder, say=ConsoleReporter().say)]
    if as_json:
        print_json({"run": str(source), "written": written})
    else:
        click.echo("\n".join(written))
