"""Modalities: pictures (`rgb`), optical flow (`flow`), or both with two networks (`rgb+flow`).

`flow` is computed by dense inverse search, `flow:tvl1` by duality-based TV-L1; see `benchmark_core.clips.flow`.
"""

from __future__ import annotations

from typing import Literal

Algorithm = Literal["dis", "tvl1"]

RGB, FLOW = 3, 2  # channels of a view
MODALITIES = ("rgb", "flow", "flow:tvl1", "rgb+flow", "rgb+flow:tvl1")


def streams(modality: str) -> tuple[str, ...]:
    """Split a modality into streams, one per network: `rgb+flow:tvl1` has `rgb` and `flow:tvl1`."""
    return tuple(modality.split("+"))


def kind(stream: str) -> str:
    """Return `rgb` or `flow`."""
    return stream.partition(":")[0]


def channels(stream: str) -> int:
    """Return the number of channels C of a view (…, C, T, h, w)."""
    return FLOW if kind(stream) == "flow" else RGB


def algorithm(stream: str) -> Algorithm:
    """Return the algorithm of a flow stream."""
    return "tvl1" if stream == "flow:tvl1" else "dis"
