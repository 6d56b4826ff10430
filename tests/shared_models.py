"""What tests of `elrbench hub` share: a finished toy run, a folder to which it was pushed, and the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from exported import Call, caller

from benchmark_core.catalog import Catalog
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run

FREE = ("--license", "mit")


@pytest.fixture
def finished(finished_toy_run: Path) -> Path:
    return finished_toy_run


@pytest.fixture
def call(toy_catalog: Catalog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    return caller(toy_catalog, capsys, monkeypatch)


@pytest.fixture
def shared(finished: Path, tmp_path: Path, call: Call) -> Path:
    """A folder with the pushed run, to change."""
    assert call("hub", "push", finished, tmp_path / "shared", *FREE)[0] == 0
    return tmp_path / "shared"


def toy_run(catalog: Catalog, folder: Path, *settings: str, seed: int = 0) -> Path:
    """Train the toy network; return its run folder, next to the cache `cache`."""
    request = PlanRequest(
        method="supervised", dataset="toy", backbone="toynet", budget="smoke", size="24x32", seed=seed,
        settings=("method.batch=12", "method.epochs=2", *settings),
    )  # fmt: skip
    context = RunContext(out=folder / f"run{seed}", cache=folder / "cache", reporter=Silent(), device="cpu")
    return run(resolve_plan(catalog, request), catalog, context).folder


def tree(folder: Path) -> dict[str, bytes]:
    """Name -> content of every file."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
