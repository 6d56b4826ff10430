"""A plugin that misbehaves gives one line with its name: it ends, hangs, or returns something else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import BUILTINS, TOY

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import load_catalog
from benchmark_core.cli import main
from elrbench import ElrError

PLUGIN = """
import dataclasses
import itertools
import os
import sys

import toy
from elrbench import BackboneSpec, DatasetSpec, Fold, MethodSpec, Option, Protocol, TrackerSpec, hookimpl


def index(root, protocol, options):
    found = toy.index(root, protocol, options)
    INDEX
    return found


def build(classes, options):
    net = toy.build(classes, options)
    FACTORY
    return net


def dataset(**fields):
    protocols = {"one": Protocol(summary="", folds=("1",))}
    options = toy.elr_datasets()[0].options
    usual = dict(name="bad-set", summary="", classes=toy.CLASSES, protocols=protocols, index=index, options=options)
    return DatasetSpec(**{**usual, **fields})


def backbone(**fields):
    usual = dict(name="bad-net", summary="", factory=build, stages=("one", "two", "three", "four"), sampling="2x1")
    return BackboneSpec(**{**usual, **fields})


def method(**fields):
    return MethodSpec(**{**dict(name="bad-method", summary="", fit="x:y"), **fields})


@hookimpl
def elr_datasets():
    HOOK
    return [dataset()]


@hookimpl
def elr_backbones():
    return [backbone()]
"""
RUN = ("run", "--dataset", "bad-set", "--backbone", "bad-net", "--method", "supervised", "--budget", "smoke",
       "--set", "method.epochs=1", "--set", "method.batch=12")  # fmt: skip


def bad_plugin(folder: Path, *, at: str, code: str) -> Path:
    """Write a plugin `bad.py` in which `code` replaces one of HOOK, INDEX, FACTORY."""
    text = PLUGIN.replace(at, code)
    for other in ("HOOK", "INDEX", "FACTORY"):
        text = text.replace(other, "pass")
    path = folder / "bad.py"
    path.write_text(text)
    return path


@pytest.fixture(autouse=True)
def built_ins_only(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = [f"elrbench_plugins.{name}" for name in BUILTINS]
    monkeypatch.syspath_prepend(TOY.parent)
    monkeypatch.setattr(
        catalog_module, "load_catalog", lambda extra=(): load_catalog([*usual, *extra], entry_points=False)
    )


def failed(capsys: pytest.CaptureFixture[str], plugin: Path, folder: Path) -> tuple[int, str]:
    """(exit code, error line) of a run with the plugin."""
    with pytest.raises(SystemExit) as stopped:
        main([*RUN, "--plugin", str(plugin), "--out", str(folder / "out"), "--cache", str(folder / "cache")])
    out, err = capsys.readouterr()
    (line,) = (line for line in err.splitlines() if line.startswith("elrbench: error: "))
    assert out == "" and err.endswith(f"{line}\n")
    return int(stopped.value.code or 0), line


@pytest.mark.parametrize("at", ["HOOK", "INDEX", "FACTORY"])
@pytest.mark.parametrize("call", ["sys.exit(0)", "sys.exit()", "exit(0)"])
def test_a_plugin_cannot_end_the_program_silently(
    at: str, call: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plugin = bad_plugin(tmp_path, at=at, code=call)
    code, line = failed(capsys, plugin, tmp_path)
    assert code == 1 and "plugin 'bad'" in line and "sys.exit" in line
    assert {"HOOK": "elr_datasets()", "INDEX": "dataset 'bad-set'", "FACTORY": "backbone 'bad-net'"}[at] in line


def test_an_exit_in_a_network_names_the_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    plugin = bad_plugin(tmp_path, at="FACTORY", code="net.forward_features = lambda x: sys.exit(0)")
    code, line = failed(capsys, plugin, tmp_path)
    number = next(n for n, text in enumerate(plugin.read_text().splitlines(), 1) if "lambda x" in text)
    assert code == 1 and f"{plugin}:{number}" in line


def test_an_exit_while_a_target_is_imported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ends_at_import.py").write_text("import sys\nsys.exit(0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    plugin = bad_plugin(tmp_path, at="HOOK", code='return [dataset(index="ends_at_import:index")]')
    spec = load_catalog([str(plugin)], entry_points=False).datasets["bad-set"]
    with pytest.raises(ElrError, match=r"dataset 'bad-set', field index: .*sys.exit\(0\).*ends_at_import.py:2"):
        spec.check_code()


@pytest.mark.parametrize(
    ("at", "code", "expected"),
    [
        ("HOOK", "return None", ("elr_datasets() returned NoneType", "list of DatasetSpec")),
        ("HOOK", "return dataset()", ("elr_datasets() returned DatasetSpec", "list of DatasetSpec")),
        ("HOOK", "return itertools.repeat(dataset())", ("elr_datasets() returned more than", "list of DatasetSpec")),
        ("HOOK", "return [dataset(name=5)]", ("name is 5", "str")),
        ("HOOK", "return [dataset(summary=None)]", ("dataset 'bad-set': summary is None", "str")),
        ("HOOK", "return [dataset(classes='abc')]", ("classes is 'abc'", "tuple[str, ...]")),
        ("HOOK", "return [dataset(classes=(1, 2))]", ("classes is (1, 2)", "tuple[str, ...]")),
        ("HOOK", "return [dataset(classes=map(str, itertools.count()))]", ("classes is map", "tuple[str, ...]")),
        ("HOOK", "return [dataset(protocols=['one'])]", ("protocols is ['one']", "Mapping")),
        ("HOOK", "return [dataset(index=5)]", ("index is 5", "module:attribute")),
        ("HOOK", "return [dataset(natively_low='yes')]", ("natively_low is 'yes'", "bool")),
        ("HOOK", "return [dataset(protocols={'one': Protocol(summary='', folds='1')})]", ("folds is '1'", "tuple")),
        ("HOOK", "backbone(smallest=8.5)", ("backbone 'bad-net': smallest is 8.5", "int")),
        ("HOOK", "method(takes='teacher')", ("method 'bad-method': takes is 'teacher'", "tuple")),
        ("INDEX", "return None", ("index returned NoneType", "Index")),
        ("INDEX", "return itertools.count()", ("index returned count", "Index")),
        ("INDEX", "return dataclasses.replace(found, clips=itertools.repeat(1))", ("clips is repeat", "Clip")),
        ("INDEX", "return dataclasses.replace(found, clips=('a',))", ("clips is ('a',)", "Clip")),
        ("INDEX", "return dataclasses.replace(found, folds={'1': None})", ("fold '1'", "NoneType", "Fold")),
        (
            "INDEX",
            "return dataclasses.replace(found, folds={'1': Fold(train=map(str, itertools.count()), test=())})",
            ("fold '1': train is map", "tuple[str, ...]"),
        ),
        ("FACTORY", "return None", ("backbone 'bad-net': factory returned NoneType", "Module")),
        ("FACTORY", "return type(net)", ("backbone 'bad-net': factory returned type", "Module")),
    ],
)  # fmt: skip
def test_a_wrong_type_names_plugin_and_expectation(
    at: str, code: str, expected: tuple[str, ...], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, line = failed(capsys, bad_plugin(tmp_path, at=at, code=code), tmp_path)
    assert status == 2 and "plugin 'bad' (bad.py)" in line
    assert [part for part in expected if part not in line] == []


@pytest.mark.parametrize("at", ["HOOK", "INDEX", "FACTORY"])
def test_an_interrupt_in_a_plugin_is_an_interrupt(at: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, line = failed(capsys, bad_plugin(tmp_path, at=at, code="raise KeyboardInterrupt"), tmp_path)
    assert code == 1 and "interrupted" in line and "bad" not in line.replace(str(tmp_path), "")


def test_a_bug_of_a_plugin_keeps_its_traceback(tmp_path: Path) -> None:
    plugin = bad_plugin(tmp_path, at="INDEX", code="found + 1")
    with pytest.raises(TypeError):
        main([*RUN, "--plugin", str(plugin), "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")])


def test_what_a_plugin_prints_does_not_spoil_json(tmp_path: Path) -> None:
    """In a process of its own: a child of the plugin and its C code write to the file descriptor."""
    noise = 'print("said", flush=True); os.write(1, b"written\\n"); os.system("echo echoed")'
    plugin = bad_plugin(tmp_path, at="INDEX", code=noise)
    plugin.write_text(noise.replace("os.", "__import__('os').") + "\n" + plugin.read_text())
    argv = [*RUN, "--plugin", str(plugin), "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
    done = subprocess.run(
        [sys.executable, "-m", "elrbench", *argv, "--json"], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(TOY.parent)},
    )  # fmt: skip
    assert json.loads(done.stdout)["record"]["plan"]["dataset"] == "bad-set"
    for word in ("said", "written", "echoed"):
        assert done.stderr.count(word) >= 2
