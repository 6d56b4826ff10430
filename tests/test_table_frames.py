"""Frames out of CSV tables: exact grey levels of the rows asked for, and a line for whatever is wrong."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from tables_of_frames import write_table

from benchmark_core.clips.decode import BadClip, decode
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.store import ClipStore
from benchmark_core.specs.index import Clip, TableFrames


def table(path: Path, first: int = 0, last: int = 9) -> TableFrames:
    return TableFrames(path=path, first=first, last=last, prefix="P", shape=(2, 3), coldest=20.0, hottest=30.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Ten rows: pixel p of row t has 20 + t + p / 10 degrees."""
    rows = 20 + np.arange(10)[:, None] + np.arange(6)[None] / 10
    return write_table(tmp_path / "a.csv", rows)


def levels(source: TableFrames, chunk: int = 64) -> np.ndarray:
    return np.concatenate([frames.planes[0] for frames in decode(source, chunk)])


def test_rows_become_grey_levels_row_by_row_from_the_top_left(path: Path) -> None:
    [frames] = decode(table(path, 3, 5))
    assert (frames.colour, frames.size, len(frames)) == ("grey", (2, 3), 3)
    due = [[round((3 + t + p / 10) * 25.5) for p in range(6)] for t in range(3)]
    assert frames.planes[0].reshape(3, 6).tolist() == due
    assert frames.planes[0].dtype == np.uint8


def test_both_ends_are_included_and_chunks_are_numbered(path: Path) -> None:
    assert len(levels(table(path, 9, 9))) == 1 and len(levels(table(path, 0, 9))) == 10
    assert [(chunk.first, len(chunk)) for chunk in decode(table(path), chunk=4)] == [(0, 4), (4, 4), (8, 2)]
    assert np.array_equal(levels(table(path), 3), levels(table(path)))


def test_what_is_colder_or_hotter_is_clipped(tmp_path: Path) -> None:
    path = write_table(tmp_path / "a.csv", np.array([[-40.0, 19.9, 20.0, 30.0, 30.1, 1e9]]))
    assert levels(table(path, 0, 0)).ravel().tolist() == [0, 0, 0, 255, 255, 255]


def test_columns_are_found_by_name(tmp_path: Path, path: Path) -> None:
    """Another order, other columns between, a byte-order mark, no line before the header, Unix line ends."""
    header, *rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    order = [7, 0, 4, 2, 6, 3, 5, 1]
    text = "\n".join(",".join(line[place] for place in order) for line in (header, *rows))
    other = tmp_path / "b.csv"
    other.write_text(text, encoding="utf-8-sig")
    assert np.array_equal(levels(table(other)), levels(table(path)))


@pytest.mark.parametrize(
    ("row", "text", "reason"),
    [
        (4, "0.1,25.0,20,21,22", "row 5 has 5 cells, expected 8"),
        (4, "0.1,25.0,20,21,warm,23,24,25", "row 5: could not convert string to float: 'warm'"),
        (4, "0.1,25.0,20,21,nan,23,24,25", "row 5: 'nan' is not a temperature"),
        (4, "0.1,25.0,20,21,22,23,24,inf", "row 5: 'inf' is not a temperature"),
        (4, "0.1,25.0,20,21,,23,24,25", "row 5: could not convert"),
        (4, "", "row 5 has 1 cells, expected 8"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(path: Path, row: int, text: str, reason: str) -> None:
    lines = path.read_text().splitlines()
    lines[2 + row] = text
    path.write_text("\n".join(lines))
    with pytest.raises(BadClip) as caught:
        levels(table(path))
    assert caught.value.reason.startswith(reason) and "\n" not in str(caught.value)
    assert len(levels(table(path, 5, 9))) == 5  # what is not asked for is not read


def test_too_few_rows_are_named(path: Path) -> None:
    with pytest.raises(BadClip, match="10 rows of frames, but rows 9 to 11"):
        levels(table(path, 8, 10))
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:2]))
    with pytest.raises(BadClip, match="it has 0 rows of frames"):
        levels(table(path, 0, 0))


@pytest.mark.parametrize(
    "content", [None, b"", b"\xff\x00" * 5000, b"a,b,c\n1,2,3\n", b"P0,P1,P2,P3,P4\n", b"x" * 3_000_000]
)
def test_what_is_no_such_table_is_a_bad_clip(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bad.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadClip, match=r"names the 6 columns P0 to P5|No such file"):
        levels(table(path))
    with pytest.raises(BadClip, match="Is a directory"):
        levels(table(tmp_path))


def test_two_ranges_of_one_table_are_two_clips_in_the_store(path: Path, tmp_path: Path) -> None:
    store = ClipStore(tmp_path / "cache")
    stored_format = StoredFormat(kind="native")
    sources = [table(path, 0, 4), table(path, 5, 9), dataclasses.replace(table(path, 0, 4), hottest=40.0)]
    clips = [Clip(id=str(number), source=source, target=0) for number, source in enumerate(sources)]
    assert len({store.content_key(source) for source in sources}) == 3
    assert store.ensure(clips, [stored_format]).built == 3
    reader = store.reader(stored_format)
    for clip, source in zip(clips, sources, strict=True):
        stored = reader.frames(clip, range(5))  # (5, 3, 2, 3)
        assert np.array_equal(stored, np.repeat(levels(source)[:, None], 3, axis=1))
    assert store.content_key(sources[0]) == ClipStore(tmp_path).content_key(sources[0])
    path.write_text(path.read_text().replace("20.0", "20.5", 1))
    assert (
        store.content_key(sources[0]) != store.content_key(sources[1])
        and store.ensure(clips, [stored_format]).built == 3
    )


def test_a_missing_table_is_a_bad_clip_of_the_store(tmp_path: Path) -> None:
    clip = Clip(id="a", source=table(tmp_path / "gone.csv"), target=0)
    report = ClipStore(tmp_path / "cache").ensure([clip], [StoredFormat(kind="native")], bad_clips="skip")
    assert report.bad == (("a", "No such file or directory"),)


def test_a_table_is_quickly_read(tmp_path: Path) -> None:
    """No more than the rows asked for become numbers: a recording holds many actions."""
    rows = np.full((400, 6), math.pi)
    path = write_table(tmp_path / "long.csv", rows)
    path.write_text(path.read_text() + "torn,row\n")
    assert len(levels(table(path, 390, 399))) == 10
