"""The command that draws contact sheets, with the built-in plugins alone and a cache of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from built_ins import built_ins

from benchmark_core import catalog as catalog_module
from benchmark_core.cli import main

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """`call("toy", "--out", "a.png")` -> (exit code, stdout, stderr) of `elrbench contact-sheet`."""
    monkeypatch.setattr(catalog_module, "load_catalog", built_ins)
    monkeypatch.delenv("ELRBENCH_DATA", raising=False)
    monkeypatch.setenv("ELRBENCH_CACHE", str(tmp_path / "cache"))

    def run(*argv: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["contact-sheet", *map(str, argv)])
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return run
