"""Memory of a large dataset before a frame is read: a few hundred bytes per clip."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from videos import drawn

from benchmark_core.clips.augment import Jitter
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.store import ClipStore
from benchmark_core.clips.view_plan import ViewPlan
from benchmark_core.clips.views import Views
from benchmark_core.specs.index import Clip, Fold, Index, VideoFile

FEW, MANY = 5_000, 10_000
LIMIT = 460  # bytes per clip without the headers that readers remember
HEADER = 600  # bytes per clip and format that a reader remembers
SMALL, LARGE = (StoredFormat(kind="high", size=size, aspect=(3, 4)) for size in ((3, 4), (6, 8)))


def index(count: int) -> Index:
    """Return an index like that of a dataset's plugin, in 400 classes, with names as long as those of UCF101."""
    clips = []
    for number in range(count):
        name = f"class_{number % 400}/v_SomeAction_g{number:06d}_c01.avi"
        path = Path("/somewhere/data/of/someone/videos") / name
        clips.append(Clip(id=name, source=VideoFile(path), target=number % 400, group=f"group-{number // 4}"))
    ids = tuple(clip.id for clip in clips)
    half = count // 2
    return Index(clips=tuple(clips), folds={str(n): Fold(train=ids[:half], test=ids[half:]) for n in (1, 2, 3)})


def used(count: int, root: Path) -> int:
    """Return the bytes of the index, views over its clips, and readers that have read each clip's header."""
    tracemalloc.start()
    try:
        listed, store = index(count), ClipStore(root)
        planned = ViewPlan(crop="after", size=(6, 8), low=SMALL, high=LARGE)
        views = [
            Views(
                listed.split("1", part), store, planned,
                sampling=Sampling.parse("2x1"), classes=400, high=True, train=part == "train", jitter=Jitter(),
            )
            for part in ("train", "test")
        ]  # fmt: skip
        assert sum(one.padded for one in views) == 0  # reads the header of each clip
        assert all(len(one.read(one.clips[:2]).ids) == 2 for one in views)
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("known", "limit"), [(FEW // 2, LIMIT), (MANY, LIMIT + 2 * HEADER)])
def test_a_listed_clip_takes_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: int, limit: int
) -> None:
    store, clip = ClipStore(tmp_path), drawn(1)
    store.ensure([clip], [SMALL, LARGE])
    content = store.content_key(clip.source)
    # The files do not exist: each path stands for one clip that does, with a string of its own.
    monkeypatch.setattr(ClipStore, "content_key", lambda self, source: "".join([*content]))
    monkeypatch.setattr("benchmark_core.clips.store.KNOWN", known)
    used(MANY, tmp_path)
    for _ in range(3):  # the interpreter's table of interned strings, which paths use, may grow in one of these
        few = used(FEW, tmp_path)
        each = (used(MANY, tmp_path) - few) / (MANY - FEW)
        if each <= limit:
            return
    pytest.fail(f"{each:.0f} bytes a clip")
