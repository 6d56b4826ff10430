"""`elrbench rerun`: run the plan of a record again and compare the two."""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import CommandSpec, hookimpl


@hookimpl
def elr_commands() -> Iterable[CommandSpec]:
    """Return the command."""
    return [
        CommandSpec(
            name="rerun",
            summary="Run the plan of a record again and compare the two.",
            command="elrbench_plugins.commands.rerun.command:command",
        )
    ]
