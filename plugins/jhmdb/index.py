"""Lists JHMDB's clips and folds, in the form of HMDB51's lists; opens no video."""

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
    """The clips that the protocol's folds train or test on, named as their files are; see `read_splits`.

    HMDB51's lists and JHMDB's files differ in characters such as `(`, `!` and `-`.
    """
    return read_splits(JHMDB, root, VIDEOS, SPLITS, protocol, lambda listed, path: path.stem)
