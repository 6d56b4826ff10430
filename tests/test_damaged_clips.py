"""A clip file with a flipped bit is noticed on its first read in a process, named, and made again from its source."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch
import videos
from listening import Listening
from scripts import load_script
from videos import HIGH, LOW

from benchmark_core.catalog import Catalog
from benchmark_core.clips import clipfile
from benchmark_core.clips.derived import DerivedFormat, ensure_derived
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.store import ClipStore
from benchmark_core.clips.view_plan import ViewPlan
from benchmark_core.clips.views import Views
from benchmark_core.plans.plan import Plan
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from benchmark_core.specs.index import Clip, Drawn
from elrbench import RunFailed

CLIPS = [
    Clip(id=f"clip-{number}", source=Drawn(render=videos.render, key=f"{number},6,24,32"), target=0)
    for number in range(4)
]


def flip(path: Path, byte: int, bit: int = 0) -> None:
    """Flip one bit and keep the file's times, as a disk does that rots."""
    state, content = path.stat(), bytearray(path.read_bytes())
    content[byte] ^= 1 << bit
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def new_process() -> None:
    """Forget which files were checked."""
    clipfile._checked.clear()


@pytest.mark.parametrize("stored_format", [LOW, HIGH], ids=["raw", "compressed"])
def test_every_flipped_bit_is_noticed_and_repaired(tmp_path: Path, stored_format: StoredFormat) -> None:
    ClipStore(tmp_path).ensure(CLIPS[:1], [stored_format], workers=1)
    store = ClipStore(tmp_path, heard := Listening())
    path = store.path(store.content_key(CLIPS[0].source), stored_format)
    whole = path.read_bytes()
    chosen, shapes = random.Random(0), 0
    for turn in range(120):
        byte = 2 * turn if turn < 75 else chosen.randrange(len(whole))
        flip(path, byte, chosen.randrange(8))
        new_process()
        report = store.ensure(CLIPS[:1], [stored_format], workers=1)
        if report.built == 0:  # the shape in the header of a compressed file
            assert stored_format is HIGH and byte < clipfile.HEADER_BYTES
            with pytest.raises(RunFailed, match=r"clip 'clip-0': .*\.clip cannot be decoded .*; delete it"):
                ClipStore(tmp_path).reader(stored_format).frames(CLIPS[0], [0])
            path.write_bytes(whole)
            shapes += 1
        assert path.read_bytes() == whole and len(heard.warnings) + shapes == turn + 1
    assert shapes < 5
    assert "clip 'clip-0'" in heard.warnings[0] and str(path) in heard.warnings[0] and "damaged" in heard.warnings[0]


def test_a_sound_file_is_checked_once_in_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    original = clipfile.checksum

    def checksum(path: Path) -> int:
        read.append(path)
        return original(path)

    monkeypatch.setattr(clipfile, "checksum", checksum)
    for _ in range(3):
        store = ClipStore(tmp_path)
        store.ensure(CLIPS, [LOW, HIGH], workers=1)
        for clip in CLIPS:
            store.reader(LOW).frames(clip, [0, 1])
            store.reader(HIGH).frames(clip, [5])
    assert len(read) == len(set(read)) == 2 * len(CLIPS)


def test_a_reader_refuses_what_nobody_has_checked(tmp_path: Path) -> None:
    """A file that this process wrote itself is checked when it is read, too."""
    store = ClipStore(tmp_path)
    store.ensure(CLIPS[:1], [LOW], workers=1)
    path = store.path(store.content_key(CLIPS[0].source), LOW)
    flip(path, -1)
    with pytest.raises(RunFailed, match=r"clip 'clip-0' .*damaged.*run again"):
        store.reader(LOW).frames(CLIPS[0], [0])


def test_worker_processes_leave_a_damaged_clip_to_the_process_that_reports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmark_core.clips.workers import work

    store = ClipStore(tmp_path, heard := Listening())
    store.ensure(CLIPS, [LOW, HIGH], workers=1)
    contents = [store.content_key(clip.source) for clip in CLIPS]
    paths = [store.path(content, LOW) for content in contents]
    whole = [path.read_bytes() for path in paths]
    flip(paths[0], -1)
    paths[1].write_bytes(whole[1][:600])  # cut by a power failure
    paths[2].unlink()
    new_process()
    made: list[None] = []
    work(tmp_path, CLIPS, [LOW, HIGH], 60.0, lambda: made.append(None))
    assert len(made) == 1 and paths[2].read_bytes() == whole[2]
    assert paths[0].read_bytes() != whole[0] and len(paths[1].read_bytes()) == 600
    report = store.ensure(CLIPS, [LOW, HIGH], workers=3)
    assert (report.built, report.reused) == (2, 2) and [path.read_bytes() for path in paths] == whole
    assert [line.split(":")[0] for line in heard.warnings] == ["clip 'clip-0'", "clip 'clip-1'"]


def test_derived_data_are_computed_again(tmp_path: Path) -> None:
    store = ClipStore(tmp_path, heard := Listening())
    store.ensure(CLIPS, [HIGH], workers=1)
    plan = ViewPlan(crop="after", size=(12, 16), high=HIGH)
    views = Views(CLIPS, store, plan, sampling=Sampling.parse("2x1"), classes=1, low=False, high=True)
    stored = DerivedFormat(made_of={"name": "means"})

    def ensure() -> None:
        device = torch.device("cpu")
        ensure_derived(store, views, stored, lambda batch: batch.high.mean((0, 3, 4, 5)), device, shape=(3,))

    ensure()
    path = store.path(store.content_key(CLIPS[3].source), stored)
    whole = path.read_bytes()
    flip(path, clipfile.HEADER_BYTES)
    new_process()
    ensure()
    assert path.read_bytes() == whole and ["clip 'clip-3'" in line for line in heard.warnings] == [True]


def test_a_run_names_a_damaged_clip_and_gives_the_same_result(
    toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path
) -> None:
    def predictions(name: str) -> bytes:
        context = RunContext(out=tmp_path / name, cache=tmp_path / "cache", reporter=heard, refit=True)
        result = run(toy_plan, toy_catalog, context)
        return (tmp_path / name / result.record["predictions"]["file"]).read_bytes()

    heard = Listening()
    first = predictions("first")
    assert not [line for line in heard.warnings if "damaged" in line]
    for path in sorted((tmp_path / "cache").rglob("*.clip"))[::12]:
        flip(path, -5, 7)
    new_process()
    assert predictions("second") == first
    damaged = [line for line in heard.warnings if "damaged" in line]
    assert len(damaged) == 3 and all(line.startswith("clip 'clip0") for line in damaged)


def test_a_clip_reaches_the_disk_before_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(handle: int) -> None:
        done.append("fsync")
        fsync(handle)

    def renamed(*paths: Path) -> None:
        done.append("rename")
        replace(*paths)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    writer = clipfile.Writer(tmp_path / "a.clip", compressed=False)
    writer.add(np.zeros((2, 3, 4, 5), np.uint8))
    writer.close()
    assert done == ["fsync", "rename"]


def test_the_benchmark_measures_the_check(tmp_path: Path) -> None:
    script = load_script("test_clip_store")
    assert 0 < script.check_share(CLIPS, HIGH, tmp_path) < 10
