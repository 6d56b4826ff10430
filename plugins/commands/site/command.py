"""The command `elrbench site`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark_core.cli.console import print_json
from benchmark_core.cli.flags import board_flag, json_flag
from benchmark_core.cli.leaderboard import print_left_out, print_not_measured
from benchmark_core.errors import ElrError


@click.command("site")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    required=True,
    help="Folder to write: new, empty, or an earlier site.",
)
@board_flag
@json_flag
@click.pass_context
def command(ctx: click.Context, out: Path, folder: Path, as_json: bool) -> None:
    """elrbench site --out elrbench-site

    Write the leaderboards as web pages. Tables can be sorted and filtered. Plots show accuracy over cost, scores per
    class and scores over resolution. Each row opens to show its plan, its records and the command that repeats it. The
    pages open from disk and need no network. Next to a track's page, an SVG picture shows its accuracy over cost.

    Exit code: 1 if a record was left out, else 0.
    """
    from elrbench_plugins.commands.site.folder import check_folder, write_site
    from elrbench_plugins.commands.site.pages import build_site

    if not folder.is_dir():
        raise ElrError(f"the folder {folder} does not exist; pass --folder DIR or run in the checkout")
    check_folder(out)
    made = build_site(folder)
    write_site(out, made.files)
    pages = sum(path.suffix == ".html" for path in made.files)
    if as_json:
        print_json({"site": str(out), "pages": pages, "left_out": list(made.problems)})
    else:
        click.echo(f"{out / 'index.html'}: {pages} pages")
        print_not_measured(made.measured)
        print_left_out(made.problems)
    ctx.exit(1 if made.problems else 0)
