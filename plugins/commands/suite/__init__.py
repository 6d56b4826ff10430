"""`elrbench suite`: show and run suites, such as the rows of a paper's table."""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import CommandSpec, hookimpl


@hookimpl
def elr_commands() -> Iterable[CommandSpec]:
    """Return the command."""
    return [
        CommandSpec(
            name="suite",
            summary="Show and run suites, such as the rows of a paper's table.",
            command="elrbench_plugins.commands.suite.command:command",
        )
    ]
