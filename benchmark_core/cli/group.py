"""A command of several words, such as `elrbench data verify`."""

from __future__ import annotations

import click

from benchmark_core.errors import unknown


class Group(click.Group):
    """In the order a newcomer meets them, and with this project's error for an unknown name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """As they were declared."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does."""
        if args and args[0] not in self.commands and not ctx.resilient_parsing:
            raise unknown("command", f"{self.name} {args[0]}", (f"{self.name} {name}" for name in self.commands))
        return super().resolve_command(ctx, args)
