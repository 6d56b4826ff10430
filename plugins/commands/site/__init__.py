"""`elrbench site`: write the leaderboards as web pages that open from disk."""

from __future__ import annotations

from collections.abc import Iterable

from elrbench import CommandSpec, hookimpl


@hookimpl
def elr_commands() -> Iterable[CommandSpec]:
    """Return the command."""
    return [
        CommandSpec(
            name="site",
            summary="Write the leaderboards as web pages that open from disk.",
            command="elrbench_plugins.commands.site.command:command",
        )
    ]
