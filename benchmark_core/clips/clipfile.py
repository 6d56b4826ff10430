"""One clip's stored frames: a padded JSON header, the frames, and for compressed ones the table of their places.

| bytes   | what                                                                           |
|---------|--------------------------------------------------------------------------------|
| 0..511  | JSON, padded with spaces: schema, codec, frames, shape, index, length           |
| 512..   | the frames: raw uint8 (3, rows, columns) each, or compressed each on its own    |
| index.. | where compressed: uint64 little-endian offsets of the frames, and of the end    |
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]  # (3, rows, columns)
Codec = Literal["raw", "difference-zlib"]

SCHEMA = 1
HEADER_BYTES = 512


@dataclass(frozen=True)
class Header:
    """What a clip file says of itself. `length` is that of the whole file: a shorter one was cut off."""

    schema: int
    codec: Codec
    frames: int
    shape: tuple[int, int, int]
    index: int
    length: int


def read_header(path: Path) -> Header | None:
    """None where the file is absent, unreadable, cut off, or not one of ours: it is then to be made anew."""
    try:
        with path.open("rb") as file:
            text = file.read(HEADER_BYTES)
            length = os.fstat(file.fileno()).st_size
        numbers = json.loads(text)
        header = Header(**{**numbers, "shape": tuple(numbers["shape"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    whole = header.schema == SCHEMA and header.length == length and header.frames > 0 and len(header.shape) == 3
    return header if whole else None


class Writer:
    """Writes beside the final path and takes its place on `close`; until then, or after `abort`, nothing is there."""

    def __init__(self, path: Path, codec: Codec) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.codec: Codec = codec
        self.temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        self.shape: tuple[int, int, int] | None = None
        self.offsets = [HEADER_BYTES]
        self.file = self.temporary.open("wb")
        self.file.write(b" " * HEADER_BYTES)

    def add(self, pictures: npt.NDArray[np.uint8]) -> None:
        """Append uint8 (T, 3, rows, columns); ValueError where the size differs from the frames before."""
        shape = (pictures.shape[1], pictures.shape[2], pictures.shape[3])
        if self.shape is not None and shape != self.shape:
            raise ValueError(f"the frame size changes from {self.shape[1:]} to {shape[1:]}")
        self.shape = shape
        for picture in pictures:
            data = picture.tobytes() if self.codec == "raw" else compress(picture)
            self.file.write(data)
            self.offsets.append(self.offsets[-1] + len(data))

    def close(self) -> None:
        """Complete the file and move it into place at once."""
        assert self.shape is not None
        index = self.offsets[-1]
        table = b"" if self.codec == "raw" else np.array(self.offsets, "<u8").tobytes()
        self.file.write(table)
        header = Header(SCHEMA, self.codec, len(self.offsets) - 1, self.shape, index, index + len(table))
        self.file.seek(0)
        self.file.write(json.dumps(asdict(header)).encode().ljust(HEADER_BYTES))
        self.file.close()
        os.replace(self.temporary, self.path)

    def abort(self) -> None:
        """Leave nothing behind."""
        with contextlib.suppress(OSError):  # what is thrown away need not fit on the disk
            self.file.close()
        self.temporary.unlink(missing_ok=True)


def read_frames(path: Path, header: Header, numbers: Sequence[int]) -> npt.NDArray[np.uint8]:
    """uint8 (n, 3, rows, columns) of the frames numbered, through a memory map."""
    out = np.empty((len(numbers), *header.shape), np.uint8)
    size = int(np.prod(header.shape))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        last: tuple[int, int] | None = None  # (number, row of out) of the picture decompressed last
        for row, number in enumerate(numbers):
            if not 0 <= number < header.frames:
                raise IndexError(f"{path.name} has frames 0 to {header.frames - 1}, not {number}")
            if last is not None and last[0] == number:
                out[row] = out[last[1]]
            elif header.codec == "raw":
                place = HEADER_BYTES + number * size
                out[row] = np.frombuffer(mapped[place : place + size], np.uint8).reshape(header.shape)
            else:
                place = header.index + 8 * number
                start, stop = np.frombuffer(mapped[place : place + 16], "<u8").tolist()
                out[row] = decompress(mapped[start:stop], header.shape)
            last = number, row
    return out


def compress(picture: Picture) -> bytes:
    """Lossless: R and B less G, then left and upper neighbours taken off (modulo 256), then Huffman codes alone.

    Runs and repeats, which zlib would look for next, are rare in what remains and cost most of its time.
    """
    plain = picture.copy()
    plain[0] -= picture[1]
    plain[2] -= picture[1]
    plain[:, :, 1:] = np.diff(plain, axis=2)  # wraps around
    plain[:, 1:] = np.diff(plain, axis=1)
    coder = zlib.compressobj(1, zlib.DEFLATED, -15, 9, zlib.Z_HUFFMAN_ONLY)
    return coder.compress(plain.tobytes()) + coder.flush()


def decompress(data: bytes, shape: tuple[int, int, int]) -> Picture:
    """The picture that `compress` was given."""
    plain = np.frombuffer(zlib.decompress(data, -15, int(np.prod(shape))), np.uint8).reshape(shape)
    picture = np.add.accumulate(plain, axis=1, dtype=np.uint8)
    np.add.accumulate(picture, axis=2, out=picture)
    picture[0] += picture[1]
    picture[2] += picture[1]
    return picture
