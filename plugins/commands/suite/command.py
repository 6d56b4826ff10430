"""The commands `elrbench suite list`, `show` and `run`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from benchmark_core.cli.app import Group
from benchmark_core.cli.console import ConsoleReporter, columns, print_json
from benchmark_core.cli.flags import (
    PLAN,
    bad_clips_flag,
    board_flag,
    cache_flag,
    check_board,
    data_flag,
    device_flag,
    extra_data_flags,
    json_flag,
    plugin_flag,
    shared_clips_flag,
)
from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.runs.context import ExtraPaths
from benchmark_core.runs.request import cache_folder

if TYPE_CHECKING:
    from benchmark_core.papers.collection import Library
    from elrbench_plugins.commands.suite.rows import PlannedSuite
    from elrbench_plugins.commands.suite.suite import Suite

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)
OVER_ROWS = tuple(flag for flag in PLAN if flag[0][0] not in ("--method", "--teacher"))


@click.group("suite", cls=Group, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """elrbench suite show cstat-table4

    Show and run suites: lists of plans, such as the rows of a paper's table with their printed figures, or a YAML file
    of your own.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def over_rows(function: F) -> F:
    """Add options that override plan fields of every row, select rows and seeds, and name data folders."""
    function = plugin_flag(function)
    function = data_flag(extra_data_flags(function))
    text = "Set an option of a component in the rows that have it. Repeatable."
    function = click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=text)(function)
    text = "Seeds to run, one run each. Default: those of the suite."
    function = click.option("--seeds", metavar="N,N,N", help=text)(function)
    function = click.option(
        "--only", metavar="ROW,ROW", help="Use only these rows; patterns such as '*-hmdb51' are allowed."
    )(function)
    for names, metavar, text in reversed(OVER_ROWS):
        help_text = text.partition(" Default:")[0] + " Default: the row's."
        function = click.option(*names, _field(names), metavar=metavar, help=help_text)(function)
    return function


def _field(names: tuple[str, ...]) -> str:
    return names[0].removeprefix("--").replace("-", "_")


# -- list


@command.command("list", short_help="List the installed suites.")
@json_flag
def list_(as_json: bool) -> None:
    """elrbench suite list

    List the suites of all installed packages: name, number of rows, title, package.
    """
    from benchmark_core.papers.collection import load_library
    from elrbench_plugins.commands.suite.suite import read_suite

    library = load_library()
    rows = []
    for name, file in library.suites.items():
        from benchmark_core.strict_yaml import parse_yaml

        suite = read_suite(parse_yaml(file.text, file.where), file.where, name)
        rows.append((name, len(suite.rows), suite.title, file.owner))
    if as_json:
        print_json(
            [
                {"suite": name, "rows": count, "title": title, "distribution": who.distribution, "version": who.version}
                for name, count, title, who in rows
            ]
        )
    else:
        click.echo(columns((name, f"{count} rows", title, str(who)) for name, count, title, who in rows))


# -- show


@command.command("show", short_help="Show the rows of a suite: printed figures, plans, cost.")
@click.argument("name", metavar="NAME|FILE")
@over_rows
@click.option("--no-cost", is_flag=True, help="Do not count parameters and MACs.")
@cache_flag
@json_flag
def show(name: str, no_cost: bool, cache: Path | None, as_json: bool, **flags: Any) -> None:
    """elrbench suite show cstat-table4

    Show every row with its printed figure, its plan, and its cost: parameters, and the MACs of a clip and of training.
    Needs no data.

    Counts are kept in the cache folder. They are repeated when code changes.
    """
    library, planned = _planned(name, flags)

    from elrbench_plugins.commands.suite.show_text import show_json, show_text

    estimates = {} if no_cost else _estimates(planned, cache_folder(cache))
    if as_json:
        print_json(show_json(planned, library, estimates))
    else:
        click.echo(show_text(planned, library, estimates))


def _estimates(planned: PlannedSuite, root: Path) -> Mapping[str, Any]:
    """Return row -> counts of the row's first run. root: the cache folder."""
    from elrbench_plugins.commands.suite.counts import CountCache

    cache = CountCache(root)
    rows = {row.row.name: (row.plans[0], row.components) for row in planned.rows if row.plans and row.components}
    found = {name: cache.read(*pair) for name, pair in rows.items()}
    absent = [name for name, estimate in found.items() if estimate is None]
    if not absent:
        return found
    from elrbench_plugins.commands.suite.estimate import Estimator

    estimator, reporter = Estimator(planned.catalog), ConsoleReporter(quiet=len(absent) < 4)
    unwritten: RunFailed | None = None
    with reporter.steps("counting", len(absent)) as advance:
        for name in absent:
            found[name] = estimate = estimator.of(*rows[name])
            try:
                cache.write(*rows[name], estimate)
            except RunFailed as error:
                unwritten = error
            advance(1)
    if unwritten is not None:
        ConsoleReporter().warn(f"the counts are not kept: {unwritten}")
    return found


# -- run


@command.command("run", short_help="Run the rows of a suite and compare with printed figures.")
@click.argument("name", metavar="NAME|FILE")
@over_rows
@bad_clips_flag
@shared_clips_flag
@device_flag
@click.option(
    "--out",
    type=PATH,
    metavar="DIR",
    default=Path("elrbench-runs"),
    show_default=True,
    help="Parent of run folders.",
)
@cache_flag
@click.option(
    "--publish", "publish_to", is_flag=True, help="Copy records and predictions into the leaderboards folder."
)
@board_flag
@click.option("--dry-run", is_flag=True, help="List the runs and their state, and exit.")
@json_flag
@click.pass_context
def run(
    ctx: click.Context,
    /,
    name: str,
    bad_clips: str,
    device: str | None,
    out: Path,
    cache: Path | None,
    publish_to: bool,
    folder: Path,
    dry_run: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """elrbench suite run cstat-table4 --dataset jhmdb --budget small

    Run every row, one run per seed and fold, and print the paper's figures next to the measured ones.

    Finished runs, in --out or in the leaderboards folder, are not run again. If a row fails, the others still run.

    Exit code: 1 if a run failed or could not be published, else 0.
    """
    _, planned = _planned(name, flags)
    if publish_to:
        check_board(folder)

    from elrbench_plugins.commands.suite.plan_runner import PlanRunner, publish_earlier
    from elrbench_plugins.commands.suite.results import lines_of
    from elrbench_plugins.commands.suite.run_text import run_json, run_text, runs_json, runs_text
    from elrbench_plugins.commands.suite.suite_runs import RunOutcome, failed_runs, finished_runs, run_all, runs_of

    runs = runs_of(planned.rows)
    reporter = ConsoleReporter()
    runner = PlanRunner(planned, flags, bad_clips, device, cache, folder if publish_to else None, reporter)
    done, remarks = runner.on_these_clips(runs, finished_runs(runs, out, folder if folder.is_dir() else None))
    if dry_run:
        if as_json:
            print_json(runs_json(planned, runs, done))
        else:
            click.echo(runs_text(planned, runs, done))
        return
    if not runs:
        row = planned.rows[0]
        raise ElrError(f"suite '{planned.suite.name}' has nothing to run: {row.row.name}: {row.failed or row.left_out}")
    start = runner.start(runs, done) if any(one.plan.digest not in done for one in runs) else None
    for remark in planned.remarks:
        reporter.warn(remark)
    outcome = RunOutcome(records=done, failures={})
    if start is not None:
        outcome = run_all(runs, done, out, start, reporter, remarks)
    unpublished = publish_earlier(runs, done, out, folder, reporter) if publish_to else []
    lines = lines_of(planned.rows, outcome)
    if as_json:
        print_json(run_json(planned, lines))
    else:
        click.echo(run_text(planned, lines))
    for line in (*failed_runs(runs, outcome.failures), *unpublished):
        click.echo(f"elrbench: failed: {line}", err=True)
    for row in planned.rows:
        if row.failed:
            click.echo(f"elrbench: failed: {row.row.name}: {row.failed}", err=True)
    ctx.exit(1 if outcome.failures or unpublished or any(row.failed for row in planned.rows) else 0)


# -- rows under the options


def _planned(name: str, flags: Mapping[str, Any]) -> tuple[Library, PlannedSuite]:
    """Return the rows with the options of `over_rows` applied. Checks every name and number before data is read."""
    from benchmark_core.catalog import load_catalog
    from benchmark_core.papers.collection import load_library
    from elrbench_plugins.commands.suite.rows import SuiteRequest, plan_suite

    library = load_library()
    suite = _read(name, library)
    fields = [_field(names) for names, _, _ in OVER_ROWS]
    asked = SuiteRequest(
        fields={key: flags[key] for key in fields if flags[key] is not None},
        settings=flags["settings"],
        seeds=_seeds(flags["seeds"]),
        only=tuple(row.strip() for row in (flags["only"] or "").split(",") if row.strip()),
        data=flags["data"],
        extra=ExtraPaths(unlabelled=flags["unlabelled_data"], high_source=flags["high_source_data"]),
    )
    return library, plan_suite(suite, load_catalog(extra=flags["plugins"]), library, asked)


def _read(name: str, library: Library) -> Suite:
    """Read a file if the name looks like a path, else a suite of the library."""
    from benchmark_core.strict_yaml import parse_yaml, read_yaml
    from elrbench_plugins.commands.suite.suite import read_suite

    path = Path(name)
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        return read_suite(read_yaml(path), str(path), path.stem)
    if name not in library.suites and (extra := Path(f"{name}.yaml")).is_file():
        raise ElrError(f"unknown suite '{name}'; to use the file {extra}, pass {extra}")
    file = library.suite(name)
    return read_suite(parse_yaml(file.text, file.where), file.where, name)


def _seeds(text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words):
        raise ElrError(f"--seeds {text} is not a list of whole numbers from 0, e.g. --seeds 0,1,2")
    return tuple(dict.fromkeys(map(int, words)))
