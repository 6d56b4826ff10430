"""Print control characters as escapes, so that a name from a file cannot change what a terminal shows."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO, cast

# Controls except tab and line feed, marks and overrides of the writing direction, and surrogates.
_HIDDEN = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    r"""Return `text` with each hidden character as `\u001b`, which JSON reads as the same character."""
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class _Visible:
    """Write to `stream` what `visible` returns."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        return self.stream.write(visible(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def visible_output() -> Iterator[None]:
    """Make all output visible: of this package, of plugins and of libraries."""
    out, err = (stream and cast(TextIO, _Visible(stream)) for stream in (sys.stdout, sys.stderr))  # None if closed
    with redirect_stdout(out), redirect_stderr(err):
        yield
