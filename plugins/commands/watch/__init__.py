"""`elrbench watch`: classify a live stream or a file with a sliding window."""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import CommandSpec, hookimpl


@hookimpl
def elr_commands() -> Iterable[CommandSpec]:
    """Return the command."""
    return [
        CommandSpec(
            name="watch",
            summary="Classify a camera, a stream or a video with a sliding window.",
            command="elrbench_plugins.commands.watch.command:command",
        )
    ]
