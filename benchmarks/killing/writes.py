"""Moments inside a write: halfway through the bytes, before the rename, and after it."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

RECORD = re.compile(r"-[0-9a-f]{16}\.json$")


def watch_writes(moment: Callable[[str, Path | None], None]) -> None:
    """Call `moment(what, file)` in every write from now on: `half` (file unknown), `whole` and `placed`."""
    from benchmark_core.clips import clipfile

    replace, path_replace, fdopen, add = os.replace, Path.replace, os.fdopen, clipfile.Writer.add

    def placing(place: Callable[..., Any]) -> Callable[..., Any]:
        def placed(source: Any, target: Any) -> None:
            if place is path_replace and depth:  # Path.replace calls os.replace from Python 3.11 on
                return place(source, target)
            depth.append(1)
            moment("whole", Path(target))
            place(source, target)
            moment("placed", Path(target))
            depth.pop()

        return placed

    depth: list[int] = []

    class Halved:
        def __init__(self, file: Any) -> None:
            self.file = file

        def write(self, content: bytes) -> None:
            self.file.write(content[: len(content) // 2])
            self.file.flush()
            moment("half", None)
            self.file.write(content[len(content) // 2 :])

        def __enter__(self) -> Halved:
            return self

        def __exit__(self, *error: object) -> None:
            self.file.close()

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    def adding(self: Any, pictures: Any) -> None:
        add(self, pictures)
        self.file.flush()
        moment("half", None)

    os.replace, os.fdopen = placing(replace), lambda *given: Halved(fdopen(*given))  # type: ignore[assignment]
    Path.replace = placing(path_replace)  # type: ignore[method-assign]
    clipfile.Writer.add = adding  # type: ignore[method-assign]


def kind_of(file: Path, runs: Path) -> str:
    """Return the kind of a file, such as `clip`, `checkpoint.pt` or `record`. runs: folder with the run folders."""
    if file.suffix == ".clip":
        return "clip"
    if file.name.endswith(".predictions.csv.gz"):
        return "predictions"
    if RECORD.search(file.name):
        return "record"
    if file.suffix == ".json" and runs in file.parents and file.name != "log.json":
        return "cost"
    return file.name


def moments_in(journal: str, runs: Path) -> list[str]:
    """Return the moments in a journal of lines `what<tab>file`, such as `half of clip`.

    The file of `half` is the file that is placed next.
    """
    moments: list[str] = []
    for line in reversed(journal.splitlines()):
        what, _, file = line.partition("\t")
        named = kind_of(Path(file), runs) if file else moments[-1].partition(" of ")[2]
        moments.append(f"{what} of {named}")
    return moments[::-1]


def spread(moments: Sequence[str], kinds: Sequence[str], count: int, rng: random.Random) -> list[int]:
    """Return the numbers of `count` moments, of each kind in turn. kinds: kinds of file; empty for all."""
    left: dict[str, list[int]] = {}
    for number, moment in enumerate(moments):
        if not kinds or moment.partition(" of ")[2] in kinds:
            left.setdefault(moment, []).append(number)
    picked: list[int] = []
    while any(left.values()) and len(picked) < count:
        for numbers in left.values():
            if numbers and len(picked) < count:
                picked.append(numbers.pop(rng.randrange(len(numbers))))
    return sorted(picked)
