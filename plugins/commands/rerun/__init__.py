"""`elrbench rerun`: run the plan of a record again and compare the results."""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import CommandSpec, hookimpl


@hookimpl
def elr_commands() -> Iterable[CommandSpec]:
    """Return the command."""
    return [
        CommandSpec(
            name="rerun",
            summary="Run the plan of a record again and compare the results.",
            command="elrbench_plugins.commands.rerun.command:command",
        )
    ]
