"""Decoding keeps planes as they are and never lets a decoder's exception out."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import av
import numpy as np
import pytest
from videos import drawn, random_planes, write_planes, write_video

from benchmark_core.clips.decode import DECODER, BadClip, decode
from benchmark_core.clips.frames import Frames
from benchmark_core.errors import ElrError
from benchmark_core.specs.index import Drawn, VideoFile


def test_planes_of_an_odd_size_come_back_exactly_in_chunks(tmp_path: Path) -> None:
    planes = random_planes(7, 21, 33)
    path = write_planes(tmp_path / "odd.mkv", planes, "yuv420p")
    chunks = list(decode(VideoFile(path), chunk=3))
    assert [(chunk.first, len(chunk)) for chunk in chunks] == [(0, 3), (3, 3), (6, 1)]
    assert {chunk.colour for chunk in chunks} == {"yuv-limited"}
    for number, plane in enumerate(planes):
        assert np.array_equal(np.concatenate([chunk.planes[number] for chunk in chunks]), plane)


def test_chunks_are_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_planes(tmp_path / "a.mkv", random_planes(7, 16, 16), "yuv420p")
    monkeypatch.setattr("benchmark_core.clips.decode.CHUNK_BYTES", 2 * 16 * 16 * 3 // 2)
    assert [len(chunk) for chunk in decode(VideoFile(path))] == [2, 2, 2, 1]


@pytest.mark.parametrize(
    ("tags", "colour"),
    [
        ({"color_range": 1, "colorspace": 5}, "yuv-limited"),
        ({"color_range": 2, "colorspace": 5}, "yuv-full"),
        ({"color_range": 1, "colorspace": 1}, "yuv709-limited"),
        ({"color_range": 2, "colorspace": 1}, "yuv709-full"),
    ],
)
def test_tags_name_the_colour(tmp_path: Path, tags: dict[str, int], colour: str) -> None:
    path = write_planes(tmp_path / "tagged.mkv", random_planes(1, 16, 16), "yuv420p", **tags)
    assert next(decode(VideoFile(path))).colour == colour


def test_jpeg_pictures_are_full_range(tmp_path: Path) -> None:
    path = write_planes(tmp_path / "jpeg.avi", random_planes(1, 16, 16), "yuvj420p", codec="mjpeg")
    assert next(decode(VideoFile(path))).colour == "yuv-full"


def test_rgb_and_grey_come_back_exactly(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (10, 13, 3), np.uint8)
    path = write_video(tmp_path / "rgb.avi", [colour], "rgb24", codec="png")
    [frames] = decode(VideoFile(path))
    assert frames.colour == "rgb"
    assert np.array_equal(np.stack([plane[0] for plane in frames.planes], -1), colour)
    grey = rng.integers(0, 256, (10, 13), np.uint8)
    [frames] = decode(VideoFile(write_video(tmp_path / "grey.mkv", [grey], "gray")))
    assert frames.colour == "grey"
    assert np.array_equal(frames.planes[0][0], grey)


def test_ten_bits_become_eight(tmp_path: Path) -> None:
    path = tmp_path / "ten.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.pix_fmt, stream.height, stream.width = "yuv420p10le", 16, 16
        frame = av.VideoFrame(16, 16, "yuv420p10le")
        for plane, level in zip(frame.planes, (400, 600, 300), strict=True):
            plane.update(np.full(plane.buffer_size // 2, level, "<u2").tobytes())
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    [frames] = decode(VideoFile(path))
    assert frames.colour == "yuv-limited"
    for plane, level in zip(frames.planes, (100, 150, 75), strict=True):
        assert np.abs(plane.astype(int) - level).max() <= 1


def test_a_size_that_changes_midway_starts_another_chunk(tmp_path: Path) -> None:
    whole = b""
    for size in ((16, 16), (16, 16), (24, 32)):
        part = write_planes(tmp_path / "part.mjpeg", random_planes(1, *size), "yuvj420p", codec="mjpeg")
        whole += part.read_bytes()
    path = tmp_path / "changing.mjpeg"
    path.write_bytes(whole)
    chunks = list(decode(VideoFile(path)))
    assert [(chunk.size, chunk.first, len(chunk)) for chunk in chunks] == [((16, 16), 0, 2), ((24, 32), 2, 1)]


@pytest.mark.parametrize("content", [None, b"", b"not a video at all " * 100])
def test_what_cannot_be_decoded_is_a_bad_clip(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bad.avi"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadClip, match=r"bad\.avi cannot be decoded: ") as caught:
        list(decode(VideoFile(path)))
    assert isinstance(caught.value, ElrError)
    assert caught.value.reason and "\n" not in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).reason == caught.value.reason


def test_a_folder_and_a_file_without_video_are_bad_clips(tmp_path: Path) -> None:
    with pytest.raises(BadClip):
        list(decode(VideoFile(tmp_path)))
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(BadClip, match="no video stream"):
        list(decode(VideoFile(path)))


def test_a_drawn_clip_is_numbered_and_must_not_be_empty() -> None:
    assert [(chunk.first, len(chunk)) for chunk in decode(drawn(1, frames=6).source)] == [(0, 4), (4, 2)]
    empty = Drawn(render=lambda key: iter([Frames(planes=(np.zeros((0, 4, 4), np.uint8),) * 3, colour="rgb")]), key="k")
    with pytest.raises(BadClip, match="has no frame"):
        list(decode(empty))


def test_the_decoder_is_named_with_its_version() -> None:
    assert f"pyav {av.__version__}" == DECODER


def test_a_container_with_metadata_that_is_not_utf8() -> None:
    if "ELRBENCH_DATA" not in os.environ:
        pytest.skip("ELRBENCH_DATA names no folder of real clips")
    folder = Path(os.environ["ELRBENCH_DATA"]) / "hmdb51" / "hmdb51_org" / "cartwheel"
    [path] = folder.glob("*Turnk_r_Pippi_Michel_*.avi")
    assert sum(len(chunk) for chunk in decode(VideoFile(path))) == 83
