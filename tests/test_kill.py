"""A killed run resumes with the same result; a full disk is one line; two processes do the work once."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark_core.catalog import Catalog
from benchmark_core.clips import clipfile
from benchmark_core.plans.plan import Plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from elrbench import RunFailed
from elrbench_plugins.commands.cache.contents import read_cache
from elrbench_plugins.commands.cache.reading import verify

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "kill_and_resume.py"


def kill_and_resume(*flags: str) -> list[str]:
    """Return the lines of the script, run in its own process because it forks."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, str(SCRIPT), *flags], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_a_killed_run_ends_as_one_that_was_not() -> None:
    """Kill once at a random moment and once inside a write; then run two processes at once."""
    lines = kill_and_resume("--times", "1", "--writes", "1", "--seed", str(os.getpid()))
    assert [line.split()[0] for line in lines[1:-1]] == ["same"] * 3
    assert lines[-1] == "2 kills and two runs at once: 0 wrong"


@pytest.mark.slow
def test_a_growing_network_killed_at_any_moment_ends_as_one_that_was_not() -> None:
    lines = kill_and_resume("--run", "prog-dvsr", "--times", "1", "--writes", "0", "--seed", str(os.getpid()))
    assert [line.split()[0] for line in lines[1:-1]] == ["same"] * 2
    assert lines[-1] == "1 kills and two runs at once: 0 wrong"


@pytest.mark.slow
@pytest.mark.parametrize("run", ["suite", "streams"])
def test_a_run_stopped_while_it_writes_its_record_or_cost_is_completed(run: str) -> None:
    """A suite takes finished runs as done, and a run of two streams its finished streams; neither may lack a cost."""
    if run == "streams":
        pytest.importorskip("cv2", reason="the extra 'flow' is not installed")
    lines = kill_and_resume("--run", run, "--times", "0", "--writes", "6", "--of", "record,cost")
    moments = {" ".join(line.split()[2:]) for line in lines[1:-2]}
    assert moments == {f"{at} of {file}" for at in ("half", "whole", "placed") for file in ("record", "cost")}
    assert lines[-1] == "6 kills and two runs at once: 0 wrong"


class Full:
    """A file on a full disk."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def write(self, content: bytes) -> int:
        self.file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def __enter__(self) -> Full:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()


def full_at(patch: pytest.MonkeyPatch, number: int) -> Callable[[], int]:
    """Make the disk full from the `number`th file that is written. Returns a counter of the files."""
    fdopen, seen = os.fdopen, 0

    def opened(handle: int, *mode: str) -> Any:
        nonlocal seen
        seen += 1
        file = fdopen(handle, *mode)
        return Full(file) if seen > number >= 0 else file

    patch.setattr("benchmark_core.atomic.os.fdopen", opened)
    return lambda: seen


def go(plan: Plan, catalog: Catalog, folder: Path) -> bytes:
    result = run(plan, catalog, RunContext(data=None, out=folder / "out", cache=folder / "cache", reporter=Silent()))
    return (folder / "out" / result.record["predictions"]["file"]).read_bytes()


def test_a_full_disk_is_one_line_and_leaves_nothing_torn(toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        count = full_at(patch, -1)
        whole = go(toy_plan, toy_catalog, tmp_path / "whole")
    assert count() >= 9  # begun, two checkpoints, weights, note; predictions, recognizer, log, record, cost
    for number in range(count()):
        folder = tmp_path / str(number)
        with pytest.MonkeyPatch.context() as patch:
            full_at(patch, number)
            with pytest.raises(RunFailed, match="cannot be written: No space left on device"):
                go(toy_plan, toy_catalog, folder)
        assert verify(read_cache(folder / "cache"), reporter=Silent()).broken == ()
        assert not [path for path in folder.rglob(".*.part")]
        assert go(toy_plan, toy_catalog, folder) == whole


@pytest.mark.parametrize("place", ["clip", "recipe", "lock"])
def test_a_disk_that_is_full_before_anything_is_fitted(
    toy_catalog: Catalog, toy_plan: Plan, place: str, tmp_path: Path
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as patch:
        if place == "clip":
            patch.setattr(clipfile.Writer, "add", full)
        elif place == "recipe":
            patch.setattr("benchmark_core.clips.store.os.replace", full)
        else:
            patch.setattr("benchmark_core.training.stage_folder.acquire", full)
        with pytest.raises(RunFailed) as stopped:
            go(toy_plan, toy_catalog, tmp_path)
    assert "no space" in str(stopped.value).lower() and "\n" not in str(stopped.value)
    assert not list(tmp_path.rglob("*.clip")) or place == "lock"
    go(toy_plan, toy_catalog, tmp_path)
    assert verify(read_cache(tmp_path / "cache"), reporter=Silent()).broken == ()
