"""File of one stored clip: a padded JSON header, the frames, and the offsets of the frames if they are compressed.

| bytes   | content                                                                        |
|---------|--------------------------------------------------------------------------------|
| 0..511  | JSON, padded with spaces: schema, codec, frames, shape, index, length, checksum |
| 512..   | the frames: each raw uint8 (3, rows, columns), or each compressed on its own    |
| index.. | if compressed: uint64 little-endian offsets of the frames, and of the end       |
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

from benchmark_core.clips.codec import Codec, Encode, Shape, codec_for, decoder, encoder

SCHEMA = 1
HEADER_BYTES = 512
SMALL = 1 << 18  # bytes of raw frames that are read at once although only some of them are needed
MOST = 1 << 30  # bytes that are read in one call; Linux reads less than 2^31
TEMPORARY = ".tmp"  # suffix of a file that is being written
_checked: set[int] = set()  # files whose checksum was right, as hashes of device, inode, size and time of change


@dataclass(frozen=True, slots=True)
class Header:
    """Header of a clip file.

    length: bytes of the whole file; a shorter file was truncated. checksum: CRC-32 of everything after the header; None
    in files of older versions.
    """

    schema: int
    codec: Codec
    frames: int
    shape: Shape
    index: int
    length: int
    checksum: int | None = None


def read_header(path: Path) -> Header | None:
    """Return the header, or None if the file is absent, unreadable, truncated or not a clip file."""
    try:
        with path.open("rb") as file:
            text = file.read(HEADER_BYTES)
            length = os.fstat(file.fileno()).st_size
        numbers = json.loads(text)
        header = Header(**{**numbers, "shape": tuple(numbers["shape"])})
        raw = header.codec == "raw"
        index = HEADER_BYTES + header.frames * math.prod(header.shape) if raw else header.index
        sized = header.index == index and header.length == length == index + (0 if raw else 8 * (header.frames + 1))
        whole = header.schema == SCHEMA and sized and header.frames > 0 and len(header.shape) == 3
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return header if whole and header.codec in get_args(Codec) else None


def checked_header(path: Path) -> Header | None:
    """Return the header like `read_header`, or None if the checksum is wrong. Each process checks a file once."""
    header = read_header(path)
    try:
        state = path.stat()
        known = hash((state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns))
        if header is not None and header.checksum is not None and known not in _checked:
            if checksum(path) != header.checksum:
                return None
            _checked.add(known)
    except OSError:
        return None
    return header


def checksum(path: Path) -> int:
    """Return the CRC-32 of everything after the header."""
    found = 0
    with path.open("rb") as file:
        file.seek(HEADER_BYTES)
        while block := file.read(1 << 20):
            found = zlib.crc32(block, found)
    return found


class Writer:
    """Write a temporary file next to `path`; `close` moves it into place, `abort` removes it.

    compressed: use the codec for the frame size; otherwise store raw frames. Only one process at a time may write to a
    path. The store's locks ensure this; therefore a temporary file of a killed process is simply overwritten.
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
        """Append frames uint8 (T, 3, rows, columns). Raises ValueError if their size differs from earlier frames."""
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
        """Complete the file and move it into place atomically."""
        assert self.shape is not None
        index = self.offsets[-1]
        table = b"" if self.codec == "raw" else np.array(self.offsets, "<u8").tobytes()
        self._append(table)
        frames, length = len(self.offsets) - 1, index + len(table)
        header = Header(SCHEMA, self.codec, frames, self.shape, index, length, self.checksum)
        self.file.seek(0)
        self.file.write(json.dumps(asdict(header)).encode().ljust(HEADER_BYTES))
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        os.replace(self.temporary, self.path)
        self.closed = True

    def abort(self) -> None:
        """Remove the temporary file, unless the file is complete."""
        if self.closed:
            return
        with contextlib.suppress(OSError):  # a full disk does not matter here
            self.file.close()
        self.temporary.unlink(missing_ok=True)


def read_frames(path: Path, header: Header, numbers: Sequence[int]) -> npt.NDArray[np.uint8]:
    """Read the frames with these numbers: uint8 (n, 3, rows, columns).

    Raises IndexError for a number that the file does not have, ValueError if it is shorter than its header says.
    """
    for number in numbers:
        if not 0 <= number < header.frames:
            raise IndexError(f"{path.name} has frames 0 to {header.frames - 1}, not {number}")
    size = math.prod(header.shape)
    if header.codec == "raw" and numbers:
        first, stop = min(numbers), max(numbers) + 1
        if list(numbers) == list(range(first, stop)) and len(numbers) * size <= MOST:
            return _run_of_frames(path, header, first, len(numbers))
        if (stop - first) * size <= SMALL:
            return _run_of_frames(path, header, first, stop - first)[[number - first for number in numbers]]
    return _single_frames(path, header, numbers, size)


def _run_of_frames(path: Path, header: Header, first: int, count: int) -> npt.NDArray[np.uint8]:
    """Read `count` raw frames in one call: uint8 (count, 3, rows, columns)."""
    out = np.empty((count, *header.shape), np.uint8)
    with path.open("rb", buffering=0) as file:
        file.seek(HEADER_BYTES + first * math.prod(header.shape))
        read = file.readinto(out.data)
    if read != out.nbytes:
        raise ValueError(f"frames {first} to {first + count - 1} have {out.nbytes} bytes, of which {read} are there")
    return out


def _single_frames(path: Path, header: Header, numbers: Sequence[int], size: int) -> npt.NDArray[np.uint8]:
    """Read frames of `size` bytes, raw or compressed, one by one through a memory map."""
    out = np.empty((len(numbers), *header.shape), np.uint8)
    decode = decoder(header.codec)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        last: tuple[int, int] | None = None  # (number, row of out) of the frame decoded last
        for row, number in enumerate(numbers):
            if last is not None and last[0] == number:
                out[row] = out[last[1]]
                continue
            if header.codec == "raw":
                start = HEADER_BYTES + number * size
                stop = start + size
            else:
                entry = header.index + 8 * number
                start, stop = np.frombuffer(mapped[entry : entry + 16], "<u8").tolist()
            decode(mapped[start:stop], out[row])
            last = number, row
    return out
