"""`elrbench doctor`: what is installed, and what would stop a run."""

import json

import pytest
from built_ins import built_in_plugins, built_ins, call

from elrbench_plugins.commands.doctor import examine

__all__ = ["built_in_plugins", "call"]  # fixtures


@pytest.fixture(autouse=True)
def only_built_ins(monkeypatch):
    """The module has a name of its own for the function, from its first import on."""
    monkeypatch.setattr(examine, "load_catalog", built_ins)


def test_doctor_tells_what_stands_in_the_way(call, tmp_path):
    (tmp_path / "file").write_text("")
    code, out, _ = call("doctor", "--cache", str(tmp_path / "file" / "cache"), "--json")
    report = json.loads(out)
    assert code == 1
    assert any("cannot be written" in trouble for trouble in report["troubles"])
    assert report["versions"]["torch"] and report["devices"][0].startswith("cpu: ")
    resnet = next(plugin for plugin in report["plugins"] if plugin["name"] == "elrbench_plugins.resnet")
    assert resnet["offers"] == {"backbone": 2}


def test_doctor_names_a_clash(call, tmp_path):
    plugin = tmp_path / "again.py"
    plugin.write_text(
        "from elrbench import MethodSpec, hookimpl\n\n\n@hookimpl\ndef elr_methods():\n"
        '    return [MethodSpec(name="cstat", summary="", fit="x:y")]\n'
    )
    code, out, _ = call("doctor", "--cache", str(tmp_path), "--plugin", str(plugin), "--json")
    assert code == 1
    assert any("'cstat' is offered by two plugins" in trouble for trouble in json.loads(out)["troubles"])
