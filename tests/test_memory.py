"""Memory of a large dataset before a frame is read: a few hundred bytes per clip."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from videos import drawn

from benchmark_core.clips.augment import Jitter
from benchmark_core.clips.formats import StoredFormat, ViewPlan
from benchmark_core.clips.index import Clip, Fold, Index, VideoFile
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.store import KNOWN, ClipStore
from benchmark_core.clips.views import Views

FEW, MANY = 5_000, 10_000  # readers remember FEW clips at most
LIMIT = 460  # bytes per clip: 50 MB from 1,000 to 100,000 clips, 4 MB of them remembered by readers
SMALL, LARGE = (StoredFormat(kind="high", size=size, aspect=(3, 4)) for size in ((3, 4), (6, 8)))


def index(count: int) -> Index:
    """Clips with names as long as UCF101's: an id, path and group each, in 400 classes."""
    clips = []
    for number in range(count):
        name = f"class_{number % 400}/v_SomeAction_g{number:06d}_c01.avi"
        path = Path("/somewhere/data/of/someone/videos") / name
        clips.append(Clip(id=name, source=VideoFile(path), target=number % 400, group=f"group-{number // 4}"))
    ids = tuple(clip.id for clip in clips)
    half = count // 2
    return Index(clips=tuple(clips), folds={str(n): Fold(train=ids[:half], test=ids[half:]) for n in (1, 2, 3)})


def used(count: int, store: ClipStore) -> int:
    """Return the bytes held by the index, by views of its clips, and by readers that have read every header."""
    tracemalloc.start()
    try:
        listed = index(count)
        stock = ViewPlan(crop="after", size=(6, 8), low=SMALL, high=LARGE)
        views = [
            Views(
                listed.split("1", part), store, stock,
                sampling=Sampling.parse("2x1"), classes=400, high=True, train=part == "train", jitter=Jitter(),
            )
            for part in ("train", "test")
        ]  # fmt: skip
        assert sum(one.padded for one in views) == 0  # reads every clip's header
        assert all(len(one.read(one.clips[:2]).ids) == 2 for one in views)
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_a_listed_clip_takes_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, clip = ClipStore(tmp_path), drawn(1)
    store.ensure([clip], [SMALL, LARGE])
    content = store.content_key(clip.source)
    # The files are not there: every path stands for one clip that is, but for its text of its own.
    monkeypatch.setattr(store, "content_key", lambda source: "".join([*content]))
    assert KNOWN < FEW
    used(MANY, store)  # grows the interpreter's table of interned names once
    few = used(FEW, store)
    each = (used(MANY, store) - few) / (MANY - FEW)
    assert each <= LIMIT, f"{each:.0f} bytes a clip"
