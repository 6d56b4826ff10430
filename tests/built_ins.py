"""The command line with the built-in plugins alone, whatever else is installed: `built_ins`, and two fixtures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Catalog
from benchmark_core.cli import main

Call = Callable[..., tuple[int, str, str]]
PLUGINS = Path(__file__).parents[1] / "plugins"
BUILTINS = [
    f"elrbench_plugins.{'.'.join(path.parent.relative_to(PLUGINS).parts)}"
    for pattern in ("*/__init__.py", "trackers/*/__init__.py")
    for path in PLUGINS.glob(pattern)
]

real_load_catalog = catalog_module.load_catalog


def built_ins(extra: Iterable[str] = (), **_: object) -> Catalog:
    return real_load_catalog([*BUILTINS, *extra], entry_points=False)


@pytest.fixture(autouse=True)
def built_in_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The built-ins and what a test adds, whatever else is installed."""
    monkeypatch.setattr(catalog_module, "load_catalog", built_ins)
    monkeypatch.delenv("ELRBENCH_DATA", raising=False)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """`call("list", "--json")` -> (exit code, stdout, stderr)."""

    def run(*argv: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(argv)
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return run
