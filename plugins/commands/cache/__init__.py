"""`elrbench cache`: list, verify, clear and share the cache folder."""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import CommandSpec, hookimpl


@hookimpl
def elr_commands() -> Iterable[CommandSpec]:
    """Return the command."""
    return [
        CommandSpec(
            name="cache",
            summary="List, verify, clear and share the cache folder.",
            command="elrbench_plugins.commands.cache.command:command",
        )
    ]
