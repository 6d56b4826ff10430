"""`elrbench export`: write a run's recognizer as an ONNX file."""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import CommandSpec, hookimpl


@hookimpl
def elr_commands() -> Iterable[CommandSpec]:
    """Return the command."""
    return [
        CommandSpec(
            name="export",
            summary="Write a run's recognizer as an ONNX file and score it.",
            command="elrbench_plugins.commands.export.command:command",
        )
    ]
