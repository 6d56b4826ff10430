"""Stored pictures come back exactly, by any codec, in any order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark_core.clips import clipfile
from benchmark_core.clips.codec import LARGE, Codec, codec_for, compress, decoder, encoder

# Of 3 x 9 x 8 pixels counting up modulo 251.
OLD = "05c131010030100321b29db4975c7985070000000000000000b86ddb162040800001020408700000000000000000800f"
SHAPES = [(3, 1, 1), (3, 1, 7), (3, 9, 1), (3, 24, 32), (3, 131, 129)]


def pictures(shape: tuple[int, int, int]) -> list[np.ndarray]:
    slope = np.arange(np.prod(shape)).reshape(shape) % 251
    noise = np.random.default_rng(0).integers(0, 256, shape)
    return [array.astype(np.uint8) for array in (noise, np.zeros(shape), np.full(shape, 255), slope)]


@pytest.mark.parametrize("codec", ["raw", "difference-zlib", "magicyuv"])
@pytest.mark.parametrize("shape", SHAPES)
def test_codecs_are_lossless(codec: Codec, shape: tuple[int, int, int]) -> None:
    encode = encoder(codec, shape)
    packets = [encode(picture) for picture in pictures(shape)]
    decode = decoder(codec)
    for number in (3, 0, 0, 2, 1):  # each stands on its own
        out = np.full(shape, 7, np.uint8)
        decode(packets[number], out)
        assert np.array_equal(out, pictures(shape)[number])


@pytest.mark.parametrize("codec", ["raw", "difference-zlib", "magicyuv"])
def test_foreign_bytes_are_refused(codec: Codec) -> None:
    shape = (3, 24, 32)
    with pytest.raises(Exception) as caught:  # each library has its own; the store turns them into one
        decoder(codec)(b"\xff" * 500, np.empty(shape, np.uint8))
    assert type(caught.value).__module__.split(".")[0] in ("builtins", "zlib", "av")
    if codec == "magicyuv":
        with pytest.raises(ValueError, match="12x16"):
            decoder(codec)(encoder(codec, shape)(pictures(shape)[0]), np.empty((3, 12, 16), np.uint8))


def test_large_pictures_have_the_codec_that_is_read_fast(tmp_path: Path) -> None:
    assert codec_for((3, 96, 128)) == "difference-zlib" and codec_for((3, 256, 340)) == "magicyuv"
    assert codec_for((2, 256, 340)) == "difference-zlib" and LARGE > 96 * 128
    for number, shape in enumerate([(3, 20, 30), (3, 140, 150)]):
        writer = clipfile.Writer(tmp_path / f"{number}.clip", compressed=True)
        writer.add(np.stack(pictures(shape)))
        writer.close()
        header = clipfile.read_header(writer.path)
        assert header is not None and header.codec == codec_for(shape) and header.frames == 4
        assert np.array_equal(clipfile.read_frames(writer.path, header, [3, 1]), np.stack(pictures(shape))[[3, 1]])


@pytest.mark.parametrize("small", [0, 1 << 18])
def test_raw_frames_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: int) -> None:
    """Of 600 bytes each: read at once, or one by one if few of many are needed."""
    monkeypatch.setattr(clipfile, "SMALL", small)
    stored = np.random.default_rng(0).integers(0, 256, (40, 3, 10, 20), np.uint8)
    writer = clipfile.Writer(tmp_path / "a.clip", compressed=False)
    writer.add(stored)
    writer.close()
    header = clipfile.read_header(writer.path)
    assert header is not None and header.codec == "raw"
    for numbers in (range(40), range(3, 9), [39], [0, 39], [5, 5, 2, 7], [2, 4, 6, 8], [3, 2, 1], []):
        found = clipfile.read_frames(writer.path, header, numbers)
        assert np.array_equal(found, stored[list(numbers)].reshape(-1, 3, 10, 20)) and found.dtype == np.uint8
        found[...] = 0  # the caller's own
    for numbers in ([40], [3, -1], range(39, 41)):
        with pytest.raises(IndexError, match=r"a\.clip has frames 0 to 39, not (40|-1)"):
            clipfile.read_frames(writer.path, header, numbers)
    with writer.path.open("r+b") as file:
        file.truncate(clipfile.HEADER_BYTES + 39 * 600 + 1)
    for numbers in (range(38, 40), [36, 39]):
        with pytest.raises(ValueError):
            clipfile.read_frames(writer.path, header, numbers)


def test_files_of_before_are_read(tmp_path: Path) -> None:
    """Headers, offsets and differences as stores hold them since the first release."""
    picture = (np.arange(3 * 9 * 8).reshape(3, 9, 8) % 251).astype(np.uint8)
    data = bytes.fromhex(OLD)
    header = (
        f'{{"schema": 1, "codec": "difference-zlib", "frames": 1, "shape": [3, 9, 8], '
        f'"index": {512 + len(data)}, "length": {512 + len(data) + 16}}}'
    )
    path = tmp_path / "old.clip"
    path.write_bytes(header.encode().ljust(512) + data + np.array([512, 512 + len(data)], "<u8").tobytes())
    found = clipfile.read_header(path)
    assert found is not None and np.array_equal(clipfile.read_frames(path, found, [0])[0], picture)
    assert compress(picture) == data
