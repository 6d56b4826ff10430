"""Errors that are printed as one line without traceback: what is wrong, in which file or plugin, what to do next."""

from __future__ import annotations

import difflib
import re
import sys
import traceback
from collections.abc import Iterable

SHOWN = 12  # known names that an error lists


class ElrError(Exception):
    """A mistake of the user, found before the work began (exit 2). Other exceptions are bugs and show a traceback."""

    exit_code = 2


class RunFailed(ElrError):
    """A run that began and could not finish (exit 1)."""

    exit_code = 1


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is nearest to `name`, "" if none is near.

    A name in a known section, such as `method.zzz`, is compared only with names of that section, without the section.
    """
    names = sorted(known)
    section, dot, last = name.rpartition(".")
    start = "" if last[:1].isdigit() else section + dot  # a decimal point ends no section
    start = start if any(other.startswith(start) for other in names) else ""
    rest = [other.removeprefix(start) for other in names if other.startswith(start)]
    near = difflib.get_close_matches(name.removeprefix(start), rest, n=1, cutoff=0.6)
    return start + near[0] if near else ""


def did_you_mean(name: str, known: Iterable[str], listed_by: str = "") -> str:
    """Return a sentence that suggests the nearest known name, or lists the known names if none is near.

    listed_by: the command that lists all names, for a list that is cut.
    """
    names = sorted(known)
    if near := nearest(name, names):
        return f"Did you mean '{near}'?"
    if not names:
        return "There are none."
    if len(names) <= SHOWN:
        return f"Known: {', '.join(names)}."
    rest = f"`{listed_by}` lists all." if listed_by else f"{len(names)} in all."
    return f"Known: {', '.join(names[:SHOWN])}, …; {rest}"


def unknown(kind: str, name: str, known: Iterable[str], listed_by: str = "") -> ElrError:
    """Return an error such as `unknown method 'cstatt'. Did you mean 'cstat'?`. A quoted `kind` gets a colon.

    listed_by: as of `did_you_mean`.
    """
    colon = ":" if kind.endswith("'") else ""
    return ElrError(f"unknown {kind}{colon} '{name}'. {did_you_mean(name, known, listed_by)}")


def exit_call(error: SystemExit) -> str:
    """Return a sentence that says where a plugin called `sys.exit`, and what to do."""
    frame = traceback.extract_tb(error.__traceback__, limit=-1)[0]
    return f"sys.exit({error.code!r}) was called in {frame.filename}:{frame.lineno}; raise an error there instead"


def explain(error: Exception) -> str | None:
    """Return an error of the operating system or of memory as one line; None for any other error, which is a bug."""
    text = " ".join(str(error).split())
    frames = traceback.extract_tb(error.__traceback__)
    if (
        isinstance(error, FileNotFoundError)
        and error.filename is None
        and frames
        and "getcwd" in (frames[-1].line or "")
    ):
        return "the working directory no longer exists; change to another folder"
    if isinstance(error, OSError):
        printing = any(frame.name == "echo" for frame in frames[-2:])  # click's
        named = "standard output" if printing else error.filename
        return (
            f"{'' if named is None else f'{named}: '}{error.strerror or text or type(error).__name__}{_foreign(error)}"
        )
    if isinstance(error, RuntimeError) and text.startswith("Could not determine home"):  # of `Path.expanduser`
        return "a path begins with ~ and the name of an unknown user; write the path in full"
    if isinstance(error, RuntimeError) and text.startswith("Symlink loop"):  # of `Path.resolve` until Python 3.12
        return f"{text}; remove the link or pass another path"
    # torch's errors are RuntimeErrors: "DefaultCPUAllocator: …" of a CPU, and `torch.OutOfMemoryError` of a GPU.
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in text or type(error).__name__ == "OutOfMemoryError":
        asked = re.search(r"tried to allocate (\d+) bytes", text)
        what = f"tried to allocate {int(asked[1]) / 2**30:.1f} GiB" if asked else text.partition(" GPU ")[0].rstrip(".")
        return f"out of memory: {what or 'the size is unknown'}; use a smaller batch, --size or --sampling"
    return None


def _foreign(error: Exception) -> str:
    """Return " (raised in FILE:LINE)" if other code than this package and the standard library, a plugin, raised it."""
    own = {"benchmark_core", "elrbench", "elrbench_plugins", "click", "__main__"} | sys.stdlib_module_names
    walked = traceback.walk_tb(error.__traceback__)
    raised = [(frame, line) for frame, line in walked if frame.f_globals.get("__name__", "").split(".")[0] not in own]
    return f" (raised in {raised[-1][0].f_code.co_filename}:{raised[-1][1]})" if raised else ""
