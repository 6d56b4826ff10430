"""Modalities: what the network of a run sees.

- `rgb`: pictures. `flow`: optical flow by dense inverse search; `flow:tvl1`: by duality-based TV-L1, see
  `benchmark_core.clips.flow`.
- `rgb+flow`, `rgb+flow:tvl1`: two networks, whose probabilities are averaged (late fusion).
- `PART+PART-early`, such as `rgb+dev+flow-early`: one network on several inputs (early fusion). All parts are computed
  from the pictures inside the recognizer, see `benchmark_core.networks.early_inputs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from benchmark_core.errors import ElrError, unknown

Algorithm = Literal["dis", "tvl1"]

RGB, FLOW = 3, 2  # channels of a view
SMALLEST = 12  # pixels that optical flow by DIS needs along each side
MODALITIES = ("rgb", "flow", "flow:tvl1", "rgb+flow", "rgb+flow:tvl1")  # without early fusion

EARLY = "-early"
PARTS = ("rgb", "grey", "contrast", "dev", "diff", "flow")  # of an early fusion
TEMPORAL = ("dev", "diff", "flow")  # parts that need several frames


def check_modality(text: str) -> str:
    """Return `text`. Raises ElrError if it is not a modality, or an early fusion of unknown or repeated parts."""
    if not text.endswith(EARLY):
        if text not in MODALITIES:
            raise unknown("modality", text, (*MODALITIES, *(f"rgb+{part}{EARLY}" for part in TEMPORAL)))
        return text
    parts = early_parts(text)
    for part in parts:
        if part not in PARTS:
            raise unknown(f"part of modality '{text}':", part, PARTS)
    if len(set(parts)) < len(parts):
        raise ElrError(f"modality '{text}' names a part twice; name each of {', '.join(PARTS)} once at most")
    if "rgb" in parts and "grey" in parts:
        raise ElrError(f"modality '{text}' names both rgb and grey; remove one of them")
    if parts == ("rgb",):
        raise ElrError(f"modality '{text}' is the same as rgb; pass --modality rgb")
    return text


def early_parts(stream: str) -> tuple[str, ...]:
    """Return the parts of an early fusion in the order of their channels; () for other modalities."""
    return tuple(stream.removesuffix(EARLY).split("+")) if stream.endswith(EARLY) else ()


def streams(modality: str) -> tuple[str, ...]:
    """Split a modality into streams, one per network: `rgb+flow:tvl1` has `rgb` and `flow:tvl1`."""
    return (modality,) if modality.endswith(EARLY) else tuple(modality.split("+"))


def kind(stream: str) -> str:
    """Return what the views of a stream hold: `rgb`, also for an early fusion, or `flow`."""
    return "rgb" if stream.endswith(EARLY) else stream.partition(":")[0]


def channels(stream: str) -> int:
    """Return the number of channels C of a view (…, C, T, h, w)."""
    return FLOW if kind(stream) == "flow" else RGB


def input_channels(stream: str) -> int:
    """Return the number of channels of the backbone's input: of the view, or of all parts of an early fusion."""
    if not (parts := early_parts(stream)):
        return channels(stream)
    return sum(part_channels(part, parts) for part in parts)


def part_channels(part: str, parts: tuple[str, ...]) -> int:
    """Return the channels of one of the parts of an early fusion."""
    if part == "flow":
        return FLOW
    return 1 if part == "contrast" or in_grey(parts) else RGB


def in_grey(parts: Sequence[str]) -> bool:
    """Return whether `dev` and `diff` are of the luminance: `grey` or `contrast` is a part, and `rgb` is not."""
    return "rgb" not in parts and ("grey" in parts or "contrast" in parts)


def algorithm(stream: str) -> Algorithm:
    """Return the algorithm of a flow stream."""
    return "tvl1" if stream == "flow:tvl1" else "dis"
