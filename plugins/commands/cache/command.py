"""The commands `elrbench cache ls`, `verify`, `clear`, `push` and `pull`."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from benchmark_core.cli.app import Group
from benchmark_core.cli.console import ConsoleReporter, print_json
from benchmark_core.cli.flags import cache_flag, json_flag
from benchmark_core.errors import ElrError, unknown
from benchmark_core.runs.request import cache_folder

if TYPE_CHECKING:
    from elrbench_plugins.commands.cache.sharing import Moved

UNITS = {"h": 3600, "d": 86400, "w": 7 * 86400}
PARTS = ("clips", "stages", "counts")
SHARED = ("clips", "stages")
F = TypeVar("F", bound=Callable[..., Any])


@click.group("cache", cls=Group, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """elrbench cache ls

    List, verify, clear and share the cache folder. It holds decoded and degraded clips; stages, which are training
    results that runs share; and counts, which 'elrbench suite show' keeps.

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

    A stage that another process is training is kept, and so are all clips while it trains. So is what another process
    finishes or uses before you confirm, if --unfinished or --older-than would then not select it. Files that are not
    part of the cache are not touched, and links are not followed.

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
    freed = remove(selected, ConsoleReporter(), selection)
    if as_json:
        print_json(freed.to_json())
    else:
        click.echo(clear_text(freed))
    ctx.exit(1 if freed.kept else 0)


def shared_parts(function: F) -> F:
    """Add the arguments and options of `push` and `pull`."""
    function = json_flag(cache_flag(function))
    text = "Only clips of this stored format, by its key. Repeatable."
    function = click.option("--recipe", "recipes", multiple=True, metavar="KEY", help=text)(function)
    text = "Only this stage. Repeatable."
    function = click.option("--stage", "names", multiple=True, metavar="NAME|NAME-KEY", help=text)(function)
    function = click.argument("parts", nargs=-1, metavar="[clips|stages]...")(function)
    return click.argument("url", metavar="URL")(function)


@command.command("push", short_help="Copy clips and stages to a shared folder.")
@shared_parts
@click.pass_context
def push(
    ctx: click.Context,
    url: str,
    parts: tuple[str, ...],
    names: tuple[str, ...],
    recipes: tuple[str, ...],
    cache: Path | None,
    as_json: bool,
) -> None:
    """elrbench cache push s3://bucket/cache stages

    Copy clips and finished stages that the shared folder lacks, after their checksums were verified. URL is a URL of
    fsspec, or a folder. Nothing there is overwritten. Several processes and computers may push at the same time.

    Exit code: 1 if something is broken and was not copied, else 0.
    """
    from elrbench_plugins.commands.cache.clearing import Selection
    from elrbench_plugins.commands.cache.contents import read_cache
    from elrbench_plugins.commands.cache.pushing import push as copy
    from elrbench_plugins.commands.cache.sharing import shared_folder

    root = cache_folder(cache)
    folder = shared_folder(url, root)
    wanted = _shared(parts, bool(names), bool(recipes))
    selection = Selection(clips="clips" in wanted, stages="stages" in wanted, names=names, formats=recipes)
    moved = copy(selection.of(read_cache(root)), folder, cache=root, reporter=ConsoleReporter())
    _print_moved(ctx, moved, f"copied from {root} to {folder.shown}", as_json)


@command.command("pull", short_help="Copy clips and stages from a shared folder.")
@shared_parts
@click.pass_context
def pull(
    ctx: click.Context,
    url: str,
    parts: tuple[str, ...],
    names: tuple[str, ...],
    recipes: tuple[str, ...],
    cache: Path | None,
    as_json: bool,
) -> None:
    """elrbench cache pull s3://bucket/cache

    Copy clips and stages that the cache lacks, and verify the checksum of each before a run can see it. URL is what
    'elrbench cache push' filled. Nothing in the cache is overwritten; runs may use the cache meanwhile.

    Exit code: 1 if something is broken, or is being trained here, and was not copied, else 0.
    """
    from benchmark_core.atomic import check_writable
    from elrbench_plugins.commands.cache.contents import read_cache
    from elrbench_plugins.commands.cache.pulling import Wanted
    from elrbench_plugins.commands.cache.pulling import pull as copy
    from elrbench_plugins.commands.cache.sharing import shared_folder

    root = cache_folder(cache)
    folder = shared_folder(url, root)
    if root.is_dir() and any(root.iterdir()):
        read_cache(root)  # refuses a folder of something else
    for part in SHARED:
        check_writable(root / part, "--cache")
        (root / part).mkdir(parents=True, exist_ok=True)
    chosen = _shared(parts, bool(names), bool(recipes))
    wanted = Wanted(clips="clips" in chosen, stages="stages" in chosen, formats=recipes, names=names)
    moved = copy(folder, wanted, cache=root, reporter=ConsoleReporter())
    _print_moved(ctx, moved, f"copied from {folder.shown} to {root}", as_json)


def _print_moved(ctx: click.Context, moved: Moved, what: str, as_json: bool) -> None:
    from elrbench_plugins.commands.cache.text import moved_text

    if as_json:
        print_json(moved.to_json())
    else:
        click.echo(moved_text(moved, what))
    ctx.exit(1 if moved.faults else 0)


def _shared(parts: tuple[str, ...], of_stages: bool, of_clips: bool) -> set[str]:
    """Return which of clips and stages to copy: those named or that the options refer to, else both."""
    for part in parts:
        if part not in SHARED:
            raise unknown("part of a shared cache", part, SHARED)
    return set(SHARED) if not parts and not of_stages and not of_clips else _wanted(parts, of_stages, of_clips, False)


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
