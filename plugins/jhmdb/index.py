"""List the clips and folds of JHMDB, from HMDB51's lists or from JHMDB's own. No video is opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmark_core.errors import ElrError
from benchmark_core.specs import Value
from benchmark_core.specs.index import Index
from elrbench_plugins.hmdb51.index import listed, read_splits
from elrbench_plugins.jhmdb import CLASSES, JHMDB

VIDEOS = "ReCompress_Videos"
SPLITS = "splits"
OWN_SPLITS = (SPLITS, "sub_splits")  # where JHMDB's own lists may be


def read(root: Path | None, protocol: str, options: Mapping[str, Value]) -> Index:
    """Return the clips of the protocol's folds, named as their files; see `read_splits`.

    Names in HMDB51's lists and names of JHMDB's files differ in characters such as `(`, `!` and `-`.
    Raises ElrError also if the folder has the lists of HMDB51 and the protocol is JHMDB's own, or the reverse.
    """
    own = not protocol.startswith("hmdb51-")
    splits = SPLITS
    if root is not None and own:
        splits = next((name for name in OWN_SPLITS if _are_own(root / name)), "")
        if not splits:
            raise ElrError(
                f"jhmdb: {root} has no lists of JHMDB's own, which mark no clip as unused ('0'); put them into "
                f"{OWN_SPLITS[1]}/, or use HMDB51's lists with --protocol hmdb51-{protocol}"
            )
    elif root is not None and _are_own(root / SPLITS):
        raise ElrError(
            f"jhmdb: {root / SPLITS} has JHMDB's own lists, which mark no clip as unused ('0'), not HMDB51's; use "
            f"--protocol {protocol.removeprefix('hmdb51-')}"
        )
    return read_splits(JHMDB, root, VIDEOS, splits, protocol, lambda listed, path: path.stem)


def _are_own(folder: Path) -> bool:
    """Whether a folder has JHMDB's own lists: all three lists of a class have the same clips, and none is unused."""
    for name in CLASSES:
        paths = [folder / f"{name}_test_split{number}.txt" for number in "123"]
        if not all(path.is_file() for path in paths):
            return False
        parts = [dict(listed(path, JHMDB)) for path in paths]
        if any("0" in part.values() or part.keys() != parts[0].keys() for part in parts):
            return False
    return True
