"""Pack per-clip hits and decisions into bits, so that a record is sufficient for paired tests."""

from __future__ import annotations

import base64
import binascii

import numpy as np
import numpy.typing as npt

from benchmark_core.errors import ElrError
from benchmark_core.scoring.statistics import Hits


def pack_hits(hits: Hits) -> str:
    """Return the bits of `hits` (N,) as base64: first clip in the highest bit, last byte padded with zeros."""
    return base64.b64encode(np.packbits(hits).tobytes()).decode("ascii")


def unpack_hits(text: str, n: int) -> Hits:
    """Invert `pack_hits` for `n` clips: bool (n,). ElrError if `text` is not base64 of that many bits."""
    packed = _decoded(text)
    bits = np.unpackbits(packed)
    if packed.size != (n + 7) // 8 or bits[n:].any():
        raise ElrError(f"packed hits have {packed.size} bytes, which do not fit {n} clips; score the predictions again")
    return bits[:n].astype(np.bool_)


def pack_rows(rows: Hits) -> str:
    """Return bits (C, N) as base64, one row after the other, each padded to whole bytes."""
    return base64.b64encode(np.packbits(rows, axis=1).tobytes()).decode("ascii")


def unpack_rows(text: str, rows: int, n: int) -> Hits:
    """Invert `pack_rows`: bool (rows, n). ElrError if `text` is not base64 of that many bits."""
    width = (n + 7) // 8
    bits = np.unpackbits(_decoded(text)).reshape(-1, 8)
    if len(bits) != rows * width or (unpacked := bits.reshape(rows, 8 * width))[:, n:].any():
        raise ElrError(
            f"packed bits have {len(bits)} bytes, which do not fit {n} clips in {rows} classes; "
            "score the predictions again"
        )
    return unpacked[:, :n].astype(np.bool_)


def _decoded(text: str) -> npt.NDArray[np.uint8]:
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8)
    except (binascii.Error, ValueError) as error:
        raise ElrError(f"packed hits are not base64 ({error}); score the predictions again") from error
