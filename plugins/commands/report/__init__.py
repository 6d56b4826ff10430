"""`elrbench report`: write a finished run as one HTML page."""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import CommandSpec, hookimpl


@hookimpl
def elr_commands() -> Iterable[CommandSpec]:
    """Return the command."""
    return [
        CommandSpec(
            name="report",
            summary="Write a finished run as one HTML page.",
            command="elrbench_plugins.commands.report.command:command",
        )
    ]
