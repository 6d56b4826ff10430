"""Clips in which the actor fills the frame are resized whole; all suites on IXMAS read such clips."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import yaml
from test_ixmas import EPFL, epfl
from videos import write_video

from benchmark_core.clips.contents import Contents
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.store import ClipStore
from benchmark_core.papers.collection import load_library
from benchmark_core.specs.index import Clip, VideoFile
from elrbench_plugins.ixmas import IXMAS_11, IXMAS_12

assert epfl  # a fixture


def stripes(path: Path) -> Path:
    """Two frames of 24x96: the left and the right third are white."""
    frame = np.zeros((24, 96), np.uint8)
    frame[:, :32] = frame[:, -32:] = 240
    return write_video(path, [frame] * 2, "gray")


@pytest.mark.parametrize("kind", ["high", "low"])
def test_the_whole_frame_is_resized(tmp_path: Path, kind: str) -> None:
    path = stripes(tmp_path / "a.mkv")
    average = "elrbench_plugins.degradations.average:degrade" if kind == "low" else None
    options = {"sigma_blur": 0.0, "sigma_noise": 0.0} if kind == "low" else {}
    fmt = StoredFormat(kind=kind, size=(12, 12), aspect=(1, 1), degrade=average, options=options)  # type: ignore[arg-type]
    cropped, whole = (Clip(id=str(one), source=VideoFile(path, one), target=0) for one in (False, True))
    store = ClipStore(tmp_path / "cache")
    store.ensure([cropped, whole], [fmt])
    reader = store.reader(fmt)
    assert reader.frames(cropped, [0]).max() == 0  # the centre has no white
    assert reader.frames(whole, [0])[0, 0, 0].tolist() == [240] * 4 + [0] * 4 + [240] * 4


def test_only_a_whole_clip_has_another_key(tmp_path: Path) -> None:
    path = stripes(tmp_path / "a.mkv")
    known, source = Contents(tmp_path / "cache"), VideoFile(path, whole=True)
    assert known.key(source) != known.key(VideoFile(path))
    assert pickle.loads(pickle.dumps(source)) == source != VideoFile(path)


def test_epfl_s_clips_are_whole_and_their_index_says_so(epfl: Path) -> None:
    index = IXMAS_12.read_index(epfl, "loso-10", EPFL)
    assert all(isinstance(clip.source, VideoFile) and clip.source.whole for clip in index.clips)
    cropped = [Clip(id=clip.id, source=VideoFile(clip.source.path), target=clip.target) for clip in index.clips]
    assert index.digest() != type(index)(clips=tuple(cropped), folds=index.folds).digest()


def test_all_suites_on_ixmas_read_the_same_set() -> None:
    suites = load_library(["elrbench_plugins.reported"], entry_points=False).suites
    rows = [
        (name, row["dataset"], row["protocol"])
        for name, file in suites.items()
        for row in yaml.safe_load(file.text)["rows"]
        if "ixmas" in str(row.get("dataset"))
    ]
    assert {row[1:] for row in rows} == {("ixmas-12:epfl", "loso-10")}
    assert {row[0] for row in rows} == {"cstat-table5", "purwanto-table2", "purwanto-table3"}
    said = " ".join(" ".join(IXMAS_11.unspecified).split())
    assert "1,800 videos are 12 actions" in said and "ixmas-12:epfl" in said
