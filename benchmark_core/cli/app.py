"""The group of commands, and the console script: exit codes and one-line errors."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

import click

from benchmark_core.errors import ElrError, did_you_mean, unknown

COMMANDS: Mapping[str, str] = {
    "run": "train and score one recognizer",
    "list": "what is in: datasets, degradations, enhancers, backbones, methods",
    "show": "one component: options, budgets, citation, who brought it",
    "cost": "parameters, multiply-adds and latency of what is deployed",
    "check": "test every component of a plugin",
    "data": "what a dataset is, what a folder holds of it, and the clip store filled",
    "predict": "what a finished run's recognizer says of clips, also of those without labels",
    "report": "a finished run as one page: curves, confusions, attention, best and worst clips",
    "suite": "tables of papers, row by row: what they print, what they cost, and run again",
    "publish": "copy a run's record into the leaderboards",
    "leaderboard": "regenerate the tables from the records",
    "compare": "two runs or rows of a table on the same clips: difference, tests, classes that moved",
    "verify": "score published records again from their predictions, and check their digests",
    "rerun": "run a record's plan again: old and new side by side",
    "cache": "what the cache folder holds and what it cost; read it again, or clear it",
    "doctor": "versions, devices, folders and plugins at hand",
}


class Commands(click.Group):
    """Commands by name; `elrbench NAME` imports `benchmark_core.cli.NAME` and takes its `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The click command, or None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = importlib.import_module(f"benchmark_core.cli.{cmd_name}").command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with this project's error for an unknown name."""
        if args and args[0] not in COMMANDS and not ctx.resilient_parsing:
            raise unknown("command", args[0], COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Names and summaries, without importing a command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from benchmark_core.provenance import version_of

        click.echo(f"elrbench {version_of('elrbench') or 'not installed'}")
        ctx.exit()


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print it.")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """elrbench run --method cstat --dataset puppets --budget smoke

    Recognise actions in video a dozen pixels across: train any method with any backbone on any dataset, score it, and
    keep the record from which the leaderboards are made.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _one_line(error: click.ClickException) -> str:
    """A usage error in this project's form: what is wrong, then what to do."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "elrbench"
    if isinstance(error, click.NoSuchOption) and context:
        known = [name for param in context.command.get_params(context) for name in param.opts if name.startswith("--")]
        return f"'{path}' has no option '{error.option_name}'. {did_you_mean(error.option_name, known)}"
    text = " ".join(error.format_message().split())
    return f"{text[:1].lower()}{text[1:].rstrip('.')}; '{path} --help' lists what it takes"


def fail(message: str, code: int) -> NoReturn:
    """Print the one line of an error and leave."""
    click.echo(f"elrbench: error: {message}", err=True)
    sys.exit(code)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """The console script. Exit 0: done; 1: what was asked for fell short; 2: the user's mistake, one line on stderr."""
    try:
        code = cli.main(args=None if argv is None else list(argv), prog_name="elrbench", standalone_mode=False)
    except ElrError as error:
        fail(str(error), error.exit_code)
    except click.ClickException as error:
        fail(_one_line(error), 2)
    except (click.Abort, KeyboardInterrupt):
        fail("stopped at the keyboard; the same command goes on from the last finished epoch", 1)
    sys.exit(code if isinstance(code, int) else 0)
