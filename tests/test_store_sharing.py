"""Processes that fill one store at once share the work; one that is killed costs the others nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import videos
from filelock import FileLock
from videos import HIGH, LOW, on_disk, random_planes, write_planes

from benchmark_core.clips import clipfile
from benchmark_core.clips.build_queue import sweep
from benchmark_core.clips.frames import Frames
from benchmark_core.clips.locks import locked
from benchmark_core.clips.store import ClipStore
from benchmark_core.specs.index import Clip, Drawn

COUNT = 12


def slow(key: str) -> Iterator[Frames]:
    """Key: "JOURNAL|SECONDS|number,frames,rows,columns". Writes a line at the start of each decode, takes its time."""
    journal, seconds, plain = key.split("|")
    with open(journal, "a") as file:
        file.write(f"{os.getpid()} {plain}\n")
    for frames in videos.render(plain):
        time.sleep(float(seconds))
        yield frames


def sociable(key: str) -> Iterator[Frames]:
    """As `slow`, but prints, and from the fourth clip on it waits until another process has come, up to a minute."""
    print("this must not count as clips", flush=True)
    yield from slow(key)
    journal = Path(key.split("|")[0])
    for _ in range(600):
        lines = journal.read_text().splitlines()
        if len(lines) < 4 or len({line.split()[0] for line in lines}) > 1:
            return
        time.sleep(0.1)


def clips(journal: Path, seconds: float = 0.02, render: str = "slow") -> list[Clip]:
    keys = [f"{journal}|{seconds}|{number},6,24,32" for number in range(COUNT)]
    sources = [Drawn(render=f"test_store_sharing:{render}", key=key) for key in keys]
    return [Clip(id=f"c{n}", source=source, target=0) for n, source in enumerate(sources)]


SCRIPT = """
import sys, test_store_sharing as t
from pathlib import Path
from benchmark_core.clips.store import ClipStore
root, journal, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
report = ClipStore(root).ensure(t.clips(journal, seconds), [t.LOW, t.HIGH], workers=1)
print(report.built, report.reused, flush=True)
"""


def start(root: Path, journal: Path, seconds: float = 0.02) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(root), str(journal), str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def go(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def whole(root: Path) -> dict[Path, bytes]:
    assert not list(root.rglob("*.tmp"))
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*.clip")}


def test_two_processes_do_the_work_once(tmp_path: Path) -> None:
    root, journal = tmp_path / "cache", tmp_path / "journal"
    both = [start(root, journal), start(root, journal)]
    go(*both)
    reports = [process.communicate(timeout=60)[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    built = [int(report[0]) for report in reports]
    assert sum(built) == COUNT and min(built) >= 1 and all(sum(map(int, report)) == COUNT for report in reports)
    decoded = [line.split(" ", 1) for line in journal.read_text().splitlines()]
    assert len(decoded) == COUNT and len({plain for _, plain in decoded}) == COUNT
    assert len({pid for pid, _ in decoded}) == 2
    ClipStore(tmp_path / "alone").ensure(clips(journal), [LOW, HIGH], workers=1)
    assert whole(root) == whole(tmp_path / "alone") and len(whole(root)) == 2 * COUNT


def test_a_kill_at_any_moment_leaves_a_store_that_the_next_run_completes(tmp_path: Path) -> None:
    root, journal = tmp_path / "cache", tmp_path / "journal"
    left = 0
    for _ in range(3):
        process = start(root, journal, seconds=0.1)
        go(process)
        deadline = time.monotonic() + 30
        while not list(root.rglob("*.clip.tmp")) and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(0.03)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        left += len(list(root.rglob("*.clip.tmp")))
        assert all(clipfile.read_header(path) is not None for path in root.rglob("*.clip"))
    assert left  # it was killed while it wrote
    before = len(list(root.rglob("*.clip")))
    report = ClipStore(root).ensure(clips(journal, 0.1), [LOW, HIGH], workers=1)
    assert report.built == COUNT - before // 2 and report.reused == before // 2 and not report.bad
    ClipStore(tmp_path / "alone").ensure(clips(journal, 0.1), [LOW, HIGH], workers=1)
    assert whole(root) == whole(tmp_path / "alone")


def test_what_another_makes_is_waited_for_at_the_end(tmp_path: Path) -> None:
    """The lock of the first clip is held while the others are made, and its clip is then made by the holder."""
    journal = tmp_path / "journal"
    listed = clips(journal, 0)
    store, other = ClipStore(tmp_path / "cache"), ClipStore(tmp_path / "other")
    other.ensure(listed, [LOW], workers=1)
    content = store.content_key(listed[0].source)
    order: list[int] = []

    def hold() -> None:
        with locked(store.root, content[:2], 0):
            held.set()
            while len(order) < COUNT - 3 and not over.wait(0.01):
                pass
            path = store.path(content, LOW)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(other.path(content, LOW).read_bytes())

    held, over = threading.Event(), threading.Event()
    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    journal.write_text("")
    try:
        report = store.ensure(listed, [LOW], workers=1, progress=lambda done, total: order.append(done))
    finally:
        over.set()
        thread.join()
    assert (report.built, report.reused) == (COUNT - 1, 1) and order == [*range(COUNT + 1)]
    assert len(journal.read_text().splitlines()) == COUNT - 1


def test_only_what_nobody_writes_is_swept(tmp_path: Path) -> None:
    folder = tmp_path / "clips" / LOW.key
    for name in ("aa", "bb"):
        (folder / name).mkdir(parents=True)
        (folder / name / f"{name}00.clip.tmp").write_text("half")
    (tmp_path / "locks").mkdir()
    with FileLock(tmp_path / "locks" / "bb.lock"):
        sweep(tmp_path, [LOW])
        assert [path.name for path in folder.rglob("*.tmp")] == ["bb00.clip.tmp"]
    sweep(tmp_path, [LOW])
    assert not list(folder.rglob("*.tmp"))


def test_others_join_in_where_there_is_work_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = tmp_path / "journal"
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setattr("benchmark_core.clips.workers.WORTHWHILE", 0.3)
    listed = clips(journal, 0.1, render="sociable")
    ClipStore(tmp_path / "cache").ensure(listed[-2:], [LOW, HIGH], workers=1)
    journal.unlink()
    report = ClipStore(tmp_path / "cache").ensure(listed, [LOW, HIGH], workers=3)
    assert (report.built, report.reused, report.bad) == (COUNT - 2, 2, ())
    decoded = [line.split(" ", 1) for line in journal.read_text().splitlines()]
    assert len({plain for _, plain in decoded}) == len(decoded) == COUNT - 2
    assert len({pid for pid, _ in decoded}) >= 2 and str(os.getpid()) in {pid for pid, _ in decoded}
    assert len(whole(tmp_path / "cache")) == 2 * COUNT


def test_code_without_an_import_name_is_run_here_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def local(key: str) -> Iterator[Frames]:
        time.sleep(0.01)
        return videos.render(key)

    monkeypatch.setattr("benchmark_core.clips.workers.WORTHWHILE", 0)
    listed = [Clip(id=str(n), source=Drawn(render=local, key=f"{n},6,24,32"), target=0) for n in range(4)]
    assert ClipStore(tmp_path).ensure(listed, [LOW], workers=4).built == 4


def test_helpers_that_die_cost_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [write_planes(tmp_path / f"{n}.mkv", random_planes(3, 24, 32, seed=n), "yuv420p") for n in range(6)]
    monkeypatch.setattr("benchmark_core.clips.workers.WORTHWHILE", 0)
    monkeypatch.setattr("benchmark_core.clips.workers.sys.executable", "/bin/false")
    assert ClipStore(tmp_path / "cache").ensure([on_disk(path) for path in files], [LOW], workers=2).built == 6
