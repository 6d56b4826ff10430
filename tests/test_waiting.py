"""A process that waits for another one says for what, since when and for whom, and says it again."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import filelock._unix
import pytest
import videos
from click.testing import CliRunner
from listening import Listening

from benchmark_core import file_lock
from benchmark_core.catalog import Catalog
from benchmark_core.cli.app import cli
from benchmark_core.clips.build_queue import BuildResult, BuildTask, decode_into
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.locks import locked, reader_lock
from benchmark_core.clips.store import ClipStore
from benchmark_core.file_lock import Wait, acquire, holder, is_locked
from benchmark_core.plans.plan import Plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from benchmark_core.training.keys import StageKey
from benchmark_core.training.stage_folder import StageFolder
from elrbench import RunFailed
from elrbench_plugins.commands.cache.clearing import clearing_lock

KEY = StageKey(name="student", function="f", revision=1, numbers={})
HIGH = StoredFormat(kind="high", size=(12, 16), aspect=(3, 4))
HOLD = """
import sys, time
from pathlib import Path
from benchmark_core.file_lock import acquire
with acquire(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def other_process(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Hold the lock `path` in another process until the block ends or a line is written to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", HOLD, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    try:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate()


class Until(Listening):
    """Calls `then` after `count` warnings."""

    def __init__(self, count: int, then: Callable[[], object]) -> None:
        super().__init__()
        self.count, self.then = count, then

    def warn(self, line: str) -> None:
        super().warn(line)
        if len(self.warnings) == self.count:
            self.then()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fractions of a second instead of a second and a minute."""
    monkeypatch.setattr(file_lock, "GRACE", 0.1)
    monkeypatch.setattr(file_lock, "EVERY", 0.15)


def test_a_stage_lock_names_its_holder_and_says_so_again(tmp_path: Path, soon: None) -> None:
    folder = StageFolder(tmp_path, KEY)
    with other_process(folder.path / "lock") as process:
        heard = Until(3, process.kill)
        with StageFolder(tmp_path, KEY, heard.warn).locked():
            pass
    assert len(heard.warnings) == 3
    for line in heard.warnings:
        assert re.search(r"waiting for stage 'student' since \d\d:\d\d:\d\d \(0\.\d s\): ", line)
        assert f"process {process.pid} on host {socket.gethostname()}, started {time.strftime('%Y-')}" in line
        assert line.endswith("holds it")
    waited = [float(re.search(r"\((.*) s\)", line)[1]) for line in heard.warnings]  # type: ignore[index]
    assert waited == sorted(waited) and waited[0] < waited[2]


def test_a_stopped_holder_is_called_stopped(tmp_path: Path) -> None:
    with other_process(tmp_path / "lock") as process:
        assert "stopped" not in holder(tmp_path / "lock")
        process.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + 30
        while "is stopped" not in (line := holder(tmp_path / "lock")) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert f"'kill -CONT {process.pid}'" in line


def test_a_holder_that_cannot_be_known_is_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    assert holder(path) == "another process holds it"  # of an older version
    with other_process(path) as process:
        note = json.loads(path.read_text())
    with acquire(path):
        assert f"process {os.getpid()} " in holder(path)
    path.write_text(json.dumps(note))  # the last holder that left a note is gone
    assert holder(path).startswith("another process holds it") and f"process {process.pid}" in holder(path)
    path.write_text(json.dumps({**note, "host": "else\x1b[31mwhere\n"}))
    assert "another host" in holder(path) and holder(path).isprintable() and "else" in holder(path)
    for nonsense in ("[]", "{", '{"pid": "x"}', json.dumps({**note, "started": 1e300}), "[" * 5000, "\xff"):
        path.write_text(nonsense, encoding="latin-1")
        assert holder(path) == "another process holds it"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_clip_that_another_process_makes(tmp_path: Path, soon: None, workers: int) -> None:
    clip = videos.drawn(1)
    content = ClipStore(tmp_path).content_key(clip.source)
    with other_process(tmp_path / "locks" / f"{content[:2]}.lock") as process:
        heard = Until(2, process.kill)

        def build(task: BuildTask, missing: list[StoredFormat]) -> BuildResult:
            return decode_into(tmp_path, task, missing, 60.0)

        report = ClipStore(tmp_path, heard).fill([clip], [HIGH], build, workers=workers)
    assert report.built == 1 and len(heard.warnings) == 2
    assert all("waiting for clip 'clip-1' " in line and f"process {process.pid} " in line for line in heard.warnings)


def test_a_reader_waits_while_clips_are_removed_and_so_does_a_second_clearing(tmp_path: Path, soon: None) -> None:
    for waiting in (reader_lock, clearing_lock):
        with other_process(tmp_path / "locks" / "clearing.lock") as process:
            heard = Until(2, process.kill)
            with waiting(tmp_path, heard):
                pass
        assert len(heard.warnings) == 2 and f"process {process.pid} " in heard.warnings[0]
        assert str(tmp_path) in heard.warnings[0]


def test_a_short_wait_is_silent(tmp_path: Path) -> None:
    held = threading.Event()

    def hold() -> None:
        with locked(tmp_path, "aa"):
            held.set()
            time.sleep(0.1)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    with locked(tmp_path, "aa", wait=Wait("it", (heard := Listening()).warn)):
        thread.join()
    assert heard.warnings == []


def test_a_second_run_prints_the_wait_and_ctrl_c_ends_it_in_one_line(tmp_path: Path) -> None:
    """As users see it: two processes, one plan, one cache."""
    toy = Path(__file__).with_name("toy.py")
    argv = ["run", "--method", "supervised", "--dataset", "toy", "--backbone", "toynet", "--budget", "smoke",
            "--size", "24x32", "--plugin", str(toy), "--cache", str(tmp_path / "cache")]  # fmt: skip
    command = [sys.executable, "-m", "elrbench", *argv, "--out"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    first = subprocess.run([*command, str(tmp_path / "a")], env=env, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr
    (folder,) = (tmp_path / "cache" / "stages").iterdir()
    with other_process(folder / "lock") as holding:
        second = subprocess.Popen(
            [*command, str(tmp_path / "b")],
            env=env,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a background job of a shell ignores it
        )
        assert second.stderr is not None
        lines = []
        for line in second.stderr:
            lines.append(line)
            if "waiting for" in line:
                second.send_signal(signal.SIGINT)
                break
        rest = second.stderr.read()
        second.communicate()
    assert f"process {holding.pid} " in lines[-1] and "stage 'student'" in lines[-1]
    assert (
        second.returncode == 1 and "Traceback" not in rest and rest.strip().startswith("elrbench: error: interrupted")
    )


# -- hard locks alone


@pytest.fixture(params=[errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def without_flock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks."""

    def flock(*_: object) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(filelock._unix.fcntl, "flock", flock)


def test_a_file_system_without_locks_is_one_error(
    tmp_path: Path, without_flock: None, toy_catalog: Catalog, toy_plan: Plan
) -> None:
    works: list[Callable[[], Any]] = [
        lambda: StageFolder(tmp_path, KEY).locked().__enter__(),
        lambda: locked(tmp_path, "aa").__enter__(),
        lambda: reader_lock(tmp_path).__enter__(),
        lambda: clearing_lock(tmp_path).__enter__(),
        lambda: ClipStore(tmp_path).ensure([videos.drawn(1)], [HIGH], workers=1),
        lambda: run(toy_plan, toy_catalog, RunContext(out=tmp_path / "out", cache=tmp_path, reporter=Silent())),
    ]
    for work in works:
        with pytest.raises(RunFailed) as stopped:
            work()
        text = str(stopped.value)
        assert str(tmp_path) in text and "file locks" in text and "--cache" in text and "local disk" in text
        assert "\n" not in text
    assert not list(tmp_path.rglob("*.clip"))


def test_the_commands_say_it_too(tmp_path: Path, without_flock: None) -> None:
    (tmp_path / "clips" / "0123456789abcdef").mkdir(parents=True)
    result = CliRunner().invoke(cli, ["cache", "clear", "clips", "--yes", "--cache", str(tmp_path)])
    assert isinstance(result.exception, RunFailed) and "local disk" in str(result.exception)


def test_locks_are_made_in_one_place() -> None:
    root = Path(__file__).parents[1]
    named = [
        str(path.relative_to(root))
        for folder in ("benchmark_core", "plugins", "elrbench")
        for path in (root / folder).rglob("*.py")
        if re.search(r"\bFileLock\(|SoftFileLock", path.read_text(encoding="utf-8"))
    ]
    assert named == ["benchmark_core/file_lock.py"]


def test_a_lock_that_a_process_holds_is_seen_without_taking_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_locked(path)
    with other_process(path) as process:
        note = path.read_bytes()
        assert is_locked(path) and path.read_bytes() == note
        process.communicate("\n")
        assert not is_locked(path)
    with acquire(path, timeout=0):
        assert is_locked(path)
