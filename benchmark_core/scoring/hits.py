"""Which test clips were right, or what was decided of each, in bits: so that a record alone supports paired tests."""

from __future__ import annotations

import base64
import binascii

import numpy as np
import numpy.typing as npt

from benchmark_core.errors import ElrError
from benchmark_core.scoring.statistics import Hits


def pack_hits(hits: Hits) -> str:
    """Base64 of the bits of `hits` (N,), first clip in the highest bit, the last byte padded with zeros."""
    return base64.b64encode(np.packbits(hits).tobytes()).decode("ascii")


def unpack_hits(text: str, n: int) -> Hits:
    """The inverse of `pack_hits` for `n` clips. ElrError where `text` is not base64 of as many bits."""
    packed = _decoded(text)
    bits = np.unpackbits(packed)
    if packed.size != (n + 7) // 8 or bits[n:].any():
        raise ElrError(f"packed hits are {packed.size} bytes, not the bits of {n} clips; score the predictions again")
    return bits[:n].astype(np.bool_)


def pack_rows(rows: Hits) -> str:
    """As `pack_hits`, of bits (C, N): row after row, each padded to whole bytes."""
    return base64.b64encode(np.packbits(rows, axis=1).tobytes()).decode("ascii")


def unpack_rows(text: str, rows: int, n: int) -> Hits:
    """The inverse of `pack_rows`: bool (rows, n). ElrError where `text` is not base64 of as many bits."""
    width = (n + 7) // 8
    bits = np.unpackbits(_decoded(text)).reshape(-1, 8)
    if len(bits) != rows * width or (of := bits.reshape(rows, 8 * width))[:, n:].any():
        raise ElrError(
            f"packed bits are {len(bits)} bytes, not those of {n} clips in {rows} classes; score the predictions again"
        )
    return of[:, :n].astype(np.bool_)


def _decoded(text: str) -> npt.NDArray[np.uint8]:
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8)
    except (binascii.Error, ValueError) as error:
        raise ElrError(f"packed hits are not base64 ({error}); score the predictions again") from error
