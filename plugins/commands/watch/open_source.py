"""Choose the source of frames that the command line names."""

from __future__ import annotations

import re
import sys
from functools import partial
from pathlib import Path

from benchmark_core.clips.array_frames import grey_levels
from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import read_size
from elrbench_plugins.commands.watch.frames import USUAL_RATE, FrameSource
from elrbench_plugins.commands.watch.sensors import ArraySource, Levels, LineSource, RawSource
from elrbench_plugins.commands.watch.video import VideoSource

STDIN = "-"


def open_source(
    name: str,
    *,
    raw: str | None = None,
    thermal: str | None = None,
    coldest: float | None = None,
    hottest: float | None = None,
    rate: float | None = None,
) -> FrameSource:
    """Return the source; arguments as the options of `elrbench watch`. Raises ElrError if they do not go together."""
    levels, is_array = _levels(coldest, hottest), name.endswith(".npy")
    if name.endswith((".csv", ".tsv", ".txt")) and thermal is None:
        raise ElrError(f"{name} is a table; pass --thermal HxW, --coldest and --hottest")
    if levels is not None and (raw is not None or not (is_array or thermal is not None)):
        raise ElrError("--coldest and --hottest are for --thermal and NPY files; remove them")
    if raw is not None:
        if name != STDIN or thermal is not None:
            raise ElrError("--raw reads bytes from stdin; pass - as SOURCE, without --thermal")
        return RawSource(sys.stdin.buffer, _raw_shape(raw), rate or USUAL_RATE)
    if thermal is not None:
        if is_array:
            raise ElrError(f"{name} is an NPY file, and --thermal is for lines of numbers; remove --thermal")
        if levels is None:
            raise ElrError("--thermal needs --coldest and --hottest, the values of grey levels 0 and 255")
        path = None if name == STDIN else Path(name)
        return LineSource(path, read_size("--thermal", thermal), levels, rate or USUAL_RATE)
    if name == STDIN:
        raise ElrError("SOURCE - needs --raw HxWxC (bytes) or --thermal HxW (lines of numbers)")
    if is_array:
        return ArraySource(Path(name), levels, rate or USUAL_RATE)
    if rate is not None:
        raise ElrError(f"--rate {rate:g} is for stdin, --thermal and NPY files; {name} states its own times")
    return VideoSource(name)


def _raw_shape(text: str) -> tuple[int, int, int]:
    if not (found := re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})x([13])", text)):
        raise ElrError(f"--raw {text} is not HxWxC with C = 1 or 3, such as 12x16x3")
    return int(found[1]), int(found[2]), int(found[3])


def _levels(coldest: float | None, hottest: float | None) -> Levels | None:
    if coldest is None and hottest is None:
        return None
    if coldest is None or hottest is None or not coldest < hottest:
        raise ElrError("pass both --coldest and --hottest, the first below the second")
    return partial(grey_levels, coldest=coldest, hottest=hottest)
