"""Errors of the operating system and of memory are one line, in every command; a bug keeps its traceback."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from listening import Listening

from benchmark_core import catalog as catalog_module
from benchmark_core.cli import main
from benchmark_core.errors import explain
from benchmark_core.plans.plan import Plan
from benchmark_core.records.fields import RunRecord
from elrbench_plugins.commands.suite.suite_runs import SuiteRun, run_all

LONG = "x" * 300
PYTHON = [sys.executable, "-m", "elrbench"]


def called(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    out, err = capsys.readouterr()
    return int(stopped.value.code or 0), out, err


@pytest.mark.parametrize(
    "argv",
    [
        ["publish", LONG],
        ["report", LONG],
        ["rerun", LONG],
        ["compare", LONG, LONG],
        ["predict", LONG],
        ["verify", LONG],
        ["leaderboard", "--folder", LONG],
        ["cache", "ls", "--cache", LONG],
        ["cache", "verify", "--cache", LONG],
        ["cache", "clear", "clips", "--yes", "--cache", LONG],
        ["run", "--method", "supervised", "--dataset", "puppets", "--budget", "smoke", "--out", LONG],
        ["run", "--method", "supervised", "--dataset", "puppets", "--weights", LONG, "--dry-run"],
        ["run", "--method", "supervised", "--dataset", f"folder:{LONG}", "--dry-run"],
        ["data", "info", f"folder:{LONG}"],
        ["data", "verify", "jhmdb", "--data", LONG],
        ["check", f"{LONG}.py"],
        ["doctor", "--cache", LONG],
        ["suite", "show", LONG],
        ["cost", "--method", "supervised", "--dataset", "puppets", "--enhancer", "dvsr", "--enhancer-weights", LONG],
    ],
    ids=lambda argv: " ".join(argv[:2])[:30],
)
def test_a_name_that_is_too_long_is_one_line(
    argv: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = called(capsys, *argv)
    (line,) = (line for line in err.splitlines() if line.startswith("elrbench: error: "))
    assert code == 1 and out == "" and LONG in line and os.strerror(errno.ENAMETOOLONG) in line


def test_a_symlink_loop_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loop, board = tmp_path / "loop", tmp_path / "board"
    loop.symlink_to("loop")
    board.mkdir()
    code, _, err = called(capsys, "site", "--folder", str(board), "--out", str(loop))
    assert code == 1 and str(loop) in err and err.count("\n") == 1


@pytest.mark.parametrize("command", [["list"], ["doctor"], ["run", "--method", "supervised", "--dataset", "puppets"]])
def test_a_deleted_working_directory_is_one_line(command: list[str], tmp_path: Path) -> None:
    """In a shell, since libraries end the process themselves if they find no working directory."""
    shell = 'cd "$1" && rmdir "$1" && shift && exec "$@"'
    argv = ["sh", "-c", shell, "sh", str(tmp_path / "gone"), *PYTHON]
    (tmp_path / "gone").mkdir()
    done = subprocess.run([*argv, *command], capture_output=True, text=True)
    assert done.returncode == 1 and "working directory no longer exists" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("argv", [["list", "commands"], ["list", "commands", "--json"], ["--help"], ["lst", "--json"]])
def test_a_full_disk_behind_stdout_is_one_line(argv: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*PYTHON, *argv], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == (2 if argv[0] == "lst" else 1) and done.stderr.count("\n") == 1
    assert done.stderr.startswith("elrbench: error: ")
    assert argv[0] == "lst" or f"standard output: {os.strerror(errno.ENOSPC)}" in done.stderr


def test_a_read_only_cache_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stage = tmp_path / "stages" / "student-0123456789abcdef"
    stage.mkdir(parents=True)
    (stage / "checkpoint.pt").write_bytes(b"state")

    def read_only(self: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    monkeypatch.setattr(Path, "unlink", read_only)
    code, _, err = called(capsys, "cache", "clear", "stages", "--yes", "--cache", str(tmp_path))
    line = err.splitlines()[-1]
    assert (
        code == 1 and line.startswith("elrbench: error: ") and "Read-only file system" in line and str(tmp_path) in line
    )
    assert os.strerror(errno.EROFS) in line


def raised(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as caught:
        return caught


def numpy_error() -> Exception:
    try:
        np.zeros((1 << 50,), np.uint8)
    except MemoryError as error:
        return error
    raise AssertionError


def torch_error() -> Exception:
    try:
        torch.empty(1 << 50, dtype=torch.uint8)
    except RuntimeError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "amount"),
    [
        (numpy_error(), "1.00 PiB"),
        (torch_error(), "1048576.0 GiB"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has 1 GiB free."), "20.00 GiB"),
        (MemoryError(), ""),
    ],
    ids=["numpy", "torch", "cuda", "python"],
)
def test_too_little_memory_is_one_line_with_the_amount(
    error: Exception, amount: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(catalog_module, "load_catalog", fail)
    code, out, err = called(capsys, "list")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "out of memory" in err and amount in err and "batch" in err


@pytest.mark.parametrize("error", [MemoryError("1 TiB"), OSError(errno.EIO, "broken", "/disk")], ids=repr)
def test_a_row_of_a_suite_fails_with_one_line(error: Exception, toy_plan: Plan, tmp_path: Path) -> None:
    def fail(plan: Plan, out: Path) -> RunRecord:
        raise error

    told = Listening()
    outcome = run_all([SuiteRun(plan=toy_plan, rows=("row",))], {}, tmp_path, fail, told)
    (reason,) = outcome.failures.values()
    assert reason == explain(error)
    assert len(told.warnings) == 1 and told.warnings[0].endswith(reason)


@pytest.mark.parametrize("error", [TypeError("3"), RuntimeError("shape"), ValueError("x"), KeyError("x")], ids=repr)
def test_a_bug_is_not_explained(
    error: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise error

    assert explain(raised(error)) is None
    monkeypatch.setattr(catalog_module, "load_catalog", fail)
    with pytest.raises(type(error)):
        main(["list", "--json"])
    assert json.loads(capsys.readouterr().out)["error"]["exit"] == 1
