"""List the clips and folds of JHMDB, from lists in the format of HMDB51. No video is opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmark_core.specs import Value
from benchmark_core.specs.index import Index
from elrbench_plugins.hmdb51.index import read_splits
from elrbench_plugins.jhmdb import JHMDB

VIDEOS = "ReCompress_Videos"
SPLITS = "splits"


def read(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the clips of the protocol's folds, named as their files; see `read_splits`.

    Names in HMDB51's lists and names of JHMDB's files differ in characters such as `(`, `!` and `-`.
    """
    return read_splits(JHMDB, root, VIDEOS, SPLITS, protocol, lambda listed, path: path.stem)
