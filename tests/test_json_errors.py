"""`--json` prints one JSON document on stdout: the result, or an error object."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import click
import pytest
from test_plugin_commands import offer

from benchmark_core import catalog as catalog_module
from benchmark_core.cli import cli, main
from benchmark_core.cli.console import results_only
from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.specs import CommandSpec


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of the commands that do something: ("run",), ("data", "info"), …"""
    if not isinstance(command, click.Group):
        yield path
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from leaves(found, (*path, name))


EVERY = list(leaves(cli))


def called(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    out, err = capsys.readouterr()
    return int(stopped.value.code or 0), out, err


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The message of the error object, which is also the last line of stderr."""
    code, out, err = called(capsys, *argv)
    found = json.loads(out)
    assert list(found) == ["error"] and found["error"]["exit"] == code != 0
    assert err.splitlines()[-1] == f"elrbench: error: {found['error']['message']}"
    return str(found["error"]["message"])


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_a_wrong_option_of_any_command_is_an_error_object(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--no-such-option" in refused(capsys, *path, "--json", "--no-such-option")


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (["lst", "--json"], "list"),
        (["run", "--json", "--seed", "x"], "--seed"),
        (["run", "--json", "--method"], "--method"),
        (["show", "--json"], "NAME"),
        (["show", "cstatt", "--json"], "cstat"),
        (["data", "inof", "puppets", "--json"], "info"),
        (["verify", "/nowhere", "--json"], "/nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_an_error_object(argv: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert word in refused(capsys, *argv)


@pytest.mark.parametrize(
    ("error", "code"),
    [(ElrError("wrong"), 2), (RunFailed("failed"), 1), (OSError(13, "denied", "/x"), 1), (KeyboardInterrupt(), 1)],
    ids=repr,
)
def test_each_kind_of_failure_has_its_exit_code(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(catalog_module, "load_catalog", fail)
    assert refused(capsys, "list", "--json")
    assert called(capsys, "list")[:2] == (code, "")


def test_without_json_stdout_stays_empty(capsys: pytest.CaptureFixture[str]) -> None:
    assert called(capsys, "lst")[:2] == (2, "")


def test_what_a_hook_prints_does_not_spoil_json_of_a_plugin_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch)
    hook = sys.modules["mine"].elr_commands

    def noisy() -> list[CommandSpec]:
        print("noise")
        found: list[CommandSpec] = hook()
        return found

    noisy.__dict__.update(hook.__dict__)
    sys.modules["mine"].elr_commands = noisy  # type: ignore[attr-defined]
    code, out, err = called(capsys, "data", "info", "puppets", "--json")
    assert code == 0 and json.loads(out)["name"] == "puppets" and "noise" in err


def test_a_command_of_a_plugin_has_its_stdout_and_its_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command("greet")
    @click.option("--json", "as_json", is_flag=True)
    def greet(as_json: bool) -> None:
        """elrbench greet --json"""
        click.echo(json.dumps({"hello": as_json}))
        sys.exit(3)

    offer(monkeypatch, CommandSpec(name="greet", summary="Say hello.", command=greet))
    code, out, _ = called(capsys, "greet", "--json")
    assert code == 3 and json.loads(out) == {"hello": True}


def test_file_descriptors_are_restored(capfd: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    with pytest.raises(KeyError), results_only():
        print("inside")
        raise KeyError
    assert sys.stdout is before
    print("outside")
    out, err = capfd.readouterr()
    assert out == "outside\n" and err == "inside\n"
