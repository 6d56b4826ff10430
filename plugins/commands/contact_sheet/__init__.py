"""`elrbench contact-sheet`: draw high and low views of a dataset as one picture."""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import CommandSpec, hookimpl


@hookimpl
def elr_commands() -> Iterable[CommandSpec]:
    """Return the command."""
    return [
        CommandSpec(
            name="contact-sheet",
            summary="Draw high and low views of a dataset as one picture.",
            command="elrbench_plugins.commands.contact_sheet.command:command",
        )
    ]
