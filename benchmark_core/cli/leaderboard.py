"""`elrbench leaderboard`: tables from records and reported figures. Loads no plugin, no torch and no data."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from benchmark_core.cli.console import print_json
from benchmark_core.cli.flags import board_flag, json_flag
from benchmark_core.errors import ElrError


@click.command("leaderboard")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 with a diff where a table is stale.")
@click.option(
    "--site",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write no tables, but pages that open from disk: DIR is new, empty or an earlier site.",
)
@board_flag
@json_flag
@click.pass_context
def command(ctx: click.Context, check: bool, site: Path | None, folder: Path, as_json: bool) -> None:
    """elrbench leaderboard --check

    Make the Markdown and CSV tables of every track anew, with those of costs and of what papers report, from the
    records and the papers that are installed; or check that they are those. Exit 1 where a table is stale, or
    something cannot be used, such as a record that was cut short: it is named and left out, and the rest is made.

    With --site the same as pages to look at: tables that sort and filter, accuracy against cost, scores class by class
    and by resolution, and of each row its plan, its records and the command that runs it again. They need no network.
    """
    if not folder.is_dir():
        raise ElrError(f"there is no folder {folder}; give --folder, or run in the checkout")
    if site is not None:
        if check:
            raise ElrError("--check looks at the tables and --site writes pages; give one of them")
        ctx.exit(_site(folder, site, as_json))

    from benchmark_core.tables import build_tables, check_tables, write_tables

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
        _say_left_out(tables.problems)
    ctx.exit(1 if tables.problems else 0)


def _site(folder: Path, site: Path, as_json: bool) -> int:
    """The exit code."""
    from benchmark_core.site import build_site, check_folder, write_site

    check_folder(site)
    made = build_site(folder)
    write_site(site, made.files)
    pages = sum(path.suffix == ".html" for path in made.files)
    if as_json:
        print_json({"site": str(site), "pages": pages, "left_out": list(made.problems)})
    else:
        click.echo(f"{site / 'index.html'}: {pages} pages")
        _say_left_out(made.problems)
    return 1 if made.problems else 0


def _say_left_out(problems: Iterable[str]) -> None:
    for problem in problems:
        click.echo(f"elrbench: left out: {problem}", err=True)
