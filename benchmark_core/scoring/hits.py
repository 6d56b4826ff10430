"""Which test clips were right, packed to a bit each, so that a record alone supports paired tests."""

from __future__ import annotations

import base64
import binascii

import numpy as np

from benchmark_core.errors import ElrError
from benchmark_core.scoring.statistics import Hits


def pack_hits(hits: Hits) -> str:
    """Base64 of the bits of `hits` (N,), first clip in the highest bit, the last byte padded with zeros."""
    return base64.b64encode(np.packbits(hits).tobytes()).decode("ascii")


def unpack_hits(text: str, n: int) -> Hits:
    """The inverse of `pack_hits` for `n` clips. ElrError where `text` is not base64 of as many bits."""
    try:
        packed = np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8)
    except (binascii.Error, ValueError) as error:
        raise ElrError(f"packed hits are not base64 ({error}); score the predictions again") from error
    bits = np.unpackbits(packed)
    if packed.size != (n + 7) // 8 or bits[n:].any():
        raise ElrError(f"packed hits are {packed.size} bytes, not the bits of {n} clips; score the predictions again")
    return bits[:n].astype(np.bool_)
