"""A command of several words, such as `elrbench data verify`."""

from __future__ import annotations

import click

from benchmark_core.errors import unknown


class Group(click.Group):
    """List commands in the order of declaration; suggest a name for an unknown one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of declaration."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the error of this project for an unknown name."""
        if args and args[0] not in self.commands and not ctx.resilient_parsing:
            raise unknown("command", f"{self.name} {args[0]}", (f"{self.name} {name}" for name in self.commands))
        return super().resolve_command(ctx, args)
