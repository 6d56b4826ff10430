"""Options that override the rows of a suite, and the rows under these options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from benchmark_core.cli.flags import PLAN, data_flag, extra_data_flags, plugin_flag
from benchmark_core.errors import ElrError
from benchmark_core.runs.context import ExtraPaths

if TYPE_CHECKING:
    from benchmark_core.papers.collection import Library
    from elrbench_plugins.commands.suite.rows import PlannedSuite
    from elrbench_plugins.commands.suite.suite import Suite

F = TypeVar("F", bound=Callable[..., Any])
OVER_ROWS = tuple(flag for flag in PLAN if flag[0][0] != "--teacher")

RUNS = Path("elrbench-runs")  # default parent of run folders


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
    text = "Run each row at these sizes of the low view: 6x8,12x16,24x32."
    function = click.option("--sizes", metavar="HxW,HxW", help=text)(function)
    for names, metavar, text in reversed(OVER_ROWS):
        help_text = text.partition(" Default:")[0] + " Default: the row's."
        function = click.option(*names, field_of(names), metavar=metavar, help=help_text)(function)
    return function


def field_of(names: tuple[str, ...]) -> str:
    """Return the field of a plan that an option sets."""
    return names[0].removeprefix("--").replace("-", "_")


def out_flag(function: F) -> F:
    """Add `--out DIR`: the parent of run folders."""
    return click.option(
        "--out",
        type=click.Path(path_type=Path),
        metavar="DIR",
        default=RUNS,
        show_default=True,
        help="Parent of run folders.",
    )(function)


def planned_suite(name: str, flags: Mapping[str, Any]) -> tuple[Library, PlannedSuite]:
    """Return the rows with the options of `over_rows` applied. Checks every name and number before data is read."""
    from benchmark_core.catalog import load_catalog
    from benchmark_core.papers.collection import load_library
    from elrbench_plugins.commands.suite.rows import SuiteRequest, plan_suite
    from elrbench_plugins.commands.suite.sizes import at_sizes, read_sizes

    library = load_library()
    suite = read_named(name, library)
    if flags["sizes"] is not None:
        suite = at_sizes(suite, read_sizes(flags["sizes"]), flags["degradation"])
        flags = {**flags, "degradation": None}
    fields = [field_of(names) for names, _, _ in OVER_ROWS]
    asked = SuiteRequest(
        fields={key: flags[key] for key in fields if flags[key] is not None},
        settings=flags["settings"],
        seeds=read_seeds(flags["seeds"]),
        only=tuple(row.strip() for row in (flags["only"] or "").split(",") if row.strip()),
        data=flags["data"],
        extra=ExtraPaths(unlabelled=flags["unlabelled_data"], high_source=flags["high_source_data"]),
    )
    return library, plan_suite(suite, load_catalog(extra=flags["plugins"]), library, asked)


def read_named(name: str, library: Library) -> Suite:
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


def read_seeds(text: str | None) -> tuple[int, ...]:
    """Return the seeds of `0,1,2`, each once; none for None. Raises ElrError for anything else."""
    if text is None:
        return ()
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words):
        raise ElrError(f"--seeds {text} is not a list of whole numbers from 0, e.g. --seeds 0,1,2")
    return tuple(dict.fromkeys(map(int, words)))
