"""Draw a contact sheet as a PNG: named blocks that hold rows of frames, from left to right.

Needs Pillow (the extra `report`), whose built-in font is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from benchmark_core.errors import ElrError
from benchmark_core.extras import how_to_install

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

# Pixels: sheet margin, gaps between blocks, clips and pictures; height of a text line and of its letters.
MARGIN, SPACE, APART, GAP = 8, 12, 6, 2
LINE, LETTERS = 18, 13
KMEANS = 3  # k-means steps that refine a palette
MOST = 2**26  # pixels of a sheet: 200 MB before compression
PAPER, INK, FAINT = (
    (255, 255, 255),
    (31, 35, 40),
    (89, 99, 110),
)  # RGB; both inks have a contrast ratio above 5 on PAPER

Size: TypeAlias = tuple[int, int]  # (rows, columns) in pixels
Pictures: TypeAlias = npt.NDArray[np.uint8]  # (K, rows, columns, 3)


@dataclass(frozen=True, kw_only=True)
class Block:
    """The clips under one name. A clip is a sequence of rows from top to bottom."""

    name: str
    clips: Sequence[Sequence[Pictures]]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Positions in pixels from the top left corner of the sheet. A cell holds one picture at its top left.

    gutter: width of the captions left of all blocks; 0: no captions.
    Raises ElrError if the sheet would have more than MOST pixels.
    """

    blocks: int
    columns: int
    clips: int  # of each block
    lines: int  # of each clip
    frames: int  # of each line
    cell: Size
    gutter: int

    def __post_init__(self) -> None:
        """Check the size of the sheet."""
        rows, columns = self.size
        if rows * columns > MOST:
            raise ElrError(f"a sheet of {rows}x{columns} pixels is too large; lower --size, --clips or --frames")

    @property
    def block(self) -> Size:
        """Size of one block with its name."""
        rows, columns = self.cell
        clip = self.lines * (rows + GAP) - GAP
        return LINE + self.clips * (clip + APART) - APART, self.frames * (columns + GAP) - GAP

    @property
    def size(self) -> Size:
        """Size of the sheet."""
        rows, columns = self.block
        down = -(-self.blocks // self.columns)
        return (
            2 * MARGIN + LINE + down * (rows + SPACE) - SPACE,
            2 * MARGIN + self.gutter + self.columns * (columns + SPACE) - SPACE,
        )

    def corner(self, block: int) -> Size:
        """Return (top, left) of a block. Blocks fill the sheet row by row."""
        down, across = divmod(block, self.columns)
        rows, columns = self.block
        return MARGIN + LINE + down * (rows + SPACE), MARGIN + self.gutter + across * (columns + SPACE)

    def place(self, block: int, clip: int, line: int, frame: int) -> Size:
        """Return (top, left) of a cell."""
        top, left = self.corner(block)
        rows, columns = self.cell
        down = clip * (self.lines * (rows + GAP) - GAP + APART) + line * (rows + GAP)
        return top + LINE + down, left + frame * (columns + GAP)

    def no_taller_than_wide(self) -> Layout:
        """Return this layout with the fewest columns that make it no taller than wide, or in one row of blocks."""
        tried = (replace(self, columns=columns) for columns in range(1, self.blocks + 1))
        return next((one for one in tried if one.size[0] <= one.size[1]), replace(self, columns=self.blocks))


def lettering() -> FreeTypeFont:
    """Return the font. Raises ElrError naming the extra if Pillow is missing, older than 10.1 or without FreeType."""
    try:
        from PIL.ImageFont import FreeTypeFont, load_default

        font = load_default(LETTERS)
        assert isinstance(font, FreeTypeFont)
    except (ImportError, TypeError) as error:
        raise ElrError(f"a contact sheet needs {how_to_install('PIL', 'report')} ({error})") from error
    return font


def gutter_of(captions: Sequence[str]) -> int:
    """Return the width in pixels that the captions need."""
    font = lettering()
    return round(max(font.getlength(drawable(caption)) for caption in captions)) + APART


def drawable(text: str) -> str:
    r"""Return `text` with characters that the font lacks, and line breaks, escaped as in `\u3042`.

    Different texts stay different.
    """
    font = lettering()
    absent = bytes(font.getmask("\uffff"))

    def shown(letter: str) -> str:
        there = letter == " " or (letter.isprintable() and bytes(font.getmask(letter)) != absent)
        return letter if there else letter.encode("unicode_escape").decode()

    return "".join(map(shown, text))


def fitting(text: str, width: int, font: FreeTypeFont) -> str:
    """Shorten `text` to `width` pixels; dots replace its middle, because names often differ at their end."""
    kept, shown = len(text), text
    while kept and font.getlength(shown) > width:
        kept -= 1
        shown = f"{text[: kept - kept // 2]}...{text[len(text) - kept // 2 :]}"
    return shown


def draw(
    layout: Layout, title: str, captions: Sequence[str], blocks: Sequence[Block], colours: int | None = None
) -> bytes:
    """Return the bytes of the PNG; equal arguments give equal bytes.

    captions: of a clip's rows, written left of the first column of blocks. colours: palette size, at most 256; None
    keeps every pixel as it is.
    """
    from PIL import Image, ImageDraw

    font = lettering()
    rows, columns = layout.size
    canvas = np.full((rows, columns, 3), PAPER, np.uint8)
    for number, block in enumerate(blocks):
        for clip, lines in enumerate(block.clips):
            for line, pictures in enumerate(lines):
                for frame, picture in enumerate(pictures):
                    top, left = layout.place(number, clip, line, frame)
                    canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    sheet = Image.fromarray(canvas)
    pen = ImageDraw.Draw(sheet)

    def write(text: str, top: int, left: int, width: int, colour: tuple[int, int, int]) -> None:
        """Write `text` vertically centred in the text line that starts at `top`."""
        text = fitting(drawable(text), width, font)
        pen.text((left, top + LINE // 2), text, font=font, fill=colour, anchor="lm")

    write(title, MARGIN - GAP, MARGIN, columns - 2 * MARGIN, FAINT)
    for number, block in enumerate(blocks):
        top, left = layout.corner(number)
        write(block.name, top, left, layout.block[1], INK)
        if layout.gutter and number % layout.columns == 0:
            for clip in range(len(block.clips)):
                for line, caption in enumerate(captions):
                    middle = layout.place(number, clip, line, 0)[0] + (layout.cell[0] - LINE) // 2
                    write(caption, middle, MARGIN, layout.gutter, FAINT)
    if colours is not None:
        # Median cut drops rare colours, but a small object of a rare colour may identify a class.
        sheet = sheet.quantize(colours, Image.Quantize.MAXCOVERAGE, kmeans=KMEANS, dither=Image.Dither.NONE)
    held = BytesIO()
    sheet.save(held, "PNG", optimize=True)
    return held.getvalue()
