"""`elrbench report` and names that would be markup: as text, and as a browser shows the page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from browser import Browser, needs_browser
from report_pages import (
    HOSTILE,
    Call,
    Page,
    asks_for_nothing,
    cache_of,
    call,
    catalog_of_tests,
    cstat,
    hostile,
    needs_extra,
)

from benchmark_core.runs.runner import RunResult
from elrbench_plugins.commands.report.make import RunReport

__all__ = ["call", "catalog_of_tests", "cstat", "hostile"]  # fixtures


def test_names_show_as_text(hostile: RunReport) -> None:
    from elrbench_plugins.commands.report.page import render

    text = render(hostile)
    page = Page(text)
    asks_for_nothing(page)
    assert page.count("script") == 4 and page.count("img") == 0  # the data, two libraries, the page's own
    assert not any("alert" in script for script in page.scripts[1:])
    together = "".join(page.text)
    for name in HOSTILE:
        assert together.count(name) >= 7, name
    assert page.plots["matrix"]["classes"] == list(HOSTILE)
    assert "<script>alert" not in text and "<img" not in text
    assert "2.00 [2.00, 2.00]" in page.words


# -- in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as found:
        yield found


@needs_browser
def test_hostile_names_in_a_browser(hostile: RunReport, browser: Browser, tmp_path: Path) -> None:
    from elrbench_plugins.commands.report.page import render

    path = tmp_path / "page.html"
    path.write_text(render(hostile), encoding="utf-8")
    page = browser.open(path)
    assert page.complaints == [] and page.requests == [path.as_uri(), "data:,"][: len(page.requests)]
    cells = page.value(
        "[...document.querySelectorAll('#per_class tbody td:first-child')].map(each => each.textContent)"
    )
    assert cells == list(HOSTILE)
    stages = page.value("[...document.querySelectorAll('#curves .plot h3')].map(each => each.textContent)")
    assert stages == list(HOSTILE)
    axis = page.value("[...document.querySelectorAll('#matrix svg text')].map(each => each.textContent)")
    assert "<script>aler" in " ".join(axis) and page.value("document.images.length") == 0
    page.close()


@needs_extra
@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_in_a_browser(
    call: Call, cstat: RunResult, browser: Browser, tmp_path: Path, width: int, dark: bool
) -> None:
    """It asks for nothing, complains of nothing, draws every plot, and scrolls in one direction alone."""
    path = tmp_path / "page.html"
    assert call(cstat.folder, cache_of(cstat), "--out", path)[0] == 0
    page = browser.open(path, width=width, dark=dark)
    assert [each for each in page.requests if not each.startswith("data:")] == [path.as_uri()]
    assert page.complaints == []
    drawn = page.value("[...document.querySelectorAll('[data-plot]')].map(each => each.querySelectorAll('svg').length)")
    assert len(drawn) == 4 and all(drawn)
    assert page.value("document.documentElement.scrollWidth") <= width
    broken = "[...document.images].filter(each => !each.complete || !each.naturalWidth).length"
    assert page.value("document.images.length") > 10 and page.value(broken) == 0
    ink, paper = (page.value(f"getComputedStyle(document.body).{key}") for key in ("color", "backgroundColor"))
    lightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, paper)]
    assert (lightness[0] > lightness[1]) == dark and abs(lightness[0] - lightness[1]) > 450
    text = page.value("getComputedStyle(document.querySelector('#per_class svg text')).fill")
    assert text == ink  # the plots follow
    page.close()


@needs_extra
@needs_browser
def test_it_is_read_by_keyboard(call: Call, cstat: RunResult, browser: Browser, tmp_path: Path) -> None:
    """Tab reaches links, tables and folded tables; Enter unfolds them."""
    path = tmp_path / "page.html"
    call(cstat.folder, cache_of(cstat), "--out", path, "--clips", "0")
    page = browser.open(path)
    reached: list[Sequence[str]] = []
    for _ in range(16):
        page.press("Tab")
        reached.append(page.value("[document.activeElement.tagName, document.activeElement.textContent]"))
        if reached[-1][0] == "SUMMARY":
            break
    assert ["A", "Plan"] in reached and reached[-1] == ["SUMMARY", "Table"]
    page.press("Enter")
    assert page.value("document.querySelector('#per_class details').open")
    page.close()
