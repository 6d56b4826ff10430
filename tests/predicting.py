"""A finished run on videos of TinyVIRAT's second release, and `elrbench predict` with it or with another run."""

from __future__ import annotations

import csv
import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_virat import write_second

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Catalog
from benchmark_core.cli import main
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run

Call = Callable[..., tuple[int, str, str]]


def finish(folder: Path, catalog: Catalog) -> Path:
    """Return a run folder, next to its `cache` and its `data`: six clips each to train, to test and without labels."""
    data = write_second(folder / "data")
    settings = ("method.batch=3", "method.epochs=1")
    request = PlanRequest(
        method="supervised", dataset="tinyvirat-v2", backbone="toynet", budget="smoke", size="32x32", sampling="4x1",
        settings=settings,
    )  # fmt: skip
    plan = resolve_plan(catalog, request)
    return run(
        plan,
        catalog,
        RunContext(data=data, out=folder / "run", cache=folder / "cache", reporter=Silent(), device="cpu"),
    ).folder


@pytest.fixture
def finished(finished_virat_run: Path) -> Path:
    """A run folder, next to its `cache`."""
    return finished_virat_run


@pytest.fixture
def data(finished_virat_run: Path) -> Path:
    """The challenge's release: six clips each to train, to test and without labels, of 1 to 40 frames."""
    return finished_virat_run.parent / "data"


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of the run folder, for tests that change it."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def call(
    toy_catalog: Catalog, finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Call:
    """`call(run folder, flags)` -> (exit code, stdout, stderr)."""
    monkeypatch.setattr(catalog_module, "load_catalog", lambda extra=(): toy_catalog)
    monkeypatch.delenv("ELRBENCH_DATA", raising=False)

    def predict(folder: Path, *flags: str | Path) -> tuple[int, str, str]:
        cache = finished.parent / "cache"
        with pytest.raises(SystemExit) as stopped:
            main(["predict", str(folder), "--cache", str(cache), "--device", "cpu", *map(str, flags)])
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return predict


def table(path: Path) -> list[list[str]]:
    """Rows of a predictions file, the header first."""
    with gzip.open(path, "rt", newline="") as file:
        return list(csv.reader(file))
