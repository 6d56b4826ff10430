"""Commands of plugins: found through `elr_commands`, listed in --help, and hidden one plugin at a time."""

import subprocess
import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import click
import pytest

from benchmark_core import plugin_loading
from benchmark_core.cli import COMMANDS, main
from benchmark_core.hookspecs import hookimpl
from benchmark_core.plugin_loading import Owner
from benchmark_core.specs import CommandSpec

BUILT_IN = {
    "cache",
    "check",
    "compare",
    "contact-sheet",
    "data",
    "doctor",
    "export",
    "fuse",
    "hub",
    "new-plugin",
    "privacy",
    "report",
    "rerun",
    "schema",
    "site",
    "suite",
    "watch",
}


def call(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(argv)
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


@click.command("greet")
@click.option("--name", default="you")
def greet(name: str) -> None:
    """elrbench greet --name you"""
    click.echo(f"hello {name}")


def offer(monkeypatch: pytest.MonkeyPatch, *specs: CommandSpec) -> None:
    """Install a plugin `mine` that offers `specs`, next to the built-in ones."""

    @hookimpl
    def elr_commands() -> list[CommandSpec]:
        return list(specs)

    module = ModuleType("mine")
    module.elr_commands = elr_commands  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mine", module)
    imported, points = plugin_loading._imported, list(plugin_loading._entry_points())
    mine = EntryPoint("mine", "mine", plugin_loading.GROUP)
    monkeypatch.setattr(plugin_loading, "_entry_points", lambda: iter([*points, mine]))
    owned = (Owner("mine", "mine", "0.1"), module)
    monkeypatch.setattr(plugin_loading, "_imported", lambda point: owned if point is mine else imported(point))


def test_help_lists_core_commands_then_those_of_plugins(capsys: pytest.CaptureFixture[str]):
    code, out, _ = call(capsys, "--help")
    core, plugins = out.split("Commands from plugins:")
    assert code == 0
    assert {line.split()[0] for line in core.split("Commands:")[1].split("\n") if line.strip()} == set(COMMANDS)
    assert {line.split()[0] for line in plugins.split("\n") if line.startswith("  ") and line[2] != " "} == BUILT_IN


def test_a_third_party_command_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    offer(monkeypatch, CommandSpec(name="greet", summary="Say hello.", command=greet))
    assert call(capsys, "greet", "--name", "ada") == (0, "hello ada\n", "")
    assert "greet" in call(capsys, "--help")[1]


def test_a_target_that_is_not_a_command_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    offer(monkeypatch, CommandSpec(name="greet", summary="Say hello.", command="os:getcwd"))
    code, _, err = call(capsys, "greet")
    assert code == 2 and "command 'greet'" in err and "os:getcwd" in err and "click.Command" in err


def test_a_core_command_cannot_be_replaced(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    offer(monkeypatch, CommandSpec(name="run", summary="Not the real one.", command=greet))
    _, out, _ = call(capsys, "--help")
    assert "Not the real one." not in out and "'run'" in out and "core command" in out


def test_a_broken_plugin_hides_its_own_commands_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    offer(monkeypatch, "not a spec")  # type: ignore[arg-type]
    code, out, _ = call(capsys, "--help")
    assert code == 0 and "doctor" in out and "'mine'" in out.replace("\n", " ")
    code, _, err = call(capsys, "nonsense")
    assert code == 2 and "unknown command 'nonsense'" in err and "elr_commands() returned str" in err


def test_a_blocked_plugin_offers_no_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("ELRBENCH_BLOCK", "suite")
    code, _, err = call(capsys, "suite")
    assert code == 2 and "unknown command 'suite'" in err


@pytest.mark.parametrize(
    ("argv", "instead"),
    [
        (["run", "--gpu"], "--device"),
        (["run", "--epochs", "3"], "--set method.epochs"),
        (["leaderboard", "--site", "x"], "elrbench site"),
        (["show", "puppets", "--picture", "x.png"], "elrbench contact-sheet"),
    ],
)
def test_options_of_other_tools_and_moved_ones_name_the_right_one(
    capsys: pytest.CaptureFixture[str], argv: list[str], instead: str
):
    code, _, err = call(capsys, *argv)
    assert code == 2 and instead in err and err.count("\n") == 1


def test_help_does_not_import_torch_or_a_command():
    code = (
        "import sys\nfrom benchmark_core.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules\n"
        "assert not any(name.endswith('.command') and 'commands' in name for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
