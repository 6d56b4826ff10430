"""`elrbench hub`: share a trained recognizer with a model card, and fetch one."""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import CommandSpec, hookimpl


@hookimpl
def elr_commands() -> Iterable[CommandSpec]:
    """Return the command."""
    return [
        CommandSpec(
            name="hub",
            summary="Share a recognizer with a model card, or fetch one.",
            command="elrbench_plugins.commands.hub.command:command",
        )
    ]
