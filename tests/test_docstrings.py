"""Docstrings become reStructuredText: lists of fields, code, sections, and characters that would be markup."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))
from docstrings import to_rst


def converted(text: str) -> str:
    return "\n".join(line for line in to_rst(text.splitlines()) if line)


def test_code_and_markup():
    assert converted("Return `a_b` of x_y, *args and many `Path`s.") == (
        "Return ``a_b`` of x\\_y, \\*args and many ``Path``\\ s."
    )


def test_a_list_of_fields_and_the_text_after_it():
    text = "A pair.\n\nmean, std: of pixels,\n    in [0, 1]. Both exist.\nsize: pixels.\nThe rest is text."
    assert converted(text) == "\n".join(
        ["A pair.", "* **mean, std**: of pixels, in [0, 1]. Both exist.", "* **size**: pixels.", "The rest is text."]
    )


def test_the_first_line_is_never_a_list():
    assert converted("Note: it is short.") == "Note: it is short."


def test_a_field_that_goes_on_at_the_margin():
    assert converted("A.\n\nsize: pixels, or\nnone at all.") == "A.\n* **size**: pixels, or none at all."


def test_sections_and_code_blocks():
    text = "Do it.\n\nArgs:\n    out: folder.\n    seed: a number,\n        or None.\n\n    do(it)"
    assert converted(text) == "\n".join(
        ["Do it.", "**Args**", "* **out**: folder.", "* **seed**: a number, or None.", "::", "    do(it)"]
    )
