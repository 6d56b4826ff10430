"""One clip's stored frames: a padded JSON header, the frames, and for compressed ones the table of their places.

| bytes   | what                                                                           |
|---------|--------------------------------------------------------------------------------|
| 0..511  | JSON, padded with spaces: schema, codec, frames, shape, index, length, checksum |
| 512..   | the frames: raw uint8 (3, rows, columns) each, or compressed each on its own    |
| index.. | where compressed: uint64 little-endian offsets of the frames, and of the end    |
"""

from __future__ import annotations

import contextlib
import json
import math
import mmap
import os
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
from av.error import FFmpegError

from benchmark_core.clips.codec import Codec, Encode, Shape, codec_for, decoder, encoder

SCHEMA = 1
HEADER_BYTES = 512
TEMPORARY = ".tmp"  # behind the name of a file that is being written


@dataclass(frozen=True, slots=True)
class Header:
    """What a clip file says of itself.

    length: of the whole file: a shorter one was cut off. checksum: CRC-32 of what follows the header; files of older
    stores have none.
    """

    schema: int
    codec: Codec
    frames: int
    shape: Shape
    index: int
    length: int
    checksum: int | None = None


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
    return header if whole and header.codec in get_args(Codec) else None


class Writer:
    """Writes beside the final path and takes its place on `close`; until then, or after `abort`, nothing is there.

    compressed: by the codec for the pictures' size; otherwise they are kept raw. One at a time may write to a path: the
    store's locks see to it, so that what a killed process left is written over.
    """

    def __init__(self, path: Path, *, compressed: bool) -> None:
        self.path = path
        self.compressed = compressed
        self.temporary = path.with_name(path.name + TEMPORARY)
        self.codec: Codec = "raw"
        self.shape: Shape | None = None
        self.offsets = [HEADER_BYTES]
        self.closed = False
        self.checksum = 0
        try:
            self.file = self.temporary.open("wb")
        except FileNotFoundError:  # the first of its folder
            path.parent.mkdir(parents=True, exist_ok=True)
            self.file = self.temporary.open("wb")
        self.file.write(b" " * HEADER_BYTES)

    def add(self, pictures: npt.NDArray[np.uint8]) -> None:
        """Append uint8 (T, 3, rows, columns); ValueError where the size differs from the frames before."""
        shape = (pictures.shape[1], pictures.shape[2], pictures.shape[3])
        if self.shape is None:
            self.shape = shape
            self.codec = codec_for(shape) if self.compressed else "raw"
            self.encode: Encode = encoder(self.codec, shape)
        if shape != self.shape:
            raise ValueError(f"the frame size changes from {self.shape[1:]} to {shape[1:]}")
        if self.codec == "raw":
            self._append(pictures.tobytes())
            self.offsets += [self.offsets[-1] + (number + 1) * math.prod(shape) for number in range(len(pictures))]
            return
        for picture in pictures:
            data = self.encode(picture)
            self._append(data)
            self.offsets.append(self.offsets[-1] + len(data))

    def _append(self, data: bytes) -> None:
        self.file.write(data)
        self.checksum = zlib.crc32(data, self.checksum)

    def close(self) -> None:
        """Complete the file and move it into place at once."""
        assert self.shape is not None
        index = self.offsets[-1]
        table = b"" if self.codec == "raw" else np.array(self.offsets, "<u8").tobytes()
        self._append(table)
        frames, length = len(self.offsets) - 1, index + len(table)
        header = Header(SCHEMA, self.codec, frames, self.shape, index, length, self.checksum)
        self.file.seek(0)
        self.file.write(json.dumps(asdict(header)).encode().ljust(HEADER_BYTES))
        self.file.close()
        os.replace(self.temporary, self.path)
        self.closed = True

    def abort(self) -> None:
        """Leave nothing behind of what was not completed."""
        if self.closed:
            return
        with contextlib.suppress(OSError):  # what is thrown away need not fit on the disk
            self.file.close()
        self.temporary.unlink(missing_ok=True)


def read_frames(path: Path, header: Header, numbers: Sequence[int]) -> npt.NDArray[np.uint8]:
    """uint8 (n, 3, rows, columns) of the frames numbered, through a memory map."""
    out = np.empty((len(numbers), *header.shape), np.uint8)
    size = int(np.prod(header.shape))
    decode = decoder(header.codec)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        last: tuple[int, int] | None = None  # (number, row of out) of the picture decoded last
        for row, number in enumerate(numbers):
            if not 0 <= number < header.frames:
                raise IndexError(f"{path.name} has frames 0 to {header.frames - 1}, not {number}")
            if last is not None and last[0] == number:
                out[row] = out[last[1]]
                continue
            if header.codec == "raw":
                start = HEADER_BYTES + number * size
                stop = start + size
            else:
                place = header.index + 8 * number
                start, stop = np.frombuffer(mapped[place : place + 16], "<u8").tolist()
            decode(mapped[start:stop], out[row])
            last = number, row
    return out


def fault(path: Path) -> str | None:
    """What is wrong with a clip file, all of it read and every frame decoded; None where nothing is.

    Raw frames of an older store, which have no checksum, are held against the file's length alone.
    """
    header = read_header(path)
    if header is None:
        return "cut off, or no clip file"
    checksum = 0
    try:
        with path.open("rb") as file:
            file.seek(HEADER_BYTES)
            while block := file.read(1 << 20):
                checksum = zlib.crc32(block, checksum)
        if header.checksum not in (None, checksum):
            return "its bytes are not those that were written"
        for number in range(header.frames):
            read_frames(path, header, [number])
    except (OSError, FFmpegError, ValueError, zlib.error) as error:
        return f"cannot be read: {error}"
    return None
