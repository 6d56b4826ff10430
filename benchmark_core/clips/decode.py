"""Clips become planes: video files and pictures by PyAV, a table's rows as grey levels, a drawn clip by its own code.

Planes are kept as decoded. A clip is whole or bad: where a packet cannot be decoded, the frames before it are not taken
for a shorter clip, since scores on such clips could not be compared with anyone's. What FFmpeg conceals without an
error (damaged blocks, a file cut off between packets) counts as decoded.

The one conversion that is left to libswscale is that of unusual pixel formats (10 bits, palettes, alpha) to 8-bit
planes of the same size; it never scales.
"""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, TypeAlias, TypeVar

import av
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane

from benchmark_core.clips.bad_clip import BadClip
from benchmark_core.clips.frames import Frames, Plane
from benchmark_core.clips.index import Drawn, FrameFolder, Source, TableFrames, VideoFile
from benchmark_core.clips.table_frames import read_table
from benchmark_core.specs import resolve

__all__ = ["DECODER", "BadClip", "Colour", "decode"]

DECODER = f"pyav {av.__version__}"
CHUNK_BYTES = 1 << 26  # planes held at a time, so that a long high-definition clip stays bounded in memory
KEPT_BYTES = 1 << 23  # of a plane's frames that are kept for the next
_KEPT = threading.local()
LONGEST_SIDE = 8192  # pixels; a damaged header may claim any size
ALONE = {"protocol_whitelist": "none"}  # a play list must not send the decoder to other files or to the network

Colour: TypeAlias = Literal["rgb", "grey", "yuv-limited", "yuv-full", "yuv709-limited", "yuv709-full"]
Picture: TypeAlias = tuple[Colour, tuple[Plane, ...]]

_YUV = frozenset({"yuv420p", "yuv422p", "yuv444p", "yuv411p", "yuv440p", "yuv410p"})
_YUV_FULL = frozenset({"yuvj420p", "yuvj422p", "yuvj444p", "yuvj411p", "yuvj440p"})
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
_BT709 = 1  # AVCOL_SPC_BT709


def decode(source: Source, chunk: int = 64, seconds: float | None = None, *, reuse: bool = False) -> Iterator[Frames]:
    """The clip's frames in order, at most `chunk` at a time, `first` counted from 0.

    All frames of one `Frames` share size and colour; a clip that changes either midway goes on in the next.
    seconds: from the first frame asked for, what is done between frames included.
    reuse: frames are done with when the next are asked for; their memory may be written over.
    Raises BadClip where the file is absent, cannot be decoded, holds no frame or takes longer than `seconds`.
    """
    count = 0
    for frames in _in_time(_read(source, chunk, seconds, reuse), source, seconds):
        if len(frames):
            yield dataclasses.replace(frames, first=count)
            count += len(frames)
    if not count:
        raise BadClip(_where(source), "it holds no frame")


def _where(source: Source) -> str:
    return f"the drawn clip {source.key}" if isinstance(source, Drawn) else str(source.path)


Item = TypeVar("Item")


def _in_time(items: Iterable[Item], source: Source, seconds: float | None) -> Iterator[Item]:
    """The items, until `seconds` are over."""
    began = time.monotonic()
    for item in items:
        if seconds is not None and time.monotonic() - began > seconds:
            raise BadClip(_where(source), f"it takes longer than {seconds:g} seconds")
        yield item


def _read(source: Source, chunk: int, seconds: float | None, reuse: bool) -> Iterator[Frames]:
    if isinstance(source, Drawn):
        return _drawn(source)
    if isinstance(source, TableFrames):
        return read_table(source, chunk)
    pictures = _folder(source) if isinstance(source, FrameFolder) else _video(source, seconds)
    return _chunks(pictures, chunk, _kept if reuse else _fresh)


def _drawn(source: Drawn) -> Iterator[Frames]:
    yield from resolve(source.render)(source.key)


def _kept(shape: tuple[int, ...], number: int) -> Plane:
    """An array that this thread's next clip gets again: fresh memory costs more than what is written there."""
    size = math.prod(shape)
    if size > KEPT_BYTES:
        return np.empty(shape, np.uint8)
    planes: dict[int, npt.NDArray[np.uint8]] = _KEPT.__dict__.setdefault("planes", {})
    if number not in planes or len(planes[number]) < size:
        planes[number] = np.empty(size, np.uint8)
    return planes[number][:size].reshape(shape)


def _fresh(shape: tuple[int, ...], number: int) -> Plane:
    return np.empty(shape, np.uint8)


def _chunks(
    pictures: Iterator[Picture], chunk: int, array: Callable[[tuple[int, ...], int], Plane]
) -> Iterator[Frames]:
    """Pictures of one size and colour together, at most `chunk` and about CHUNK_BYTES at a time.

    Each is copied as it comes: what the decoder wrote is still in the processor's cache, and its buffer is free again.
    """
    held: tuple[Plane, ...] = ()  # (room, rows, columns) each
    like: tuple[Colour, tuple[tuple[int, ...], ...]] | None = None
    room = count = 0
    for colour, planes in pictures:
        now = (colour, tuple([plane.shape for plane in planes]))
        if count and (now != like or count == room):
            assert like is not None
            yield Frames(planes=tuple(plane[:count] for plane in held), colour=like[0])
            count = 0
        if not count:
            like = now
            room = max(1, min(chunk, CHUNK_BYTES // sum(plane.size for plane in planes)))
            held = tuple(array((room, *plane.shape), number) for number, plane in enumerate(planes))
        for place, plane in zip(held, planes, strict=True):
            place[count] = plane
        count += 1
    if count and like is not None:
        yield Frames(planes=tuple(plane[:count] for plane in held), colour=like[0])


class _Nameless:
    """An open file without its name, in which FFmpeg would see patterns (`%`) and protocols (`:`).

    Nor does an extension then tell the format: what holds text is no video, whatever it is called.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def _video(source: VideoFile, seconds: float | None) -> Iterator[Picture]:
    """Each frame of a video file."""
    path = str(source.path)
    with _decoding(source.path):
        # Some containers carry metadata that is not UTF-8. The time limit ends reads that would go on and on; between
        # packets, which need not give frames, it is looked at here.
        with (
            source.path.open("rb") as file,
            av.open(_Nameless(file), "r", options=ALONE, metadata_errors="replace", timeout=seconds) as container,
        ):
            if not container.streams.video:
                raise BadClip(path, "it holds no video stream")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise BadClip(path, "FFmpeg knows no decoder for its video stream")
            stream.codec_context.thread_count = 1  # clips are decoded side by side, and the same way everywhere
            for packet in _in_time(container.demux(stream), source, seconds):
                for frame in packet.decode():
                    yield _planes(frame)


def _folder(source: FrameFolder) -> Iterator[Picture]:
    """Each picture of a folder, in the source's order. A damaged one is refused, not mended by the decoder."""
    for name in source.names:
        with _decoding(source.path, f"{name}: "), (source.path / name).open("rb") as file:
            # Of an open file: FFmpeg would read `%` and `:` in a path as a pattern or a protocol.
            with av.open(file, "r", metadata_errors="replace") as container:
                if not container.streams.video:
                    raise ValueError("it holds no picture")
                stream = container.streams.video[0]
                stream.codec_context.options = {"err_detect": "explode"}
                stream.codec_context.thread_count = 1
                frame = next(container.decode(stream), None)
                if frame is None:
                    raise ValueError("it holds no picture")
                yield _planes(frame)


@contextmanager
def _decoding(path: Path, part: str = "") -> Iterator[None]:
    """What the decoder raises becomes a BadClip that names the file; its reason begins with `part`."""
    try:
        yield
    except (FFmpegError, OSError, ValueError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BadClip(str(path), f"{part}{reason}") from error


def _planes(frame: VideoFrame) -> Picture:
    """A frame's colour and planes, as views of the decoder's buffers, which live as long as they do."""
    if max(frame.width, frame.height) > LONGEST_SIDE:
        raise ValueError(f"its frames are {frame.width}x{frame.height} pixels, more than {LONGEST_SIDE} on a side")
    name = frame.format.name
    if name == "gray":
        return "grey", (_plane(frame.planes[0]),)
    full = name in _YUV_FULL or frame.color_range == _FULL_RANGE
    bt709 = frame.colorspace == _BT709
    if name not in _YUV and name not in _YUV_FULL:
        if frame.format.is_rgb or len(frame.format.components) < 3:
            picture = frame.to_ndarray(format="rgb24")  # (rows, columns, 3)
            return "rgb", tuple(np.ascontiguousarray(picture[..., channel]) for channel in range(3))
        frame = frame.reformat(format="yuv444p")
    planes = tuple(_plane(plane) for plane in frame.planes[:3])
    if bt709:
        return ("yuv709-full" if full else "yuv709-limited"), planes
    return ("yuv-full" if full else "yuv-limited"), planes


def _plane(plane: VideoPlane) -> Plane:
    """(rows, columns): rows are padded to `line_size` in the decoder's buffer."""
    buffer = np.frombuffer(memoryview(plane), np.uint8)
    rows: Plane = buffer[: plane.height * plane.line_size].reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]
