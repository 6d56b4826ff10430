"""A sheet of pictures as a PNG: named blocks, in each the lines of its clips, frames from left to right.

Needs Pillow, the extra `report`: it draws text in a font of its own, the same on every machine. Knows no clip.
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

# Pixels: round the sheet, between blocks, between clips of a block, between pictures; a line of text, its letters.
MARGIN, SPACE, APART, GAP = 8, 12, 6, 2
LINE, LETTERS = 18, 13
KMEANS = 3  # steps by which a palette's colours move to the middle of their pixels
MOST = 2**26  # pixels of a sheet: 200 MB before compression
PAPER, INK, FAINT = (255, 255, 255), (31, 35, 40), (89, 99, 110)  # RGB; both inks have a contrast above 5 on paper

Size: TypeAlias = tuple[int, int]  # (rows, columns) in pixels
Pictures: TypeAlias = npt.NDArray[np.uint8]  # (K, rows, columns, 3)


@dataclass(frozen=True, kw_only=True)
class Block:
    """What stands under one name: clips, each with its lines from top to bottom."""

    name: str
    clips: Sequence[Sequence[Pictures]]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where things are, in pixels from the sheet's top left corner. A cell holds one picture, at its top left.

    gutter: width of the captions left of all blocks, none if 0.
    ElrError where the sheet would have more than MOST pixels.
    """

    blocks: int
    columns: int
    clips: int  # of each block
    lines: int  # of each clip
    frames: int  # of each line
    cell: Size
    gutter: int

    def __post_init__(self) -> None:
        """No more than MOST."""
        rows, columns = self.size
        if rows * columns > MOST:
            raise ElrError(f"a sheet of {rows}x{columns} pixels is too large; lower --size, --clips or --frames")

    @property
    def block(self) -> Size:
        """Of one block, its name included."""
        rows, columns = self.cell
        clip = self.lines * (rows + GAP) - GAP
        return LINE + self.clips * (clip + APART) - APART, self.frames * (columns + GAP) - GAP

    @property
    def size(self) -> Size:
        """Of the sheet."""
        rows, columns = self.block
        down = -(-self.blocks // self.columns)
        return (
            2 * MARGIN + LINE + down * (rows + SPACE) - SPACE,
            2 * MARGIN + self.gutter + self.columns * (columns + SPACE) - SPACE,
        )

    def corner(self, block: int) -> Size:
        """(top, left) of a block; blocks fill row after row."""
        down, across = divmod(block, self.columns)
        rows, columns = self.block
        return MARGIN + LINE + down * (rows + SPACE), MARGIN + self.gutter + across * (columns + SPACE)

    def place(self, block: int, clip: int, line: int, frame: int) -> Size:
        """(top, left) of a cell."""
        top, left = self.corner(block)
        rows, columns = self.cell
        down = clip * (self.lines * (rows + GAP) - GAP + APART) + line * (rows + GAP)
        return top + LINE + down, left + frame * (columns + GAP)

    def no_taller_than_wide(self) -> Layout:
        """The same in as few columns as make it so; in one row of blocks where none do."""
        tried = (replace(self, columns=columns) for columns in range(1, self.blocks + 1))
        return next((one for one in tried if one.size[0] <= one.size[1]), replace(self, columns=self.blocks))


def lettering() -> FreeTypeFont:
    """The font of all text. ElrError naming the extra where Pillow is absent, older than 10.1 or without FreeType."""
    try:
        from PIL.ImageFont import FreeTypeFont, load_default

        font = load_default(LETTERS)
        assert isinstance(font, FreeTypeFont)
    except (ImportError, TypeError) as error:
        raise ElrError(f"a picture needs {how_to_install('PIL', 'report')} ({error})") from error
    return font


def gutter_of(captions: Sequence[str]) -> int:
    """The width that the captions need."""
    font = lettering()
    return round(max(font.getlength(drawable(caption)) for caption in captions)) + APART


def drawable(text: str) -> str:
    r"""`text` as the font can show it: what it has no letter for, or would break the line, is escaped as in `\u3042`.

    Two texts that differ are so drawn differently.
    """
    font = lettering()
    absent = bytes(font.getmask("\uffff"))

    def shown(letter: str) -> str:
        there = letter == " " or (letter.isprintable() and bytes(font.getmask(letter)) != absent)
        return letter if there else letter.encode("unicode_escape").decode()

    return "".join(map(shown, text))


def fitting(text: str, width: int, font: FreeTypeFont) -> str:
    """`text` in `width` pixels: dots stand for its middle where it is longer, as names often differ at their end."""
    kept, shown = len(text), text
    while kept and font.getlength(shown) > width:
        kept -= 1
        shown = f"{text[: kept - kept // 2]}...{text[len(text) - kept // 2 :]}"
    return shown


def draw(
    layout: Layout, title: str, captions: Sequence[str], blocks: Sequence[Block], colours: int | None = None
) -> bytes:
    """The PNG. captions: of a clip's lines, written left of the first column's. Equal arguments give equal bytes.

    colours: of a palette, at most 256, chosen to lie close to every pixel; every pixel as it is where None.
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
        """On the middle of a line of text that begins at `top`."""
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
        # Median cut would give up rare colours, and a small object in one may be all that tells a class.
        sheet = sheet.quantize(colours, Image.Quantize.MAXCOVERAGE, kmeans=KMEANS, dither=Image.Dither.NONE)
    held = BytesIO()
    sheet.save(held, "PNG", optimize=True)
    return held.getvalue()
