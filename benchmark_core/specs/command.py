"""The spec of a command: one more `elrbench NAME`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from benchmark_core.errors import ElrError
from benchmark_core.specs.spec import Spec
from benchmark_core.specs.target import Target, resolve


@dataclass(frozen=True, kw_only=True)
class CommandSpec(Spec):
    """A command of the `elrbench` program.

    name: what the user types after `elrbench`. summary: its line in `elrbench --help`.
    command: a `click.Command`, as "module:attribute"; the module is imported when the command runs.
    """

    kind: ClassVar[str] = "command"
    command: Target

    def load_command(self) -> Any:
        """The `click.Command`. Raises ElrError if the target is missing or is something else."""
        import click

        self.check_extra()
        found = resolve(self.command)
        if not isinstance(found, click.Command):
            raise ElrError(f"command '{self.name}': {self.command} is a {type(found).__name__}, not a click.Command")
        return found
