"""The `elrbench` program: core commands, commands of plugins, exit codes and one-line errors."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

import click

from benchmark_core.cli.console import print_json
from benchmark_core.cli.visible import visible_output
from benchmark_core.errors import ElrError, did_you_mean, exit_call, explain, nearest, unknown

if TYPE_CHECKING:
    from benchmark_core.specs import CommandSpec

COMMANDS: Mapping[str, str] = {
    "run": "Train and score a recognizer.",
    "list": "List components: datasets, backbones, methods and others.",
    "show": "Show a component: options, budgets, citation, plugin.",
    "cost": "Count parameters and MACs; measure latency.",
    "predict": "Apply the recognizer of a finished run to clips.",
    "publish": "Copy the record of a run into the leaderboards.",
    "leaderboard": "Regenerate the tables from the records.",
    "verify": "Score published records again and check their digests.",
}
# Options that users of other tools try, or that have moved: what to type instead.
INSTEAD: Mapping[str, str] = {
    "--gpu": "Use '--device cuda'.",
    "--epochs": "Use '--set method.epochs=N'.",
    "--lr": "Use '--set method.lr=X'.",
    "--batch-size": "Use '--set method.batch=N'.",
    "--low": "The low size is part of --degradation, e.g. average-12x16.",
    "--resume": "An interrupted run continues when the same command runs again.",
    "--picture": "Use 'elrbench contact-sheet DATASET --out FILE.png'.",
    "--site": "Use 'elrbench site --out DIR'.",
}


class Group(click.Group):
    """Sub-commands in the order of declaration, such as those of `elrbench data`; a wrong name gets a suggestion."""

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


class Commands(click.Group):
    """Core commands, imported from `benchmark_core.cli.NAME`, and commands of plugins.

    Plugins are loaded only if a command is not a core command, or for `--help`.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the core commands, then the commands of plugins by name."""
        return [*COMMANDS, *self._plugin_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the click command with this name, or None."""
        if cmd_name in COMMANDS:
            found: click.Command = importlib.import_module(f"benchmark_core.cli.{cmd_name}").command
            return found
        offered = self._plugin_commands(ctx)
        if cmd_name not in offered:
            return None
        loaded: click.Command = offered[cmd_name].load_command()
        return loaded

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the error of this project for an unknown name."""
        if args and args[0] not in COMMANDS and not ctx.resilient_parsing:
            known = self.list_commands(ctx)
            if args[0] not in known:
                for error in ctx.meta["elrbench.failures"]:
                    click.echo(f"elrbench: warning: {error}", err=True)
                if nearest(args[0], known):
                    raise unknown("command", args[0], known)
                raise ElrError(f"unknown command '{args[0]}'; see `elrbench --help`")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Names and summaries, without importing a command."""
        offered = {name: spec.summary for name, spec in self._plugin_commands(ctx).items()}
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))
        if offered:
            with formatter.section("Commands from plugins"):
                formatter.write_dl(list(offered.items()))
        for error in ctx.meta["elrbench.failures"]:
            formatter.write_paragraph()
            formatter.write_text(f"warning: {error}")

    @staticmethod
    def _plugin_commands(ctx: click.Context) -> Mapping[str, CommandSpec]:
        """Return commands by name, loaded once. A plugin that cannot be loaded hides its own commands only."""
        if "elrbench.commands" not in ctx.meta:
            from benchmark_core.catalog import load_commands

            found: Mapping[str, CommandSpec] = {}
            try:
                with contextlib.redirect_stdout(sys.stderr):  # what plugins print must not spoil --json
                    found, failures = load_commands()
            except ElrError as error:  # for instance ELRBENCH_BLOCK names an unknown plugin
                failures = [error]
            clashes = [name for name in found if name in COMMANDS]
            failures += [ElrError(f"a plugin offers the command '{name}', which is a core command") for name in clashes]
            ctx.meta["elrbench.commands"] = {name: spec for name, spec in found.items() if name not in COMMANDS}
            ctx.meta["elrbench.failures"] = failures
        commands: Mapping[str, CommandSpec] = ctx.meta["elrbench.commands"]
        return commands


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
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """elrbench run --method cstat --dataset puppets --budget smoke

    Benchmark action recognition in extreme-low-resolution video. Train any method with any backbone on any dataset,
    score it, and keep a record. Leaderboards are made from records.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _one_line(error: click.ClickException) -> str:
    """Return a usage error in the form of this project: what is wrong, then what to do."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "elrbench"
    if isinstance(error, click.NoSuchOption) and context:
        known = [name for param in context.command.get_params(context) for name in param.opts if name.startswith("--")]
        hint = INSTEAD.get(error.option_name) or did_you_mean(error.option_name, known, f"{path} --help")
        return f"'{path}' has no option '{error.option_name}'. {hint}"
    text = " ".join(error.format_message().split())
    return f"{text[:1].lower()}{text[1:].rstrip('.')}; see '{path} --help'"


def fail(message: str, code: int, as_json: bool = False) -> NoReturn:
    """Print a one-line error on stderr and exit. as_json: also print it as a JSON object on stdout."""
    line = " ".join(message.split())[:4000]  # names come from files
    with contextlib.suppress(OSError):
        click.echo(f"elrbench: error: {line}", err=True, color=True)
    try:
        if as_json:
            print_json({"error": {"message": line, "exit": code}})
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:  # stdout is full; Python would try again at exit, and then exit with 120
        with contextlib.suppress(OSError):
            sys.stdout.close()
    sys.exit(code)


@visible_output()
def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the program and exit: 0 done, 1 something fell short, 2 the user's mistake with one line on stderr."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    as_json = "--json" in arguments
    try:
        os.getcwd()  # fails if the folder was deleted; libraries would crash later
        # With color, click does not remove escape sequences, so that they become visible.
        code = cli.main(args=arguments, prog_name="elrbench", standalone_mode=False, color=True)
    except ElrError as error:
        fail(str(error), error.exit_code, as_json)
    except click.ClickException as error:
        fail(_one_line(error), 2, as_json)
    except (click.Abort, KeyboardInterrupt):
        fail("interrupted; run the same command again to continue from the last finished epoch", 1, as_json)
    except SystemExit as error:  # a command may call `sys.exit`; plugin code below the core may not
        modules = " ".join(frame.f_globals["__name__"] for frame, _ in traceback.walk_tb(error.__traceback__))
        if "benchmark_core." in modules.rpartition("click.")[2]:
            fail(f"a plugin ended the program: {exit_call(error)}", 1, as_json)
        raise
    except Exception as error:
        if (line := explain(error)) is not None:
            fail(line, 1, as_json)
        if as_json:
            print_json({"error": {"message": f"bug: {type(error).__name__}: {error}", "exit": 1}})
        raise
    sys.exit(code if isinstance(code, int) else 0)
