"""Clips kept as numbered pictures: decoded exactly, known by their names and bytes, refused by the picture's name."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from videos import random_planes, write_planes, write_video

from benchmark_core.clips.bad_clip import BadClip, BadClips
from benchmark_core.clips.decode import decode
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.store import ClipStore
from benchmark_core.specs.index import Clip, FrameFolder

HIGH = StoredFormat(kind="high", size=(12, 16), aspect=(3, 4))


def pictures(count: int, size: tuple[int, int] = (24, 32), seed: int = 0) -> np.ndarray:
    """uint8 (count, rows, columns, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (count, *size, 3), np.uint8)


def folder_of(folder: Path, frames: np.ndarray) -> FrameFolder:
    """PNG pictures numbered from 1."""
    folder.mkdir(parents=True, exist_ok=True)
    names = tuple(f"img{number:04d}.png" for number in range(1, len(frames) + 1))
    for name, frame in zip(names, frames, strict=True):
        write_video(folder / name, [frame], "rgb24", codec="png")
    return FrameFolder(folder, names)


def test_pictures_come_back_exactly_in_chunks(tmp_path: Path) -> None:
    frames = pictures(7, (21, 33))
    chunks = list(decode(folder_of(tmp_path, frames), chunk=3))
    assert [(chunk.first, len(chunk), chunk.colour) for chunk in chunks] == [
        (0, 3, "rgb"),
        (3, 3, "rgb"),
        (6, 1, "rgb"),
    ]
    for channel in range(3):
        assert np.array_equal(np.concatenate([chunk.planes[channel] for chunk in chunks]), frames[..., channel])


def test_the_sources_order_is_kept_and_others_left_alone(tmp_path: Path) -> None:
    frames = pictures(4)
    folder_of(tmp_path, frames)
    (chunk,) = decode(FrameFolder(tmp_path, ("img0003.png", "img0001.png")))
    assert np.array_equal(chunk.planes[0], frames[[2, 0], ..., 0])


def test_grey_stays_one_plane(tmp_path: Path) -> None:
    grey = pictures(1)[0, ..., 0]
    write_video(tmp_path / "a.png", [grey], "gray", codec="png")
    (chunk,) = decode(FrameFolder(tmp_path, ("a.png",)))
    assert chunk.colour == "grey" and np.array_equal(chunk.planes[0][0], grey)


def test_jpeg_is_full_range(tmp_path: Path) -> None:
    write_planes(tmp_path / "a.jpg", random_planes(1, 24, 32), "yuvj420p", codec="mjpeg")
    (chunk,) = decode(FrameFolder(tmp_path, ("a.jpg",)))
    assert chunk.colour == "yuv-full" and [plane.shape for plane in chunk.planes] == [
        (1, 24, 32),
        (1, 12, 16),
        (1, 12, 16),
    ]


def test_a_size_that_changes_starts_another_chunk(tmp_path: Path) -> None:
    for number, size in enumerate([(24, 32), (24, 32), (12, 16)]):
        write_video(tmp_path / f"{number}.png", [pictures(1, size)[0]], "rgb24", codec="png")
    chunks = list(decode(FrameFolder(tmp_path, ("0.png", "1.png", "2.png"))))
    assert [(chunk.size, chunk.first, len(chunk)) for chunk in chunks] == [((24, 32), 0, 2), ((12, 16), 2, 1)]


def test_paths_are_no_patterns(tmp_path: Path) -> None:
    """FFmpeg reads `%04d` as a sequence, and what stands before a colon as a protocol."""
    source = folder_of(tmp_path / "plain", pictures(2))
    odd = tmp_path / "100%04d" / "concat:a (b)! + & c"
    shutil.copytree(source.path, odd)
    assert sum(len(chunk) for chunk in decode(FrameFolder(odd, source.names))) == 2


@pytest.mark.parametrize("harm", ["absent", "emptied", "cut", "flipped", "text", "folder", "loop"])
def test_a_bad_picture_is_named(tmp_path: Path, harm: str) -> None:
    source = folder_of(tmp_path, pictures(3))
    path = tmp_path / "img0002.png"
    whole = path.read_bytes()
    path.unlink()
    if harm == "folder":
        path.mkdir()
    elif harm == "loop":
        path.symlink_to(path)
    elif harm != "absent":
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]
        path.write_bytes(
            {"emptied": b"", "cut": whole[:middle], "flipped": flipped, "text": b"no picture\n" * 99}[harm]
        )
    with pytest.raises(BadClip, match=r"cannot be decoded: img0002\.png: ") as caught:
        list(decode(source))
    assert caught.value.reason and "\n" not in str(caught.value)


def test_a_cut_jpeg_is_not_mended(tmp_path: Path) -> None:
    path = write_planes(tmp_path / "a.jpg", random_planes(1, 96, 128), "yuvj420p", codec="mjpeg")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(BadClip, match=r"cannot be decoded: a\.jpg: "):
        list(decode(FrameFolder(tmp_path, ("a.jpg",))))


def test_no_picture_is_no_clip(tmp_path: Path) -> None:
    with pytest.raises(BadClip, match="has no frame"):
        list(decode(FrameFolder(tmp_path, ())))


def test_a_clip_is_known_by_its_names_and_bytes(tmp_path: Path) -> None:
    store = ClipStore(tmp_path / "cache")
    source = folder_of(tmp_path / "a", pictures(3))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    twin = FrameFolder(tmp_path / "b", source.names)
    assert store.content_key(source) == store.content_key(twin)
    assert store.content_key(source) != store.content_key(FrameFolder(source.path, source.names[:2]))
    assert store.content_key(source) != store.content_key(FrameFolder(source.path, source.names[::-1]))
    write_video(tmp_path / "b" / "img0002.png", [pictures(1, seed=1)[0]], "rgb24", codec="png")
    assert store.content_key(source) != store.content_key(twin)


def test_the_store_keeps_and_reads_them(tmp_path: Path) -> None:
    store = ClipStore(tmp_path / "cache")
    good = Clip(id="good", source=folder_of(tmp_path / "a", pictures(3)), target=0)
    bad = Clip(id="bad", source=folder_of(tmp_path / "b", pictures(3)), target=0)
    (tmp_path / "b" / "img0003.png").unlink()
    with pytest.raises(BadClips, match=r"1 of 2 clips cannot be decoded: 'bad' \(img0003\.png: .*--bad-clips skip"):
        store.ensure([good, bad], [HIGH])
    report = store.ensure([good, bad], [HIGH], bad_clips="skip")
    assert report.bad == (("bad", f"img0003.png: {os.strerror(2)}"),)
    assert store.reader(HIGH).frames(good, [0, 2]).shape == (2, 3, 12, 16)
    assert ClipStore(tmp_path / "cache").ensure([good], [HIGH]).reused == 1
