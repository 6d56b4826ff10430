"""The command `elrbench suite` with `list` and `show`; its other commands are in modules of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark_core.cli.app import Group
from benchmark_core.cli.console import ConsoleReporter, columns, print_json
from benchmark_core.cli.flags import cache_flag, json_flag
from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.runs.request import cache_folder
from elrbench_plugins.commands.suite.flags import over_rows, planned_suite
from elrbench_plugins.commands.suite.jobs_command import cancel_command, missing_command, status_command
from elrbench_plugins.commands.suite.run_command import run_command

if TYPE_CHECKING:
    from elrbench_plugins.commands.suite.rows import PlannedSuite


@click.group("suite", cls=Group, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """elrbench suite show cstat-table4

    Show and run suites: lists of plans, such as the rows of a paper's table with their printed figures, or a YAML file
    of your own.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


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
@click.argument("name", metavar="NAME|FILE", required=False)
@over_rows
@click.option("--no-cost", is_flag=True, help="Do not count parameters and MACs.")
@click.option("--all", "every", is_flag=True, help="Plan for all installed suites; needs --device.")
@click.option("--device", metavar="NAME", help="Plan for GPUs of another machine: a100, h100 or h200.")
@click.option(
    "--efficiency",
    type=float,
    metavar="X",
    help="Share of the peak that training reaches. Default: 0.15, assumed.",
)
@click.option("--gpus", metavar="N,N", default="1,8,64", show_default=True, help="Numbers of GPUs to plan for.")
@cache_flag
@json_flag
def show(
    name: str | None,
    no_cost: bool,
    every: bool,
    device: str | None,
    efficiency: float | None,
    gpus: str,
    cache: Path | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """elrbench suite show cstat-table4

    Show every row with its printed figure, its plan, and its cost: parameters, and the MACs of a clip and of training.
    Needs no data.

    Counts are kept in the cache folder. They are repeated when code changes.

    With --device, plan instead: GPU-hours of each suite, hours on several GPUs, and what limits them.
    """
    if (name is None) != every:
        raise ElrError("pass the name of one suite, or --all for all of them")
    if device is not None:
        _show_plans([name] if name else None, device, efficiency, gpus, as_json, flags)
        return
    if name is None or efficiency is not None:
        raise ElrError(f"{'--all' if name is None else '--efficiency'} needs --device NAME, e.g. --device h100")
    library, planned = planned_suite(name, flags)

    from elrbench_plugins.commands.suite.show_text import show_json, show_text

    estimates = {} if no_cost else _estimates(planned, cache_folder(cache))
    if as_json:
        print_json(show_json(planned, library, estimates))
    else:
        click.echo(show_text(planned, library, estimates))


def _show_plans(
    names: Sequence[str] | None,
    device: str,
    efficiency: float | None,
    gpus: str,
    as_json: bool,
    flags: Mapping[str, Any],
) -> None:
    """Print what suites would cost on a device. names: None for all installed suites."""
    from benchmark_core.papers.collection import load_library
    from elrbench_plugins.commands.suite.cluster.accelerators import EFFICIENCY, accelerator, check_efficiency
    from elrbench_plugins.commands.suite.cluster.planning import plan_costs
    from elrbench_plugins.commands.suite.cluster.planning_text import costs_json, costs_text

    spec, share = accelerator(device), check_efficiency(EFFICIENCY if efficiency is None else efficiency)
    words = [word.strip() for word in gpus.split(",")]
    if not all(word.isdecimal() and int(word) for word in words):
        raise ElrError(f"--gpus {gpus} is not a list of whole numbers from 1, e.g. --gpus 1,8,64")
    planned = [planned_suite(name, flags)[1] for name in (names or load_library().suites)]
    costs = plan_costs(planned, spec, share, list(map(int, words)))
    if as_json:
        print_json(costs_json(costs))
    else:
        click.echo(costs_text(costs))


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
    with reporter.steps("counting", len(absent), "rows") as advance:
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


for other in (run_command, status_command, cancel_command, missing_command):
    command.add_command(other)
