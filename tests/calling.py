"""Call the command line in this process, with a catalog that is already loaded."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Catalog
from benchmark_core.cli import main

Call = Callable[..., tuple[int, str, str]]


def caller(catalog: Catalog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Return `call("run", …)`, which returns (exit code, stdout, stderr)."""
    monkeypatch.setattr(catalog_module, "load_catalog", lambda extra=(): catalog)

    def call(*argv: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(argv)
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return call
