"""Make the trackers that `--track NAME[:PROJECT]` names."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.specs.tracker import Tracker

DOES = ("begin", "log", "end")  # methods of a `Tracker`


def make_trackers(catalog: Catalog, asked: Sequence[str]) -> Mapping[str, Tracker]:
    """Return trackers by name, not begun. asked: texts `NAME` or `NAME:PROJECT`.

    Raises ElrError if a name is unknown or given twice, an extra is not installed, or a tracker has no login.
    """
    made: dict[str, Tracker] = {}
    for text in asked:
        name, _, project = text.partition(":")
        if name in made:
            raise ElrError(f"--track {name} is given twice; remove one of them")
        spec = catalog.trackers[name]
        factory = spec.load(spec.factory)
        try:
            with contextlib.redirect_stdout(sys.stderr):
                made[name] = factory(project)
        except ElrError:
            raise
        except Exception as error:
            raise unusable(f"{spec}", error) from error
        for method in DOES:
            if not callable(getattr(made[name], method, None)):
                raise ElrError(f"{spec}: its factory returned {type(made[name]).__name__}, which has no '{method}'")
    return made


def unusable(what: str, error: BaseException) -> ElrError:
    """Return the error for a tracker that cannot begin."""
    return ElrError(f"{what} cannot be used: {reason(error)}; correct this or remove --track")


def reason(error: BaseException) -> str:
    """Return an exception of a tracker as one line of at most 300 characters."""
    text = " ".join(str(error).split())[:300].rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
