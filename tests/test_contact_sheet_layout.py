"""The layout of a contact sheet: where pictures and text are."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from benchmark_core.errors import ElrError
from elrbench_plugins.commands.contact_sheet.drawing import MOST, Block, Layout, draw, drawable

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
Pixels = Any  # int (rows, columns, 3)


# -- where things are

LAYOUT = Layout(blocks=3, columns=2, clips=2, lines=3, frames=2, cell=(10, 20), gutter=30)


def test_places_are_these() -> None:
    """Reckoned by hand: margins 8, a line of text 18, 2 between pictures, 6 between clips, 12 between blocks."""
    assert LAYOUT.block == (18 + 34 + 6 + 34, 20 + 2 + 20)  # a clip: 10 + 2 + 10 + 2 + 10
    assert LAYOUT.size == (8 + 18 + 92 + 12 + 92 + 8, 8 + 30 + 42 + 12 + 42 + 8)
    assert LAYOUT.corner(1) == (26, 8 + 30 + 42 + 12)
    assert LAYOUT.corner(2) == (26 + 92 + 12, 38)
    assert LAYOUT.place(0, 0, 0, 0) == (26 + 18, 38)
    assert LAYOUT.place(2, 1, 2, 1) == (130 + 18 + (34 + 6) + 2 * 12, 38 + 22)


def test_a_sheet_is_no_taller_than_wide() -> None:
    """In one column 26 + 3 * 104 - 12 + 8 = 334 by 88, in two 230 by 142, in three 126 by 196."""
    assert LAYOUT.no_taller_than_wide().columns == 3
    tall = Layout(blocks=2, columns=1, clips=9, lines=3, frames=1, cell=(90, 20), gutter=0)
    assert tall.no_taller_than_wide().columns == 2  # however tall


def test_a_sheet_too_large_is_refused_before_anything_is_drawn() -> None:
    side = int(MOST**0.5)
    with pytest.raises(ElrError, match=r"a sheet of \d+x\d+ pixels is too large; lower --size"):
        Layout(blocks=1, columns=1, clips=1, lines=1, frames=1, cell=(side, side), gutter=0)


# -- text


def sheet_of(name: str, title: str = "t", caption: str = "c") -> Pixels:
    layout = Layout(blocks=1, columns=1, clips=1, lines=1, frames=1, cell=(8, 90), gutter=20)
    block = Block(name=name, clips=[[np.zeros((1, 8, 90, 3), np.uint8)]])
    return np.asarray(Image.open(io.BytesIO(draw(layout, title, [caption], [block])))).astype(int)


def test_names_are_drawn_where_the_block_begins() -> None:
    wave, sit = sheet_of("wave"), sheet_of("sit")
    there = np.argwhere((wave != sit).any(-1))
    assert len(there) > 20
    (top, left), (bottom, right) = there.min(0), there.max(0)
    assert top >= 26 and bottom < 44 and left >= 28 and right < 28 + 90
    assert (sheet_of("")[26:44, 28:] == 255).all() and (wave[26:44, 28:] < 60).any()


def test_title_and_captions_are_drawn_in_their_places() -> None:
    for other, rows, columns in (
        (sheet_of("n", title="x"), slice(0, 26), slice(6, None)),
        (sheet_of("n", caption="x"), slice(26, None), slice(6, 28)),
    ):
        differs = (other != sheet_of("n")).any(-1)
        assert differs.any() and differs.sum() == differs[rows, columns].sum()


def test_a_long_name_is_cut_at_its_block() -> None:
    long = sheet_of("brush hair and then comb it for a long time")
    assert (long[26:44, 28 + 90 :] == 255).all()
    assert (long != sheet_of("brush hair and then comb it for another hour")).any()  # the end is kept


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("<b>a & \"b\"</b>", "<b>a & \"b\"</b>"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\u6b69\u304f", r"\u6b69\u304f"),
        ("\u202eabc", r"\u202eabc"),
        ("caf\u00e9", r"caf\xe9"),
    ],
)  # fmt: skip
def test_what_the_font_cannot_show_is_escaped(name: str, text: str) -> None:
    assert drawable(name) == text
