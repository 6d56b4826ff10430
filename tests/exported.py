"""A trained toy run, exported: what tests of exported files share."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Catalog
from benchmark_core.cli import main

Call = Callable[..., tuple[int, str, str]]
INSTALLED = all(importlib.util.find_spec(module) for module in ("onnx", "onnxscript", "onnxruntime"))
needs_export = pytest.mark.skipif(not INSTALLED, reason="the extra 'export' is not installed")


def caller(catalog: Catalog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """`call(words)` -> (exit code, stdout, stderr)."""
    monkeypatch.setattr(catalog_module, "load_catalog", lambda extra=(): catalog)
    monkeypatch.delenv("ELRBENCH_DATA", raising=False)

    def call(*words: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(list(map(str, words)))
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return call


def refused(answer: tuple[int, str, str], code: int = 2) -> str:
    """The one line of an error."""
    assert answer[0] == code, answer
    line = answer[2].splitlines()[-1]
    assert line.startswith("elrbench: error: ") and "Traceback" not in answer[2]
    return line.removeprefix("elrbench: error: ")


def without_torch(*words: object) -> list[str]:
    """The command line of `elrbench WORDS` in a process in which torch cannot be imported."""
    code = "import sys; sys.modules['torch'] = None; from benchmark_core.cli import main; main(sys.argv[1:])"
    return [sys.executable, "-c", code, *map(str, words)]
