"""Decode clips to planes: videos and pictures with PyAV, tables and arrays as grey levels, drawn clips by their code.

Planes are kept as decoded. A clip is decoded completely, or it is bad: if a packet cannot be decoded, the frames before
it do not count as a shorter clip, because scores on such clips would not be comparable. FFmpeg conceals other damage
without an error (damaged blocks, a file truncated between packets). Frames are turned as their display matrix says.

libswscale is used only to convert unusual pixel formats (10 bits, palettes, alpha) to 8-bit planes of the same size; it
never scales.
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

from benchmark_core.clips.array_frames import read_array
from benchmark_core.clips.bad_clip import BadClip
from benchmark_core.clips.display_matrix import AS_STORED, Turn, turn_of, turned
from benchmark_core.clips.frames import Frames, Plane
from benchmark_core.clips.table_frames import read_table
from benchmark_core.specs import resolve
from benchmark_core.specs.index import (
    ArrayFrames,
    Drawn,
    FrameFolder,
    FrameFolders,
    Source,
    TableFrames,
    VideoFile,
)

__all__ = ["DECODER", "BadClip", "Colour", "decode", "first_turn", "shown"]

DECODER = f"pyav {av.__version__}"
CHUNK_BYTES = 1 << 26  # of planes in memory at a time, also for long high-definition clips
KEPT_BYTES = 1 << 23  # largest buffer of a plane that is kept for the next chunk
_KEPT = threading.local()
LONGEST_SIDE = 8192  # pixels; a damaged header may state any size
ALONE = {"protocol_whitelist": "none"}  # a play list must not open other files or the network

Colour: TypeAlias = Literal["rgb", "grey", "yuv-limited", "yuv-full", "yuv709-limited", "yuv709-full"]
Picture: TypeAlias = tuple[Colour, tuple[Plane, ...]]
Notice: TypeAlias = Callable[[str], None] | None

_YUV = frozenset({"yuv420p", "yuv422p", "yuv444p", "yuv411p", "yuv440p", "yuv410p"})
_YUV_FULL = frozenset({"yuvj420p", "yuvj422p", "yuvj444p", "yuvj411p", "yuvj440p"})
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
_BT709 = 1  # AVCOL_SPC_BT709


def decode(
    source: Source, chunk: int = 64, seconds: float | None = None, *, reuse: bool = False, notice: Notice = None
) -> Iterator[Frames]:
    """Yield the clip's frames in order, at most `chunk` at a time. `first` counts from 0.

    All frames of one `Frames` have the same size and colour; if a clip changes either, a new `Frames` begins.

    Args:
        source: where the clip is.
        chunk: largest number of frames per `Frames`.
        seconds: time limit, counted from the first frame requested and including the caller's work between frames.
        reuse: overwrite the memory of the last frames when the next are requested.
        notice: called for each frame of a video that the decoder marks as corrupt but does not refuse.

    Raises:
        BadClip: the file is absent, cannot be decoded, has no frame or takes longer than `seconds`.
    """
    count = 0
    whole = isinstance(source, VideoFile) and source.whole
    for frames in _in_time(_read(source, chunk, seconds, reuse, notice), source, seconds):
        if len(frames):
            yield dataclasses.replace(frames, first=count, whole=whole)
            count += len(frames)
    if not count:
        raise BadClip(_where(source), "it has no frame")


def _where(source: Source) -> str:
    return f"the drawn clip {source.key}" if isinstance(source, Drawn) else str(source.path)


Item = TypeVar("Item")


def _in_time(items: Iterable[Item], source: Source, seconds: float | None) -> Iterator[Item]:
    """Yield the items; raise BadClip after `seconds`."""
    began = time.monotonic()
    for item in items:
        if seconds is not None and time.monotonic() - began > seconds:
            raise BadClip(_where(source), f"it takes longer than {seconds:g} seconds")
        yield item


def _read(source: Source, chunk: int, seconds: float | None, reuse: bool, notice: Notice) -> Iterator[Frames]:
    if isinstance(source, Drawn):
        return _drawn(source)
    if isinstance(source, TableFrames):
        return read_table(source, chunk)
    if isinstance(source, ArrayFrames):
        return read_array(source, chunk)
    if isinstance(source, FrameFolders):
        pictures = _side_by_side(source)
    else:
        pictures = _folder(source) if isinstance(source, FrameFolder) else _video(source, seconds, notice)
    return _chunks(pictures, chunk, _kept if reuse else _fresh)


def _drawn(source: Drawn) -> Iterator[Frames]:
    try:
        yield from resolve(source.render)(source.key)
    except OSError as error:  # otherwise the clip store would be blamed
        raise BadClip(_where(source), f"its code raised {type(error).__name__}: {error}") from error


def _kept(shape: tuple[int, ...], number: int) -> Plane:
    """Return an array that this thread uses again for its next clip: fresh memory costs more than writing to it."""
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
    """Group pictures of the same size and colour, at most `chunk` and about CHUNK_BYTES at a time.

    Each picture is copied at once, while it is in the processor's cache; then the decoder can use its buffer again.
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
        for buffer, plane in zip(held, planes, strict=True):
            buffer[count] = plane
        count += 1
    if count and like is not None:
        yield Frames(planes=tuple(plane[:count] for plane in held), colour=like[0])


class _Nameless:
    """An open file without its name: FFmpeg would interpret `%` (patterns) and `:` (protocols) in a name.

    FFmpeg then finds the format from the content, not from the extension, so that a text file is never a video.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def first_turn(path: Path, seconds: float = 10.0) -> Turn:
    """Return how the first frame of a video or picture is turned; as stored if it cannot be decoded."""
    try:
        with _decoding(path):
            return turn_of(next(_frames(VideoFile(path), seconds)))
    except (BadClip, StopIteration):
        return AS_STORED


def _video(source: VideoFile, seconds: float | None, notice: Notice) -> Iterator[Picture]:
    """Yield each frame of a video file."""
    with _decoding(source.path):
        yield from shown(_frames(source, seconds, notice))


def _frames(source: VideoFile, seconds: float | None, notice: Notice = None) -> Iterator[VideoFrame]:
    path = str(source.path)
    # Some containers have metadata that is not UTF-8. `timeout` ends a read that blocks. `_in_time` also checks the
    # limit between packets, because a packet need not give a frame.
    with (
        source.path.open("rb") as file,
        av.open(_Nameless(file), "r", options=ALONE, metadata_errors="replace", timeout=seconds) as container,
    ):
        if not container.streams.video:
            raise BadClip(path, "it has no video stream")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise BadClip(path, "FFmpeg has no decoder for its video stream")
        stream.codec_context.thread_count = 1  # clips are decoded in parallel; one thread each is deterministic
        for packet in _in_time(container.demux(stream), source, seconds):
            for frame in packet.decode():
                if notice is not None and frame.is_corrupt:
                    notice("a frame is corrupt")
                yield frame


def _folder(source: FrameFolder) -> Iterator[Picture]:
    """Yield each picture of a folder, in the source's order. A damaged picture is an error, not concealed."""
    for name in source.names:
        with _decoding(source.path, f"{name}: "), (source.path / name).open("rb") as file:
            # An open file, not a path: FFmpeg would read `%` and `:` in a path as a pattern or a protocol.
            with av.open(file, "r", options=ALONE, metadata_errors="replace") as container:
                if not container.streams.video:
                    raise ValueError("it has no picture")
                stream = container.streams.video[0]
                stream.codec_context.options = {"err_detect": "explode"}
                stream.codec_context.thread_count = 1
                frame = next(container.decode(stream), None)
                if frame is None:
                    raise ValueError("it has no picture")
                yield from shown([frame])


def _side_by_side(source: FrameFolders) -> Iterator[Picture]:
    """Yield the pictures that all cameras took at one time as one picture."""
    for number, taken in enumerate(zip(*map(_folder, source.parts), strict=True)):
        colours = {colour for colour, _ in taken}
        heights = {tuple(len(plane) for plane in planes) for _, planes in taken}
        if len(colours) > 1 or len(heights) > 1:
            names = ", ".join(f"{part.path.name}/{part.names[number]}" for part in source.parts)
            raise BadClip(str(source.path.parent), f"{names} differ in height or colour format")
        yield (
            colours.pop(),
            tuple(np.concatenate(planes, 1) for planes in zip(*(each for _, each in taken), strict=True)),
        )


def shown(frames: Iterable[VideoFrame]) -> Iterator[Picture]:
    """Yield each frame's colour and planes (rows, columns), turned as the first frame's display matrix says.

    Planes are views of the decoder's buffers. Raises ValueError if a frame has a side of more than LONGEST_SIDE pixels.
    """
    turn: Turn | None = None
    for frame in frames:
        turn = turn or turn_of(frame)
        colour, planes = _planes(frame)
        yield colour, planes if turn == AS_STORED else turned(planes, turn)


@contextmanager
def _decoding(path: Path, part: str = "") -> Iterator[None]:
    """Turn the decoder's errors into a BadClip that names the file; its reason begins with `part`."""
    try:
        yield
    except (FFmpegError, OSError, ValueError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BadClip(str(path), f"{part}{reason}") from error


def _planes(frame: VideoFrame) -> Picture:
    """Return a frame's colour and planes as the file stores them, which are views of the decoder's buffers."""
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
    """Return a plane (rows, columns) without the padding of its rows to `line_size`."""
    buffer = np.frombuffer(memoryview(plane), np.uint8)
    rows: Plane = buffer[: plane.height * plane.line_size].reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]
