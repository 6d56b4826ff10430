"""Errors that are printed as one line without traceback: what is wrong, in which file or plugin, what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ElrError(Exception):
    """A mistake of the user, found before the work began (exit 2). Other exceptions are bugs and show a traceback."""

    exit_code = 2


class RunFailed(ElrError):
    """A run that began and could not finish (exit 1)."""

    exit_code = 1


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a sentence that suggests the nearest known name, or lists the known names if none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"Did you mean '{near[0]}'?"
    if not names:
        return "There are none."
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"Known: {shown}."


def unknown(kind: str, name: str, known: Iterable[str]) -> ElrError:
    """Return an error such as `unknown method 'cstatt'. Did you mean 'cstat'?`. A quoted `kind` gets a colon."""
    colon = ":" if kind.endswith("'") else ""
    return ElrError(f"unknown {kind}{colon} '{name}'. {did_you_mean(name, known)}")
