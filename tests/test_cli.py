"""The command line: its commands, their help and their flags, and what it does not import."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from built_ins import BUILTINS, built_in_plugins, call

from benchmark_core.catalog import load_commands
from benchmark_core.cli import COMMANDS, cli

__all__ = ["built_in_plugins", "call"]  # fixtures

HERE = Path(__file__).parent
FROM_PLUGINS = [name for name, spec in load_commands()[0].items() if str(spec.command).startswith("elrbench_plugins.")]
EVERY_COMMAND = [*COMMANDS, *FROM_PLUGINS]


def command_of(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


# -- help


def test_the_commands_are_these():
    assert list(COMMANDS) == ["run", "list", "show", "cost", "predict", "publish", "leaderboard", "verify"]
    assert FROM_PLUGINS == [
        "cache", "check", "compare", "contact-sheet", "data", "doctor", "export", "fuse", "hub", "new-plugin",
        "privacy", "report", "rerun", "schema", "site", "suite", "watch",
    ]  # fmt: skip
    assert cli.list_commands(click.Context(cli))[: len(COMMANDS)] == list(COMMANDS)
    assert set(EVERY_COMMAND) <= set(cli.list_commands(click.Context(cli)))


def test_help_lists_every_command_with_its_summary(call):
    _, out, _ = call("--help")
    lines = dict(line.split(maxsplit=1) for line in out.splitlines() if line.startswith("  ") and len(line.split()) > 1)
    for name, spec in load_commands()[0].items():
        assert lines[name].startswith(spec.summary[:40])
    for name, summary in COMMANDS.items():
        assert lines[name].startswith(summary[:40])


@pytest.mark.parametrize("name", EVERY_COMMAND)
def test_help_begins_with_an_example(name, call):
    code, out, _ = call(name, "--help")
    assert code == 0
    body = [line.strip() for line in out.splitlines() if line.strip()]
    words = body[1].split()
    assert words[:2] == ["elrbench", name]
    command = command_of(name)
    if isinstance(command, click.Group):
        command = command.commands[words[2]]
    known = {option for param in command.params for option in param.opts}
    assert {word for word in words[2:] if word.startswith("--")} <= known


@pytest.mark.parametrize("name", EVERY_COMMAND)
def test_everything_has_json(name):
    command = command_of(name)
    for one in command.commands.values() if isinstance(command, click.Group) else [command]:
        assert "--json" in {option for param in one.params for option in param.opts}


def test_without_a_command_it_prints_help(call):
    assert call() == call("--help")


def test_the_plan_flags_of_run_are_frozen():
    """What users and scripts rest on: a flag may be added here, and never taken away or renamed."""
    flags = {option for param in command_of("run").params for option in param.opts}
    assert flags == {
        "--method", "--dataset", "--classes", "--protocol", "--fold", "--split", "--degradation", "--enhancer",
        "--enhancer-weights", "--backbone", "--weights", "--modality", "--size", "--sampling", "--precision",
        "--budget", "--recipe", "--seed", "--set", "--holdout", "--test-views", "--processes", "--batch-norm",
        "--unlabelled", "--unlabelled-data", "--teacher", "--teacher-backbone", "--teacher-weights", "--teacher-size",
        "--teacher-frames", "--high-source", "--high-source-data",
        "--plugin", "--plan", "--data",
        "--bad-clips", "--shared-clips",
        "--device", "--out", "--cache", "--publish", "--folder", "--refit", "--track", "--validate",
        "--keep", "--dry-run", "--json",
    }  # fmt: skip


# -- what is not imported


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["run", "--help"],
        ["list"],
        ["show", "cstat"],
        ["run", "--method", "cstat", "--dataset", "puppets", "--dry-run"],
        ["leaderboard", "--check", "--folder", str(HERE.parent / "leaderboards")],
    ],
    ids=lambda argv: " ".join(argv[:2]),
)
def test_torch_stays_out(argv):
    heavy = ["torch", "av", "rich", "accelerate", "fvcore"]
    heavy += [] if argv[0] == "leaderboard" else ["pandas", "scipy", "tabulate"]
    heavy += [] if "--dry-run" in argv or argv[0] == "leaderboard" else ["numpy"]
    code = f"""
import sys
from benchmark_core import catalog
real = catalog.load_catalog
catalog.load_catalog = lambda extra=(), **_: real({BUILTINS!r}, entry_points=False)
from benchmark_core.cli import main
try:
    main({argv!r})
except SystemExit as stopped:
    assert stopped.code in (0, None) or {argv[0]!r} == "leaderboard", stopped.code
print("imported:", [name for name in {heavy!r} if name in sys.modules])
plugins = [name for name in sys.modules if name.startswith("elrbench_plugins.")]
print("plugins:", len(plugins) if {argv[0]!r} == "leaderboard" else 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.stdout.splitlines()[-2:] == ["imported: []", "plugins: 0"]
