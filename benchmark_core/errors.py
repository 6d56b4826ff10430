"""One family of errors: what is wrong, who brought it, what to do next. Printed as one line, no traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ElrError(Exception):
    """The user's mistake, found before work began (exit 2). Others are bugs and keep their traceback."""

    exit_code = 2


class RunFailed(ElrError):
    """A run that began and could not end well (exit 1)."""

    exit_code = 1


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A closing sentence naming the nearest known name, or listing what is known when nothing is near."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"Did you mean '{near[0]}'?"
    if not names:
        return "There are none."
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"Known: {shown}."


def unknown(kind: str, name: str, known: Iterable[str]) -> ElrError:
    """`unknown method 'cstatt'. Did you mean 'cstat'?`"""
    return ElrError(f"unknown {kind} '{name}'. {did_you_mean(name, known)}")
