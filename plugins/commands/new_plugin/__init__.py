"""`elrbench new-plugin`: write a plugin package to start from."""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import CommandSpec, hookimpl


@hookimpl
def elr_commands() -> Iterable[CommandSpec]:
    """Return the command."""
    return [
        CommandSpec(
            name="new-plugin",
            summary="Write a plugin package: module, test, CI workflow, README.",
            command="elrbench_plugins.commands.new_plugin.command:command",
        )
    ]
