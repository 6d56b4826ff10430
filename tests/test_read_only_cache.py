"""A filled cache that a user can only read serves every plan whose clips are in it."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import videos
from click.testing import CliRunner

from benchmark_core.catalog import Catalog
from benchmark_core.cli.app import cli
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.store import ClipStore
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from benchmark_core.training.stage_trainer import StageTrainer
from elrbench import ElrError, RunFailed

LIBC = ctypes.CDLL(None, use_errno=True)
OVERRIDE = 0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, by which root ignores the bits of a file


def plan_of(catalog: Catalog, method: str, *settings: str) -> Plan:
    numbers = ("method.batch=12", "method.epochs=2", "dataset.test=6", "dataset.train=12", *settings)
    request = PlanRequest(
        method=method, dataset="toy", backbone="toynet", budget="smoke", size="24x32", settings=numbers
    )
    return resolve_plan(catalog, request)


@pytest.fixture
def as_a_user() -> Iterator[None]:
    """Root without the capability to write read-only files; other users have none to lose."""
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root ignores the bits of files here")
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this thread
    kept, data = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()  # twice effective, permitted, inheritable
    assert LIBC.capget(header, kept) == 0
    data[:] = kept[:]
    data[0] &= ~OVERRIDE
    assert LIBC.capset(header, data) == 0
    try:
        yield
    finally:
        LIBC.capset(header, kept)


@pytest.fixture
def freeze() -> Iterator[Callable[[Path], None]]:
    """`freeze(folder)` is `chmod -R a-w`; undone at the end."""
    frozen: list[Path] = []

    def read_only(folder: Path) -> None:
        paths = [folder, *folder.rglob("*")]
        for path in paths:
            path.chmod(path.stat().st_mode & ~0o222)
        frozen.extend(paths)

    yield read_only
    for path in frozen:
        path.chmod(path.stat().st_mode | 0o200)


@pytest.fixture
def cache(toy_catalog: Catalog, tmp_path: Path) -> Path:
    """Clips of one size; the stages `student` and `joint`."""
    plan = plan_of(toy_catalog, "supervised:matched", "method.joint_epochs=3")
    run(plan, toy_catalog, RunContext(out=tmp_path / "first", cache=tmp_path / "cache"))
    return tmp_path / "cache"


class Said(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    warn = say


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_new_plan_is_served(
    cache: Path, toy_catalog: Catalog, tmp_path: Path, freeze: Callable[[Path], None], as_a_user: None
) -> None:
    plan = plan_of(toy_catalog, "supervised")
    writable = run(plan, toy_catalog, RunContext(out=tmp_path / "writable", cache=cache))
    freeze(cache)
    with pytest.raises(PermissionError):
        (cache / "new").touch()
    before = content(cache)
    said = Said()
    result = run(plan, toy_catalog, RunContext(out=tmp_path / "out", cache=cache, reporter=said))
    assert [stage["reused"] for stage in result.record["stages"]] == [True]
    assert result.record["scores"] == writable.record["scores"]
    assert sum("read-only" in line and str(cache) in line for line in said.lines) == 1
    assert content(cache) == before and (tmp_path / "out" / "recognizer.safetensors").is_file()


def test_a_new_stage_is_trained_in_the_run_folder_and_resumed_there(
    cache: Path, toy_catalog: Catalog, tmp_path: Path, freeze: Callable[[Path], None], as_a_user: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    plan = plan_of(toy_catalog, "supervised:matched", "method.joint_epochs=2")  # `student` is in the cache
    freeze(cache)
    before = content(cache)
    context = RunContext(out=tmp_path / "out", cache=cache, reporter=Silent())
    result = run(plan, toy_catalog, context)
    assert [stage["reused"] for stage in result.record["stages"]] == [True, False] and content(cache) == before
    (stage,) = (tmp_path / "out" / "stages").iterdir()
    assert stage.name.startswith("joint-")
    monkeypatch.setattr(StageTrainer, "_train", lambda *_: pytest.fail("it was trained again"))
    again = run(plan, toy_catalog, context)
    assert again.record["scores"] == result.record["scores"]


@pytest.mark.parametrize(
    ("method", "settings", "missing"),
    [
        ("supervised", ("dataset.train=15",), "clip 'clip018'"),
        ("teacher", (), "high views"),
    ],
)
def test_what_is_missing_is_named(
    cache: Path, toy_catalog: Catalog, tmp_path: Path, freeze: Callable[[Path], None], as_a_user: None,
    method: str, settings: tuple[str, ...], missing: str, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    freeze(cache)
    monkeypatch.setattr(StageTrainer, "_train", lambda *_: pytest.fail("it was trained"))
    plan = plan_of(toy_catalog, method, *settings)
    with pytest.raises(RunFailed) as stopped:
        run(plan, toy_catalog, RunContext(out=tmp_path / "out", cache=cache))
    text = str(stopped.value)
    assert missing in text and "read-only" in text and str(cache) in text and "--cache" in text and "\n" not in text


def test_a_damaged_clip_is_not_used(
    cache: Path, toy_catalog: Catalog, tmp_path: Path, freeze: Callable[[Path], None], as_a_user: None
) -> None:
    path = sorted(cache.rglob("*.clip"))[0]
    path.write_bytes(path.read_bytes()[:-1] + b"\x99")
    freeze(cache)
    with pytest.raises(RunFailed, match=r"clip 'clip\d+' is missing or damaged .*read-only"):
        run(plan_of(toy_catalog, "supervised"), toy_catalog, RunContext(out=tmp_path / "out", cache=cache))


def test_a_bad_clip_is_left_out_as_in_a_writable_cache(
    tmp_path: Path, freeze: Callable[[Path], None], as_a_user: None
) -> None:
    (tmp_path / "bad.avi").write_bytes(b"no video")
    clips = [videos.drawn(1), videos.on_disk(tmp_path / "bad.avi"), videos.drawn(2)]
    high = StoredFormat(kind="high", size=(12, 16), aspect=(3, 4))

    def report() -> Any:
        found = ClipStore(tmp_path / "cache").ensure(clips, [high], bad_clips="skip", workers=1)
        return dataclasses.replace(found, seconds=0.0, built=0, reused=found.built + found.reused)

    writable = report()
    freeze(tmp_path / "cache")
    assert report() == writable and [clip for clip, _ in writable.bad] == ["bad"]


def test_an_empty_folder_is_refused_before_work(
    toy_catalog: Catalog, tmp_path: Path, freeze: Callable[[Path], None], as_a_user: None
) -> None:
    (tmp_path / "cache").mkdir()
    freeze(tmp_path / "cache")
    with pytest.raises(ElrError, match="not writable"):
        run(plan_of(toy_catalog, "supervised"), toy_catalog, RunContext(out=tmp_path / "o", cache=tmp_path / "cache"))


@pytest.mark.parametrize("argv", [["clear", "stages", "--yes"], ["clear", "clips", "--yes"]])
def test_clearing_it_is_one_line(cache: Path, freeze: Callable[[Path], None], as_a_user: None, argv: list[str]) -> None:
    freeze(cache)
    before = content(cache)
    result = CliRunner().invoke(cli, ["cache", *argv, "--cache", str(cache)])
    assert isinstance(result.exception, RunFailed) and str(cache) in str(result.exception)
    assert content(cache) == before
    assert CliRunner().invoke(cli, ["cache", "ls", "--cache", str(cache)]).exit_code == 0
    assert CliRunner().invoke(cli, ["cache", "verify", "--cache", str(cache)]).exit_code == 0
