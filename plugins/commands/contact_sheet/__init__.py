"""`elrbench contact-sheet`: draw classes of a dataset as one picture, high and low views."""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import CommandSpec, hookimpl


@hookimpl
def elr_commands() -> Iterable[CommandSpec]:
    """Return the command."""
    return [
        CommandSpec(
            name="contact-sheet",
            summary="Draw classes of a dataset as one picture, high and low views.",
            command="elrbench_plugins.commands.contact_sheet.command:command",
        )
    ]
