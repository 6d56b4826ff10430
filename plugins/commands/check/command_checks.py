"""Checks of the specs that are not part of a plan: commands and experiment trackers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from benchmark_core.specs import CommandSpec, TrackerSpec
from elrbench_plugins.commands.check.assertions import require
from elrbench_plugins.commands.check.imports import torch_import
from elrbench_plugins.commands.check.source_lines import author_folders


def check_command(spec: CommandSpec) -> Iterator[str]:
    """Check that a command loads without torch and that its help begins with an example."""
    yield "loads"
    loaded: click.Command = spec.load_command()
    yield "loads without torch"
    if isinstance(spec.command, str):
        module = spec.command.partition(":")[0]
        if not module.startswith("elrbench_plugin_"):  # a plugin file is checked as a whole
            author = next(iter(author_folders(spec)), Path())
            where = torch_import([module], author)
            require(not where, f"its module imports torch at {where}; import torch inside the function that needs it")
    yield "help begins with an example"
    first = next((line.strip() for line in (loaded.help or "").splitlines() if line.strip()), "")
    example = f"elrbench {spec.name}"
    require(
        f"{first} ".startswith(f"{example} "),
        f"the first line of its docstring is '{first}'; begin it with '{example}'",
    )
    named = loaded
    for word in first.split()[2:]:
        if isinstance(named, click.Group) and word in named.commands:
            named = named.commands[word]
    known = {option for param in named.params for option in (*param.opts, *param.secondary_opts)} | {"--help"}
    wrong = [word for word in first.split() if word.startswith("--") and word.partition("=")[0] not in known]
    require(not wrong, f"the example in its help uses {', '.join(wrong)}, which it does not have")
    yield "prints its help"
    with click.Context(loaded, info_name=example) as context:
        require(bool(loaded.get_help(context)), "its help is empty")


def check_tracker(spec: TrackerSpec) -> Iterator[str]:
    """Check that a tracker's factory can be imported and called."""
    yield "factory loads"
    require(callable(spec.load(spec.factory)), f"its factory {spec.factory} is not a function")
