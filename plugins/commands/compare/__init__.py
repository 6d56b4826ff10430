"""`elrbench compare`: compare two runs or table rows on the same clips."""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import CommandSpec, hookimpl


@hookimpl
def elr_commands() -> Iterable[CommandSpec]:
    """Return the command."""
    return [
        CommandSpec(
            name="compare",
            summary="Compare two runs or table rows on the same clips.",
            command="elrbench_plugins.commands.compare.command:command",
        )
    ]
