"""`elrbench doctor`: check versions, devices, folders and plugins of this machine."""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import CommandSpec, hookimpl


@hookimpl
def elr_commands() -> Iterable[CommandSpec]:
    """Return the command."""
    return [
        CommandSpec(
            name="doctor",
            summary="Check versions, devices, folders and plugins of this machine.",
            command="elrbench_plugins.commands.doctor.command:command",
        )
    ]
