"""Clips become planes: a video file by PyAV, a drawn clip by its own code. Planes are kept as decoded.

The one conversion that is left to libswscale is that of unusual pixel formats (10 bits, palettes, alpha) to 8-bit
planes of the same size; it never scales.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Literal, TypeAlias

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane

from benchmark_core.clips.frames import Frames, Plane
from benchmark_core.clips.index import Drawn, Source, VideoFile
from benchmark_core.errors import ElrError
from benchmark_core.specs import resolve

DECODER = f"pyav {av.__version__}"
CHUNK_BYTES = 1 << 26  # planes held at a time, so that a long high-definition clip stays bounded in memory

Colour: TypeAlias = Literal["rgb", "grey", "yuv-limited", "yuv-full", "yuv709-limited", "yuv709-full"]

_YUV = frozenset({"yuv420p", "yuv422p", "yuv444p", "yuv411p", "yuv440p", "yuv410p"})
_YUV_FULL = frozenset({"yuvj420p", "yuvj422p", "yuvj444p", "yuvj411p", "yuvj440p"})
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
_BT709 = 1  # AVCOL_SPC_BT709


class BadClip(ElrError):
    """A clip that yields no frames. `where` is its file or key, `reason` one line."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where} cannot be decoded: {reason}")
        self.where = where
        self.reason = reason

    def __reduce__(self) -> tuple[type[BadClip], tuple[str, str]]:
        return type(self), (self.where, self.reason)


def decode(source: Source, chunk: int = 64) -> Iterator[Frames]:
    """The clip's frames in order, at most `chunk` at a time, `first` counted from 0.

    All frames of one `Frames` share size and colour; a clip that changes either midway goes on in the next.
    Raises BadClip where the file is absent, cannot be decoded or holds no frame.
    """
    count = 0
    for frames in _drawn(source) if isinstance(source, Drawn) else _video(source, chunk):
        if len(frames):
            yield dataclasses.replace(frames, first=count)
            count += len(frames)
    if not count:
        raise BadClip(_where(source), "it holds no frame")


def _where(source: Source) -> str:
    return str(source.path) if isinstance(source, VideoFile) else f"the drawn clip {source.key}"


def _drawn(source: Drawn) -> Iterator[Frames]:
    yield from resolve(source.render)(source.key)


def _video(source: VideoFile, chunk: int) -> Iterator[Frames]:
    held: list[tuple[Plane, ...]] = []
    held_like: tuple[Colour, tuple[tuple[int, ...], ...]] | None = None
    held_bytes = 0
    for colour, planes in _pictures(source):
        like = (colour, tuple(plane.shape for plane in planes))
        if held_like is not None and (like != held_like or len(held) >= chunk or held_bytes >= CHUNK_BYTES):
            yield _stack(held, held_like[0])
            held, held_bytes = [], 0
        held_like = like
        held.append(planes)
        held_bytes += sum(plane.nbytes for plane in planes)
    if held and held_like is not None:
        yield _stack(held, held_like[0])


def _stack(pictures: list[tuple[Plane, ...]], colour: Colour) -> Frames:
    return Frames(planes=tuple(np.stack(planes) for planes in zip(*pictures, strict=True)), colour=colour)


def _pictures(source: VideoFile) -> Iterator[tuple[Colour, tuple[Plane, ...]]]:
    """Each frame's colour and planes, copied out of the decoder's buffers."""
    try:
        # Some containers carry metadata that is not UTF-8.
        with av.open(str(source.path), metadata_errors="replace") as container:
            if not container.streams.video:
                raise BadClip(str(source.path), "it holds no video stream")
            for frame in container.decode(container.streams.video[0]):
                yield _planes(frame)
    except (FFmpegError, OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BadClip(str(source.path), reason) from error


def _planes(frame: VideoFrame) -> tuple[Colour, tuple[Plane, ...]]:
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
    picture: Plane = rows[:, : plane.width].copy()
    return picture
