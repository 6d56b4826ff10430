"""A cache of the toy with one finished stage and one that was stopped: copies of it to break, and how to read them.

`conftest.py` fills it once for all test files.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark_core.catalog import Catalog
from benchmark_core.cli import main
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from benchmark_core.training.training_loop import TrainingLoop
from elrbench_plugins.commands.cache.contents import read_cache
from elrbench_plugins.commands.cache.reading import CacheReport, verify

Call = Callable[..., tuple[int, str, str]]


def matched(catalog: Catalog) -> Plan:
    settings = ("method.batch=12", "method.epochs=2", "dataset.test=6", "dataset.train=12", "method.joint_epochs=3")
    request = PlanRequest(
        method="supervised:matched", dataset="toy", backbone="toynet", budget="smoke", size="24x32", settings=settings
    )
    return resolve_plan(catalog, request)


def fill(folder: Path, catalog: Catalog) -> None:
    """Stop the second of two stages after its first epoch of three."""
    plan = matched(catalog)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingLoop, "_save", stop_after(TrainingLoop._save, ("joint", 0)))
        with pytest.raises(KeyboardInterrupt):
            go(plan, catalog, folder)


def stop_after(save: Callable[..., None], moment: tuple[str, int]) -> Callable[..., None]:
    def saving(self: TrainingLoop, loop: int, epoch: int, *rest: Any) -> None:
        save(self, loop, epoch, *rest)
        if (self.name, epoch) == moment:
            raise KeyboardInterrupt

    return saving


def go(plan: Plan, catalog: Catalog, folder: Path) -> dict[str, Any]:
    return run(plan, catalog, RunContext(data=None, out=folder / "out", cache=folder, reporter=Silent())).record


@pytest.fixture
def cache(stopped_cache: Path, tmp_path: Path) -> Path:
    """A copy of it, to break."""
    return Path(shutil.copytree(stopped_cache, tmp_path / "cache"))


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """`call("ls", "--json")` -> (exit code, stdout, stderr) of `elrbench cache`."""

    def run(*argv: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["cache", *map(str, argv)])
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return run


def stage(cache: Path, name: str) -> Path:
    (found,) = (cache / "stages").glob(f"{name}-*")
    return found


def check(cache: Path, *, remove: bool = False) -> CacheReport:
    return verify(read_cache(cache), reporter=Silent(), remove=remove)


def files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def flip(path: Path, at: int) -> None:
    """One bit of one byte; at: from the end where negative."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def truncate(path: Path, at: int) -> None:
    path.write_bytes(path.read_bytes()[:at])
