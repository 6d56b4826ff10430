"""`elrbench leaderboard`: make tables from records and reported figures, without torch, plugins or data."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from benchmark_core.cli.console import print_json
from benchmark_core.cli.flags import board_flag, json_flag
from benchmark_core.errors import ElrError


@click.command("leaderboard")
@click.option("--check", is_flag=True, help="Write nothing; print a diff and exit 1 if a table is stale.")
@board_flag
@json_flag
@click.pass_context
def command(ctx: click.Context, check: bool, folder: Path, as_json: bool) -> None:
    """elrbench leaderboard --check

    Regenerate all tables: Markdown and CSV for every track, costs, and reported figures. They are made from the records
    and from the figures of papers in installed packages; torch, plugins and datasets are not loaded. An unusable record
    is named and left out.

    Exit code: 1 if a record was left out, or with --check if a table is stale, else 0.
    """
    if not folder.is_dir():
        raise ElrError(f"the folder {folder} does not exist; pass --folder DIR or run in the checkout")
    from benchmark_core.tables import build_tables, check_tables, write_tables

    tables = build_tables(folder)
    if check:
        stale = check_tables(folder, tables)
        if as_json:
            print_json({"stale": stale})
        else:
            click.echo("\n".join(stale) or f"{folder}: all tables are up to date")
        ctx.exit(1 if stale else 0)
    changed = write_tables(folder, tables)
    if as_json:
        print_json({"changed": list(map(str, changed)), "left_out": list(tables.problems)})
    else:
        lines = [str(path) if path in tables.files else f"removed: {path}" for path in changed]
        click.echo("\n".join(lines) or f"{folder}: all tables were up to date")
        print_not_measured(tables.measured or bool(tables.problems))
        print_left_out(tables.problems)
    ctx.exit(1 if tables.problems else 0)


def print_not_measured(measured: bool) -> None:
    """Print a line to stderr if the board has no record of a run."""
    if not measured:
        from benchmark_core.tables.track_cells import NOTHING_MEASURED

        click.echo(NOTHING_MEASURED.replace("`", "'"), err=True)


def print_left_out(problems: Iterable[str]) -> None:
    """Print a line to stderr for each record that was left out."""
    for problem in problems:
        click.echo(f"elrbench: left out: {problem}", err=True)
