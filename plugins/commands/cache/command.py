"""`elrbench cache ls|verify|clear`: what the cache folder holds, whether it is whole, and room made in it."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import click

from benchmark_core.cli.console import ConsoleReporter, print_json
from benchmark_core.cli.flags import cache_flag, json_flag
from benchmark_core.cli.group import Group
from benchmark_core.errors import ElrError, unknown
from benchmark_core.runs.request import cache_folder

UNITS = {"h": 3600, "d": 86400, "w": 7 * 86400}
PARTS = ("clips", "stages")


@click.group("cache", cls=Group, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """elrbench cache ls

    What the cache folder holds: clips as decoded and degraded, and stages, the fitted pieces that runs share. Whatever
    goes from it is made anew when a run needs it.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@command.command("ls", short_help="recipes and stages, what they cost and when they were last used")
@cache_flag
@json_flag
def ls(cache: Path | None, as_json: bool) -> None:
    """elrbench cache ls

    The clip store's recipes and the stages, latest used first: bytes, what a stage took to fit and where, and at which
    epoch one stands that is not finished.
    """
    from elrbench_plugins.commands.cache.contents import read_cache
    from elrbench_plugins.commands.cache.text import list_text

    found = read_cache(cache_folder(cache))
    if as_json:
        print_json(found.to_json())
    else:
        click.echo(list_text(found))


@command.command("verify", short_help="read every clip and every stage again")
@click.option("--remove", is_flag=True, help="Remove what is broken, so that the next run makes it anew.")
@cache_flag
@json_flag
@click.pass_context
def verify(ctx: click.Context, remove: bool, cache: Path | None, as_json: bool) -> None:
    """elrbench cache verify

    Read every clip file whole, decode its frames, and load every stage's weights. Names what is broken, a line each.
    Exit 1 where something broken is left.
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


@command.command("clear", short_help="remove clips or stages")
@click.argument("parts", nargs=-1, metavar="[clips] [stages]")
@click.option("--stage", "names", multiple=True, metavar="NAME", help="A stage by NAME or NAME-KEY. Repeatable.")
@click.option("--recipe", "recipes", multiple=True, metavar="KEY", help="A recipe's clips, by its key. Repeatable.")
@click.option("--unfinished", is_flag=True, help="Stages that are not finished, those being fitted left out.")
@click.option("--older-than", "age", metavar="30d", help="Only what was not used for so long: 12h, 30d, 8w.")
@click.option("--yes", is_flag=True, help="Do not ask.")
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

    Remove clips, stages, or a selection of them, after asking. What another process is fitting stays, and so do all
    clips in the meantime: exit 1 then. Files that are not the cache's own are not touched, and links not followed.
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
        before=time.time() - _seconds(age) if age else None,
        names=names,
        recipes=recipes,
        unfinished=unfinished,
    )
    components = selection.of(read_cache(cache_folder(cache)))
    if not yes and (components.recipes or components.stages):
        click.echo(choice_text(components), err=True)
        if not sys.stdin.isatty():
            raise ElrError("'elrbench cache clear' asks before it removes, and nobody is there to answer; add --yes")
        if not click.confirm("remove?", err=True):
            click.echo("nothing is removed", err=True)
            ctx.exit(1)
    freed = remove(components)
    if as_json:
        print_json(freed.to_json())
    else:
        click.echo(clear_text(freed))
    ctx.exit(1 if freed.kept else 0)


def _wanted(parts: tuple[str, ...], of_stages: bool, of_clips: bool, aged: bool) -> set[str]:
    """Which of the two are meant: those named, else those that the flags are about, else both if there is an age."""
    implied = {part for part, meant in (("stages", of_stages), ("clips", of_clips)) if meant}
    if not parts:
        if not implied and not aged:
            raise ElrError("say what to clear: clips, stages, or a selection by --stage, --recipe, --older-than, …")
        return implied or set(PARTS)
    if implied - set(parts):
        flag = "--recipe" if "clips" in implied - set(parts) else "--stage or --unfinished"
        raise ElrError(f"{flag} is about {(implied - set(parts)).pop()}, and only {' '.join(parts)} are to be cleared")
    return set(parts)


def _seconds(age: str) -> float:
    found = re.fullmatch(r"(\d{1,6})([hdw])", age)
    if not found:
        raise ElrError(f"--older-than {age} is no age; give hours, days or weeks: 12h, 30d, 8w")
    return float(int(found[1]) * UNITS[found[2]])
