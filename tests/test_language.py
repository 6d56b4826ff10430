"""Texts are plain technical English: a short list of words and constructions stays out of them.

Checked: help of every command, specs of every component, docstrings and strings of the code, and the Markdown pages.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Words that nobody uses in technical English today, and constructions that need a second reading.
BANNED = (
    r"amiss", r"astray", r"anew", r"thereof", r"wherein", r"hereby", r"whence", r"hitherto", r"thereupon", r"beside",
    r"untold", r"told (?:from|apart)", r"is told", r"are told", r"mend(?:ed|s)?", r"reckon(?:ed|s|ing)?", r"likewise",
    r"stands? still", r"is due", r"are due", r"as due", r"to be had", r"go(?:es)? on from", r"held against",
    r"holds?\b.{1,40}\bagainst", r"lies? (?:in|under|at|there)", r"lay in", r"of which there (?:is|are)", r"but for",
    r"(?<!there )is no (?:number|name|dataset|picture|folder|png|F1|method)",
    r"what is made of", r"in its stead", r"whose own",
    r"says? of (?:itself|themselves|it)", r"newcomer", r"Error where", r"None where", r"where there (?:is|are)",
    r"who brought", r"whosoever", r"stands? in the way", r"at hand", r"five doors",
)  # fmt: skip
PATTERN = re.compile(rf"\b(?:{'|'.join(BANNED)})\b", re.IGNORECASE)
CODE = sorted(path for folder in ("elrbench", "benchmark_core", "plugins") for path in (ROOT / folder).rglob("*.py"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "leaderboards" / "README.md"])
ASSETS = sorted(
    path
    for path in (ROOT / "plugins").rglob("*")
    if path.suffix in (".yaml", ".html", ".txt") and "LICENSE" not in path.name  # of bundled libraries
)


def strings(path: Path) -> list[tuple[int, str]]:
    """(line, text) of every string constant, docstrings and pieces of f-strings included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def comments(path: Path) -> list[tuple[int, str]]:
    """(line, text) of comments that begin a line or follow two spaces."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [
        (number, match[1]) for number, line in enumerate(lines, 1) if (match := re.search(r"(?:^|\s)# (.*)$", line))
    ]


def found(texts: list[tuple[int, str]]) -> list[str]:
    return [
        f"line {line}: '{match[0]}' in {text.strip()[:90]!r}"
        for line, text in texts
        for match in PATTERN.finditer(text)
    ]


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_is_in_plain_words(path: Path):
    assert not found([*strings(path), *comments(path)])


@pytest.mark.parametrize("path", [*PAGES, *ASSETS], ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_are_in_plain_words(path: Path):
    text = path.read_text(encoding="utf-8")
    if path.name == "CHANGELOG.md":
        text = text.partition("\n## ")[2].partition("\n## ")[0]  # earlier releases stay as published
    assert not found(list(enumerate(text.splitlines(), 1)))


def test_the_search_finds_a_word(tmp_path: Path):
    path = tmp_path / "old.py"
    path.write_text('"""What lies in a folder."""\n\nx = f"{1} is told from it"  # made anew\n')
    assert len(found([*strings(path), *comments(path)])) == 3
