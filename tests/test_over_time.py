"""Degradations that keep state over the frames of a clip: what the store makes of them, and what it refuses."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark_core.catalog import load_catalog
from benchmark_core.clips.conversion import start
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.frames import Frames
from benchmark_core.clips.resample import reduce, to_grey_levels
from benchmark_core.clips.store import ClipStore
from benchmark_core.clips.view_plan import view_plan
from benchmark_core.errors import ElrError
from benchmark_core.specs import DegradationSpec
from benchmark_core.specs.index import Clip, Drawn
from elrbench_plugins.commands.check.check import check_plugin

LEVELS = (10, 40, 20, 90, 30, 30, 7)  # grey level of each frame
BRIGHTEST = (10, 40, 40, 90, 90, 90, 90)  # of the frames so far


class Brightest:
    """The brightest low frame so far. Each low frame is returned one frame late."""

    def __init__(self, low: tuple[int, int], options: Mapping[str, Any], seed: int) -> None:
        self.low, self.waiting = low, np.zeros((0, 3, *low), np.uint8)
        self.best = np.zeros((3, *low), np.uint8)

    def add(self, frames: Frames) -> np.ndarray:
        made = []
        for picture in to_grey_levels(reduce(frames, self.low)):
            self.best = np.maximum(self.best, picture)
            made.append(self.best)
        every = np.concatenate([self.waiting, np.stack(made)])
        self.waiting = every[-1:]
        return every[:-1]

    def finish(self) -> np.ndarray:
        return self.waiting


def render(key: str) -> Iterator[Frames]:
    """The frames of LEVELS, in chunks that end as `key` says; the memory of a chunk is used again for the next."""
    memory, first = np.empty((len(LEVELS), 6, 8), np.uint8), 0
    for end in map(int, key.split(",")):
        plane = memory[: end - first]
        plane[:] = np.array(LEVELS[first:end], np.uint8)[:, None, None]
        yield Frames(planes=(plane,), colour="grey")
        first = end


FORMAT = StoredFormat(kind="low", size=(3, 4), aspect=(3, 4), degrade=Brightest, over_time=True)


@pytest.mark.parametrize("ends", ["7", "1,2,3,4,5,6,7", "3,4,7", "6,7"])
def test_the_store_keeps_one_low_frame_per_frame_whatever_the_chunks(tmp_path: Path, ends: str) -> None:
    store, clip = ClipStore(tmp_path), Clip(id="a", source=Drawn(render, ends), target=0)
    high = StoredFormat(kind="high", size=(6, 8), aspect=(3, 4))
    store.ensure([clip], [FORMAT, high])
    low = store.reader(FORMAT)
    assert low.count(clip) == len(LEVELS) and low.size(clip) == (3, 4)
    assert low.frames(clip, range(len(LEVELS)))[:, 0, 0, 0].tolist() == list(BRIGHTEST)
    assert store.reader(high).frames(clip, range(len(LEVELS)))[:, 0, 0, 0].tolist() == list(LEVELS)


def test_each_clip_begins_anew(tmp_path: Path) -> None:
    store = ClipStore(tmp_path)
    clips = [Clip(id=ends, source=Drawn(render, ends), target=0) for ends in ("4,7", "2,7")]
    store.ensure(clips, [FORMAT])
    for clip in clips:
        assert store.reader(FORMAT).frames(clip, [0])[0, 0, 0, 0] == LEVELS[0]


class Wrong(Brightest):
    """What `options` asks for."""

    def __init__(self, low: tuple[int, int], options: Mapping[str, Any], seed: int) -> None:
        super().__init__(low, options, seed)
        self.wrong = options["wrong"]

    def add(self, frames: Frames) -> np.ndarray:
        if self.wrong == "type":
            return super().add(frames).astype(np.float32)
        if self.wrong == "size":
            return super().add(frames)[..., 1:]
        return np.zeros((9, 3, *self.low), np.uint8) if self.wrong == "early" else super().add(frames)

    def finish(self) -> np.ndarray:
        return super().finish()[:0] if self.wrong == "few" else super().finish()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("type", r"returned float32 \(6, 3, 3, 4\) instead of uint8 \(n, 3, 3, 4\)"),
        ("size", r"returned uint8 \(6, 3, 3, 3\) instead of uint8 \(n, 3, 3, 4\)"),
        ("early", "returned 9 low frames of the first 7 frames"),
        ("few", "returned 6 low frames of a clip of 7 frames"),
    ],
)
def test_a_plugin_that_returns_something_else_is_blamed(wrong: str, message: str) -> None:
    conversion = start(dataclasses.replace(FORMAT, degrade=Wrong, options={"wrong": wrong}), 0)
    with pytest.raises(ElrError, match=f"test_over_time:Wrong' {message}; correct the plugin"):
        for frames in render("7"):
            conversion.add(frames)
        conversion.finish()


def test_the_spec_says_which_way_low_views_are_made() -> None:
    spec = DegradationSpec(name="brightest-HxW", summary="", over_time=Brightest)
    assert spec.crop == "after"
    planned = view_plan(dataclasses.replace(spec, low=(3, 4)), {}, size=(6, 8))
    assert planned.low == FORMAT
    for field in ("on_clip", "on_device"):
        with pytest.raises(ElrError, match=f"'brightest-HxW' has both over_time and {field}; give one of them"):
            DegradationSpec(name="brightest-HxW", summary="", over_time=Brightest, **{field: Brightest})


CHECKED = '''
import numpy as np
from benchmark_core.clips.resample import reduce, to_grey_levels
from elrbench import DegradationSpec, hookimpl


class First:
    """The frames, minus the first frame of {first}."""

    def __init__(self, low, options, seed):
        self.low, self.first = low, None

    def add(self, frames):
        pictures = reduce(frames, self.low)
        if self.first is None or "{first}" == "each chunk":
            self.first = pictures[0]
        return to_grey_levels(128 + pictures - self.first)

    def finish(self):
        return np.zeros((0, 3, *self.low), np.uint8)


@hookimpl
def elr_degradations():
    return [DegradationSpec(name="first-HxW", summary="", over_time=First)]
'''


@pytest.mark.parametrize("first", ["the clip", "each chunk"])
def test_check_finds_state_that_depends_on_chunks(tmp_path: Path, first: str) -> None:
    path = tmp_path / "first.py"
    path.write_text(CHECKED.format(first=first), encoding="utf-8")
    found = list(check_plugin(load_catalog([str(path)], entry_points=False), "first", work=tmp_path / "work"))
    outcome = {finding.check: finding.outcome for finding in found}
    assert outcome["returns the right size"] == outcome["is deterministic"] == "ok"
    if first == "the clip":
        assert set(outcome.values()) == {"ok"} and "trains in a smoke run" in outcome
    else:
        assert outcome["does not depend on chunks"] == "failed"
        assert "chunks of 1, 3 and 2 frames differs" in found[-1].detail
