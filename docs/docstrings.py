"""Docstrings of this project as reStructuredText, for autodoc.

Docstrings are plain text with `code`. Their lists have one entry per name: `options: what they are`, `mean, std: …`.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

ENTRY = re.compile(r"\w+(, \w+)*: ")
SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Yields):$")


def to_rst(lines: Sequence[str]) -> list[str]:
    """Return the lines of a docstring in reStructuredText."""
    found: list[str] = []
    for number, paragraph in enumerate(paragraphs(lines)):
        if all(line.startswith("    ") for line in paragraph):
            found += ["::", "", *paragraph, ""]
            continue
        if title := SECTION.match(paragraph[0]):
            found += [f"**{title[1]}**", ""]
            paragraph = textwrap.dedent("\n".join(paragraph[1:])).splitlines()
        for name, text in pieces(paragraph, lists=number > 0):
            found += [f"* **{name}**: {literal(text)}" if name else literal(text), ""]
    return found


def paragraphs(lines: Sequence[str]) -> list[list[str]]:
    """Split at empty lines."""
    found: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            found[-1].append(line.rstrip())
        elif found[-1]:
            found.append([])
    return [paragraph for paragraph in found if paragraph]


def pieces(paragraph: Sequence[str], *, lists: bool) -> Iterator[tuple[str, str]]:
    """Return the text (name "") and the entries of lists (name, meaning) of a paragraph, in order."""
    name, words = "", []
    for line in paragraph:
        entry = ENTRY.match(line) if lists else None
        ended = bool(name) and not line.startswith(" ") and words[-1].endswith(".") and not entry
        if entry or ended:
            if words:
                yield name, " ".join(words)
            name, words = "", []
        if entry:
            name = entry[0].removesuffix(": ")
            line = line[entry.end() :]
        words.append(line.strip())
    yield name, " ".join(words)


def literal(text: str) -> str:
    """Make `code` literal, and escape what reStructuredText would read as markup."""
    parts = re.split(r"(`[^`]+`)", text)
    shown = [f"`{part}`" if part.startswith("`") and len(part) > 2 else escaped(part) for part in parts]
    return re.sub(r"(?<=[^`\s]``)(?=\w)", r"\\ ", "".join(shown))  # `Path`s: markup must end before a letter


def escaped(text: str) -> str:
    """Escape the characters of inline markup."""
    return re.sub(r"([*_|\\`])", r"\\\1", text)
