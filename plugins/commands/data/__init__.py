"""`elrbench data`: describe, verify and pre-decode a dataset."""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import CommandSpec, hookimpl


@hookimpl
def elr_commands() -> Iterable[CommandSpec]:
    """Return the command."""
    return [
        CommandSpec(
            name="data",
            summary="Describe, verify and pre-decode a dataset.",
            command="elrbench_plugins.commands.data.command:command",
        )
    ]
