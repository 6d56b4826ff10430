"""What a network sees: pictures (`rgb`), the motion between them (`flow`); or, by two networks, both (`rgb+flow`).

`flow` is calculated by dense inverse search, `flow:tvl1` by duality-based TV-L1; see `benchmark_core.clips.flow`.
"""

from __future__ import annotations

from typing import Literal

Algorithm = Literal["dis", "tvl1"]

RGB, FLOW = 3, 2  # channels of a view
MODALITIES = ("rgb", "flow", "flow:tvl1", "rgb+flow", "rgb+flow:tvl1")


def streams(modality: str) -> tuple[str, ...]:
    """Modalities of the networks that see it, one each: `rgb+flow:tvl1` has `rgb` and `flow:tvl1`."""
    return tuple(modality.split("+"))


def kind(stream: str) -> str:
    """`rgb` or `flow`."""
    return stream.partition(":")[0]


def channels(stream: str) -> int:
    """Of a view (…, C, T, h, w)."""
    return FLOW if kind(stream) == "flow" else RGB


def algorithm(stream: str) -> Algorithm:
    """By which a flow stream is calculated."""
    return "tvl1" if stream == "flow:tvl1" else "dis"
