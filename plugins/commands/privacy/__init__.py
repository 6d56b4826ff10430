"""`elrbench privacy`: what low views give away of the people in them, next to accuracy and cost."""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import CommandSpec, hookimpl


@hookimpl
def elr_commands() -> Iterable[CommandSpec]:
    """Return the command."""
    return [
        CommandSpec(
            name="privacy",
            summary="Measure how well attackers identify people in low views.",
            command="elrbench_plugins.commands.privacy.command:command",
        )
    ]
