"""`elrbench leaderboard`: tables from records and reported figures. Loads no plugin, no torch and no data."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark_core.cli.console import print_json
from benchmark_core.cli.flags import board_flag, json_flag
from benchmark_core.errors import ElrError


@click.command("leaderboard")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 with a diff where a table is stale.")
@board_flag
@json_flag
@click.pass_context
def command(ctx: click.Context, check: bool, folder: Path, as_json: bool) -> None:
    """elrbench leaderboard --check

    Make the Markdown and CSV tables of every track anew, with those of costs and of what papers report, from the
    records and the papers that are installed; or check that they are those. Exit 1 where a table is stale, or
    something cannot be used, such as a record that was cut short: it is named and left out, and the rest is made.
    """
    from benchmark_core.tables import build_tables, check_tables, write_tables

    if not folder.is_dir():
        raise ElrError(f"there is no folder {folder}; give --folder, or run in the checkout")
    tables = build_tables(folder)
    if check:
        stale = check_tables(folder, tables)
        if as_json:
            print_json({"stale": stale})
        else:
            click.echo("\n".join(stale) or f"{folder}: the tables are those of the records")
        ctx.exit(1 if stale else 0)
    changed = [str(path) for path in write_tables(folder, tables)]
    if as_json:
        print_json({"changed": changed, "left_out": list(tables.problems)})
    else:
        click.echo("\n".join(changed) or f"{folder}: the tables were those of the records already")
        for problem in tables.problems:
            click.echo(f"elrbench: left out: {problem}", err=True)
    ctx.exit(1 if tables.problems else 0)
