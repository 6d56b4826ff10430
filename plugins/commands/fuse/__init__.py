"""`elrbench fuse`: score the mean of the probabilities of several published runs or rows."""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import CommandSpec, hookimpl


@hookimpl
def elr_commands() -> Iterable[CommandSpec]:
    """Return the command."""
    return [
        CommandSpec(
            name="fuse",
            summary="Score the mean of the probabilities of several runs or rows.",
            command="elrbench_plugins.commands.fuse.command:command",
        )
    ]
