"""Videos with a display matrix are turned when they are decoded, and only they get another content key."""

from __future__ import annotations

import hashlib
import sqlite3
import struct
from pathlib import Path

import numpy as np
import pytest
from videos import film, on_disk, random_planes, write_planes

from benchmark_core.clips.contents import Contents
from benchmark_core.clips.decode import decode
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.store import ClipStore
from benchmark_core.specs.index import VideoFile

TURNS = {  # a, b, c, d: a point (x, y), y down, is shown at (a x + c y, b x + d y)
    "90 clockwise": ((0, 1, -1, 0), lambda plane: np.rot90(plane, -1)),
    "180": ((-1, 0, 0, -1), lambda plane: np.rot90(plane, 2)),
    "90 anticlockwise": ((0, -1, 1, 0), lambda plane: np.rot90(plane)),
    "mirrored": ((-1, 0, 0, 1), np.fliplr),
    "upside down": ((1, 0, 0, -1), np.flipud),
    "transposed": ((0, 1, 1, 0), np.transpose),
}


def set_matrix(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """Write a display matrix into the track header of an MP4 file."""
    content = bytearray(path.read_bytes())
    first = content.index(b"tkhd") + 44  # of version 0: the matrix begins 40 bytes after version and flags begin
    one = 1 << 16
    assert struct.unpack_from(">2i", content, first) == (one, 0)
    struct.pack_into(">9i", content, first, a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


def planes_of(path: Path) -> list[np.ndarray]:
    chunks = list(decode(VideoFile(path)))
    return [np.concatenate([chunk.planes[number] for chunk in chunks]) for number in range(3)]


@pytest.mark.parametrize("name", TURNS)
def test_frames_are_turned_as_their_matrix_says(tmp_path: Path, name: str) -> None:
    matrix, turn = TURNS[name]
    path = film(tmp_path / "a.mp4", 100)  # 24x32
    stored = planes_of(path)
    shown = planes_of(set_matrix(path, *matrix))
    for before, after in zip(stored, shown, strict=True):
        assert np.array_equal(after, np.stack([turn(frame) for frame in before])), name
    assert shown[0].shape[1:] == ((32, 24) if matrix[0] == 0 else (24, 32))


def test_chroma_with_half_the_columns_gets_half_the_rows(tmp_path: Path) -> None:
    y, u, v = random_planes(2, 24, 32)
    planes = y, np.repeat(u, 2, axis=1), np.repeat(v, 2, axis=1)
    path = set_matrix(write_planes(tmp_path / "a.mp4", planes, "yuv422p", "libx264"), 0, 1, -1, 0)
    assert [plane.shape[1:] for plane in planes_of(path)] == [(32, 24), (16, 24), (16, 24)]
    [frames] = decode(VideoFile(path))
    made = StoredFormat(kind="high", size=(16, 12), aspect=(4, 3)).make(frames, 0)
    assert made.shape == (2, 3, 16, 12)


def test_only_a_turned_file_has_another_content_key(tmp_path: Path) -> None:
    known = Contents(tmp_path / "cache")
    for name in ("a.avi", "b.mp4"):
        path = film(tmp_path / name, 100)
        assert known.key(VideoFile(path)) == hashlib.sha256(path.read_bytes()).hexdigest(), name
    path = set_matrix(film(tmp_path / "c.mp4", 100), 1, 0, 0, 1)  # a matrix that changes nothing
    assert known.key(VideoFile(path)) == hashlib.sha256(path.read_bytes()).hexdigest()
    keys = set()
    for number, (matrix, _) in enumerate(TURNS.values()):
        path = set_matrix(film(tmp_path / f"turned-{number}.mp4", 100), *matrix)
        keys |= {known.key(VideoFile(path)), hashlib.sha256(path.read_bytes()).hexdigest()}
    assert len(keys) == 2 * len(TURNS)


def test_a_clip_that_an_older_version_stored_as_it_lies_is_made_again(tmp_path: Path) -> None:
    path = set_matrix(film(tmp_path / "a.mp4", 100), 0, 1, -1, 0)
    plain = hashlib.sha256(path.read_bytes()).hexdigest()
    root = tmp_path / "cache"
    root.mkdir()
    with sqlite3.connect(root / "digests.sqlite") as connection:  # as older versions left it
        connection.execute("CREATE TABLE digests (path BLOB PRIMARY KEY, known BLOB NOT NULL) WITHOUT ROWID")
    store, high = ClipStore(root), StoredFormat(kind="high", size=(16, 12), aspect=(4, 3))
    store.ensure([on_disk(path)], [high])
    assert store.content_key(VideoFile(path)) != plain
    frames = store.reader(high).frames(on_disk(path), [0])
    [shown] = decode(VideoFile(path))
    assert np.array_equal(frames, high.make(shown, 0)[:1])


def test_a_damaged_file_that_may_be_turned_is_known_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"\0\0\0\x18ftypisom" + b"damage" * 50)
    assert Contents(tmp_path / "cache").key(VideoFile(path)) == hashlib.sha256(path.read_bytes()).hexdigest()
