"""The commands `elrbench cache ls`, `verify` and `clear`."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import click

from benchmark_core.cli.app import Group
from benchmark_core.cli.console import ConsoleReporter, print_json
from benchmark_core.cli.flags import cache_flag, json_flag
from benchmark_core.errors import ElrError, unknown
from benchmark_core.runs.request import cache_folder

UNITS = {"h": 3600, "d": 86400, "w": 7 * 86400}
PARTS = ("clips", "stages", "counts")


@click.group("cache", cls=Group, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """elrbench cache ls

    List, verify and clear the cache folder. It holds decoded and degraded clips; stages, which are training results
    that runs share; and counts, which 'elrbench suite show' keeps.

    What is removed is rebuilt when a run needs it.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@command.command("ls", short_help="List clips and stages: size, training time, last use.")
@cache_flag
@json_flag
def ls(cache: Path | None, as_json: bool) -> None:
    """elrbench cache ls

    List stored clips by format, and stages, last used first. Print sizes, the training time and device of each stage,
    and the epoch that an unfinished stage has reached. Print the size of the counts.
    """
    from elrbench_plugins.commands.cache.contents import read_cache
    from elrbench_plugins.commands.cache.text import list_text

    found = read_cache(cache_folder(cache))
    if as_json:
        print_json(found.to_json())
    else:
        click.echo(list_text(found))


@command.command("verify", short_help="Read every clip and every stage; list the broken ones.")
@click.option("--remove", is_flag=True, help="Remove what is broken. It is rebuilt when a run needs it.")
@cache_flag
@json_flag
@click.pass_context
def verify(ctx: click.Context, remove: bool, cache: Path | None, as_json: bool) -> None:
    """elrbench cache verify

    Read every clip file, decode its frames, and load the weights of every stage. List what is broken, one per line.

    Exit code: 1 if something broken is left, else 0.
    """
    from elrbench_plugins.commands.cache.contents import read_cache
    from elrbench_plugins.commands.cache.reading import verify as read_again
    from elrbench_plugins.commands.cache.text import verify_text

    report = read_again(read_cache(cache_folder(cache)), reporter=ConsoleReporter(), remove=remove)
    if as_json:
        print_json(report.to_json())
    else:
        click.echo(verify_text(report))
    ctx.exit(1 if any(not one.removed for one in report.broken) else 0)


@command.command("clear", short_help="Remove clips, stages or counts.")
@click.argument("parts", nargs=-1, metavar="[clips|stages|counts]...")
@click.option("--stage", "names", multiple=True, metavar="NAME|NAME-KEY", help="Remove this stage. Repeatable.")
@click.option(
    "--recipe",
    "recipes",
    multiple=True,
    metavar="KEY",
    help="Remove clips of this stored format, by its key. Repeatable.",
)
@click.option("--unfinished", is_flag=True, help="Remove stages that are not finished, except those being trained.")
@click.option("--older-than", "age", metavar="AGE", help="Remove only what was not used for this long: 12h, 30d, 8w.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@cache_flag
@json_flag
@click.pass_context
def clear(
    ctx: click.Context,
    parts: tuple[str, ...],
    names: tuple[str, ...],
    recipes: tuple[str, ...],
    unfinished: bool,
    age: str | None,
    yes: bool,
    cache: Path | None,
    as_json: bool,
) -> None:
    """elrbench cache clear stages --older-than 30d

    Remove clips, stages, counts, or a selection of them, after confirmation.

    A stage that another process is training is kept, and so are all clips while it trains. Files that are not part of
    the cache are not touched, and links are not followed.

    Exit code: 1 if something was kept or you declined, else 0.
    """
    from elrbench_plugins.commands.cache.clearing import Selection
    from elrbench_plugins.commands.cache.clearing import clear as remove
    from elrbench_plugins.commands.cache.contents import read_cache
    from elrbench_plugins.commands.cache.text import choice_text, clear_text

    for part in parts:
        if part not in PARTS:
            raise unknown("part of the cache", part, PARTS)
    wanted = _wanted(parts, bool(names) or unfinished, bool(recipes), bool(age))
    selection = Selection(
        clips="clips" in wanted,
        stages="stages" in wanted,
        counts="counts" in wanted,
        before=time.time() - _seconds(age) if age else None,
        names=names,
        formats=recipes,
        unfinished=unfinished,
    )
    selected = selection.of(read_cache(cache_folder(cache)))
    if not yes and (selected.formats or selected.stages or selected.counts):
        click.echo(choice_text(selected), err=True)
        if not sys.stdin.isatty():
            raise ElrError("'elrbench cache clear' needs confirmation, but stdin is not a terminal; add --yes")
        if not click.confirm("remove?", err=True):
            click.echo("nothing was removed", err=True)
            ctx.exit(1)
    freed = remove(selected, ConsoleReporter())
    if as_json:
        print_json(freed.to_json())
    else:
        click.echo(clear_text(freed))
    ctx.exit(1 if freed.kept else 0)


def _wanted(parts: tuple[str, ...], of_stages: bool, of_clips: bool, aged: bool) -> set[str]:
    """Return the parts to clear: those named, else those that the flags refer to, else both if an age is given."""
    implied = {part for part, meant in (("stages", of_stages), ("clips", of_clips)) if meant}
    if not parts:
        if not implied and not aged:
            raise ElrError(
                "nothing is selected; pass clips, stages, counts, --stage, --recipe, --unfinished or --older-than"
            )
        return implied or set(PARTS)
    if implied - set(parts):
        part = (implied - set(parts)).pop()
        flag = "--recipe" if part == "clips" else "--stage or --unfinished"
        raise ElrError(f"{flag} selects {part}, but only {' '.join(parts)} was passed; add {part}")
    return set(parts)


def _seconds(age: str) -> float:
    found = re.fullmatch(r"(\d{1,6})([hdw])", age)
    if not found:
        raise ElrError(f"--older-than {age} is not an age; pass hours, days or weeks: 12h, 30d, 8w")
    return float(int(found[1]) * UNITS[found[2]])
