"""`make docs`: the pages build without a warning, and the reference has every name of the public API."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from browser import Browser, needs_browser

import elrbench

pytest.importorskip("sphinx", reason="the extra 'docs' is not installed")
ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


class Page(HTMLParser):
    """Links and ids of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids |= {found["id"] or ""} if "id" in found else set()
        self.links += [value for key in ("href", "src") if (value := found.get(key))]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("docs")
    words = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", str(DOCS), str(out)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}


def test_every_page_is_built(site: Path):
    assert {path.stem for path in site.glob("*.html")} >= {path.stem for path in DOCS.glob("*.md")}


def test_links_and_anchors_lead_somewhere(site: Path, pages: dict[Path, Page]):
    missing = []
    for path, page in pages.items():
        for link in page.links:
            address, anchor = urldefrag(unquote(link))
            if "://" in address or address.startswith(("mailto:", "data:", "leaderboards/")):
                continue
            target = (path.parent / address.partition("?")[0]).resolve() if address else path
            if not target.exists() or (anchor and target in pages and anchor not in pages[target].ids):
                missing.append(f"{path.name}: {link}")
    assert not missing


def test_the_reference_has_every_name_with_its_docstring(site: Path, pages: dict[Path, Page]):
    reference = pages[site / "api.html"]
    assert {f"elrbench.{name}" for name in elrbench.__all__ if name != "__version__"} <= reference.ids
    for name in elrbench.__all__:
        thing = getattr(elrbench, name)
        if callable(thing):
            assert thing.__doc__ and not thing.__doc__.startswith(f"{name}("), f"{name} has no docstring"


def test_docstrings_are_shown_as_written(site: Path):
    text = re.sub(r"<[^>]+>", "", (site / "api.html").read_text(encoding="utf-8"))
    assert "`" not in text.replace("``", ""), "a backquote is shown"
    assert "\\*" not in text


def test_links_out_of_the_docs_lead_to_the_repository(site: Path):
    page = (site / "leaderboard.html").read_text(encoding="utf-8")
    assert "https://github.com/elrbench/elrbench/blob/main/leaderboards/README.md#how-a-row-is-made" in page


@needs_browser
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)], ids=["wide and light", "narrow and dark"])
def test_pages_fit_a_screen(site: Path, width: int, dark: bool):
    with Browser() as browser:
        for path in sorted(site.glob("*.html")):
            page = browser.open(path, width=width, dark=dark)
            assert page.value("document.documentElement.scrollWidth") <= width, path.name
            colours = [page.value(f"getComputedStyle(document.body).{what}") for what in ("color", "backgroundColor")]
            text, ground = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)  # brightness
            assert text != ground and (text > ground) == dark, path.name
            assert not page.complaints, path.name
            page.close()
