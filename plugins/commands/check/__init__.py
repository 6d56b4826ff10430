"""`elrbench check`: test every component of a plugin."""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import CommandSpec, hookimpl


@hookimpl
def elr_commands() -> Iterable[CommandSpec]:
    """Return the command."""
    return [
        CommandSpec(
            name="check",
            summary="Test every component of a plugin.",
            command="elrbench_plugins.commands.check.command:command",
        )
    ]
