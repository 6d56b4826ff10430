"""`elrbench publish DIGEST|FOLDER`: a finished run's record and predictions into the leaderboards."""

from __future__ import annotations

import re
from pathlib import Path

import click

from benchmark_core.cli.console import Reporter, print_json
from benchmark_core.cli.flags import board_flag, json_flag
from benchmark_core.errors import ElrError, did_you_mean


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
    source = find_run(run, out)
    if not folder.is_dir():
        raise ElrError(f"there is no folder {folder} to publish into; give --folder, or run in the checkout")

    from benchmark_core.records import publish

    written = [str(path) for path in publish(source, folder, say=Reporter().say)]
    if as_json:
        print_json({"run": str(source), "written": written})
    else:
        click.echo("\n".join(written))


def find_run(digest: str, out: Path) -> Path:
    """The run folder under `out` whose name begins with `digest`, or the folder of that path.

    Raises ElrError where there is none, or several.
    """
    if not re.fullmatch(r"[0-9a-f]{4,16}", digest):
        if Path(digest).is_dir():
            return Path(digest)
        raise ElrError(
            f"'{digest}' is neither a run folder nor a digest of 4 to 16 hex digits, as 'elrbench run' printed both"
        )
    folders = out.iterdir() if out.is_dir() else ()
    # Others, such as that of a plan that was run again, are named by their path.
    runs = {path.name: path for path in folders if re.fullmatch("[0-9a-f]{16}", path.name) and path.is_dir()}
    found = [path for name, path in sorted(runs.items()) if name.startswith(digest)]
    if not found:
        raise ElrError(f"no run '{digest}' under {out}. {did_you_mean(digest, runs)}")
    if len(found) > 1:
        raise ElrError(f"'{digest}' is the beginning of {len(found)} runs under {out}: give more digits")
    return found[0]
