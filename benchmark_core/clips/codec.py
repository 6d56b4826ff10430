"""Lossless codecs of stored frames. Each frame is compressed on its own.

| codec           | used for                        | method                                                        |
|-----------------|---------------------------------|---------------------------------------------------------------|
| raw             | low views                       | uint8 (3, rows, columns) as they are                          |
| difference-zlib | small pictures, optical flow    | differences of neighbours, Huffman codes                      |
| magicyuv        | pictures of LARGE pixels and up | the same idea by FFmpeg's MagicYUV codec, on G, B and R planes |

At 256x340, MagicYUV decodes about three times as fast as difference-zlib, with a few per cent more bytes. For small
pictures the set-up of its decoder costs more than it saves. Each file names its codec in its header.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from fractions import Fraction
from typing import Literal, TypeAlias

import av
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]  # (3, rows, columns), or (2, rows, columns) of flow
Shape: TypeAlias = tuple[int, int, int]
Codec = Literal["raw", "difference-zlib", "magicyuv"]
Encode: TypeAlias = Callable[[Picture], bytes]
Decode: TypeAlias = Callable[[bytes, Picture], None]  # (data, output array)

LARGE = 128 * 128  # pixels
_GBR = (1, 2, 0)  # channel of R, G, B that each plane of FFmpeg's `gbrp` holds


def codec_for(shape: Shape) -> Codec:
    """Return the compressing codec for pictures of a shape."""
    return "magicyuv" if shape[0] == 3 and shape[1] * shape[2] >= LARGE else "difference-zlib"


def encoder(codec: Codec, shape: Shape) -> Encode:
    """Return a function from picture to bytes. It is not thread-safe."""
    if codec == "raw":
        return np.ndarray.tobytes
    return compress if codec == "difference-zlib" else _magicyuv_encoder(shape)


def decoder(codec: Codec) -> Decode:
    """Return a function that decodes bytes into an array of the picture's shape. It is not thread-safe.

    It raises ValueError, zlib.error or FFmpegError if the bytes are damaged.
    """
    if codec == "raw":
        return _copy
    return _inflate if codec == "difference-zlib" else _magicyuv_decoder()


def _copy(data: bytes, out: Picture) -> None:
    out[...] = np.frombuffer(data, np.uint8).reshape(out.shape)


def compress(picture: Picture) -> bytes:
    """Subtract G from R and B, then the left and upper neighbours (modulo 256), then apply Huffman coding only.

    After this, repeats are rare, and zlib's search for them would cost most of its time.
    """
    plain = picture.copy()
    if len(picture) == 3:
        plain[0] -= picture[1]
        plain[2] -= picture[1]
    plain[:, :, 1:] = np.diff(plain, axis=2)  # wraps around
    plain[:, 1:] = np.diff(plain, axis=1)
    coder = zlib.compressobj(1, zlib.DEFLATED, -15, 9, zlib.Z_HUFFMAN_ONLY)
    return coder.compress(plain.tobytes()) + coder.flush()


def _inflate(data: bytes, out: Picture) -> None:
    """Invert `compress`."""
    plain = np.frombuffer(zlib.decompress(data, -15, out.size), np.uint8).reshape(out.shape)
    np.add.accumulate(plain, axis=1, dtype=np.uint8, out=out)
    np.add.accumulate(out, axis=2, out=out)
    if len(out) == 3:
        out[0] += out[1]
        out[2] += out[1]


def _magicyuv_encoder(shape: Shape) -> Encode:
    _, rows, columns = shape
    context = av.CodecContext.create("magicyuv", "w")
    context.width, context.height, context.pix_fmt = columns, rows, "gbrp"
    context.time_base = Fraction(1, 25)
    context.thread_count = 1  # packets come out as pictures go in
    context.options = {"pred": "gradient"}
    count = 0

    def encode(picture: Picture) -> bytes:
        nonlocal count
        frame = av.VideoFrame(columns, rows, "gbrp")
        for plane, channel in zip(frame.planes, _GBR, strict=True):
            padded = np.zeros((plane.height, plane.line_size), np.uint8)
            padded[:, :columns] = picture[channel]
            plane.update(padded.tobytes())
        frame.pts = count
        count += 1
        (packet,) = context.encode(frame)
        return bytes(packet)

    return encode


def _magicyuv_decoder() -> Decode:
    context = av.CodecContext.create("magicyuv", "r")
    context.thread_count = 1  # pictures come out as packets go in

    def decode(data: bytes, out: Picture) -> None:
        (frame,) = context.decode(av.Packet(data))
        _, rows, columns = out.shape
        if frame.format.name != "gbrp" or (frame.height, frame.width) != (rows, columns):
            raise ValueError(f"expected gbrp {rows}x{columns}, not {frame.format.name} {frame.height}x{frame.width}")
        for plane, channel in zip(frame.planes, _GBR, strict=True):
            lines = np.frombuffer(memoryview(plane), np.uint8)[: rows * plane.line_size].reshape(rows, plane.line_size)
            out[channel] = lines[:, :columns]

    return decode
