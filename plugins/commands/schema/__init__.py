"""`elrbench schema`: print the JSON Schema of records, costs and suites."""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import CommandSpec, hookimpl


@hookimpl
def elr_commands() -> Iterable[CommandSpec]:
    """Return the command."""
    return [
        CommandSpec(
            name="schema",
            summary="Print the JSON Schema of records, costs or suites.",
            command="elrbench_plugins.commands.schema.command:command",
        )
    ]
