"""`elrbench check` of commands and trackers that a plugin offers."""

import pytest
from broken_plugins import findings

COMMAND = """
import click

@click.command("hello")
@click.option("--name")
def command(name):
    {help}


@hookimpl
def elr_commands():
    return [CommandSpec(name="hello", summary="", command={target})]
"""
GOOD_HELP = {"help": '"""elrbench hello --name you\n\n    Greet."""', "target": "command"}


def test_a_sound_command_passes(tmp_path):
    made = findings(tmp_path, COMMAND.format(**GOOD_HELP))
    assert [(finding.component, finding.check, finding.outcome) for finding in made] == [
        ("command hello", name, "ok")
        for name in ("installed", "loads", "loads without torch", "help begins with an example", "prints its help")
    ]


@pytest.mark.parametrize(
    ("change", "check", "detail"),
    [
        ({"help": '"""Greet."""'}, "help begins with an example", "'elrbench hello'"),
        ({"help": "pass"}, "help begins with an example", "'elrbench hello'"),
        ({"help": '"""elrbench hello --nam you"""'}, "help begins with an example", "--nam"),
        ({"target": "elr_commands"}, "loads", "not a click.Command"),
        ({"target": "'broken:absent'"}, "installed", "command"),
    ],
)
def test_a_broken_command_is_named(tmp_path, change, check, detail):
    text = COMMAND.format(**{**GOOD_HELP, **change})
    (failed,) = [finding for finding in findings(tmp_path, text) if finding.outcome == "failed"]
    assert failed.check == check and detail in failed.detail


def test_a_command_that_imports_torch_at_the_top_is_refused(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "heavy_command.py"
    path.write_text(
        'import click\nimport torch\n\n@click.command()\ndef command():\n    "elrbench hello"\n', encoding="utf-8"
    )
    text = COMMAND.format(**{**GOOD_HELP, "target": "'heavy_command:command'"})
    (failed,) = [finding for finding in findings(tmp_path, text) if finding.outcome == "failed"]
    assert failed.check == "loads without torch" and f"{path}:2" in failed.detail


@pytest.mark.parametrize(("factory", "outcome"), [("lambda project: None", "ok"), ("'absent_module:make'", "failed")])
def test_the_factory_of_a_tracker_must_load(tmp_path, factory, outcome):
    text = f"""
@hookimpl
def elr_trackers():
    return [TrackerSpec(name="mine", summary="", factory={factory})]
"""
    assert findings(tmp_path, text)[-1].outcome == outcome
