"""Numbers with nouns in messages: `1 clip`, `1,200 clips`."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return the number and the noun, with an s unless the number is 1."""
    return f"{number:,} {noun}{'s' * (number != 1)}"
