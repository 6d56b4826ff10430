"""The site in a browser: opened from disk, sorted, filtered and opened by pointer and keyboard, wide and narrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, Page, needs_browser
from run_records import bits, make_cost, make_record, put
from site_pages import TRACK, library

from benchmark_core.tables.markup import one_line
from elrbench_plugins.commands.site.folder import write_site
from elrbench_plugins.commands.site.pages import build_site

pytestmark = needs_browser

EVIL = (
    "<img src=x onerror='window.hit=1'>",
    "</script><script>window.hit=2</script>",
    "\"quoted\" & 'too' `tick` ${window.hit=3}",
    "שלום עולם (a)",
    "مرحبا <b>bold</b>",
    "two\nlines\u202ereversed",
    "javascript:window.hit=4",
    "&lt;b&gt; &#60;",
)
ROWS = "[...document.querySelectorAll('.table')][0]"
METHODS = f"[...{ROWS}.querySelectorAll('tbody tr:not(.opened)')].map((row) => row.cells[2].textContent)"
FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50))))"
NARROW = "document.documentElement.scrollWidth <= window.innerWidth"


def board_of_six(board: Path) -> None:
    """Six methods on two backbones of two costs, tops 10 to 60 %, and the same system at three sizes."""
    for number, right in enumerate((12, 10, 8, 6, 4, 2)):
        more = {"structure": f"s{number % 2}", "changed": ["method.epochs"]}
        backbone = f"net{number % 2}"
        put(board, make_record(bits(*range(right)), method=f"m{number}", backbone=backbone, more=more))
    for degradation, right in (("average-6x8", 5), ("average-24x32", 15)):
        put(board, make_record(bits(*range(right)), method="m0", backbone="net0", degradation=degradation))
    put(board, make_cost("s0"), make_cost("s1", macs={"view": 1e8, "clip": 3e8, "enhancer": 0.0}))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as started:
        yield started


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    board_of_six(folder / "leaderboards")
    write_site(folder / "pages", build_site(folder / "leaderboards", library()).files)
    return folder / "pages"


@pytest.fixture
def page(browser: Browser, site: Path) -> Iterator[Page]:
    """The track of six methods."""
    opened = browser.open(site / TRACK)
    yield opened
    assert opened.complaints == []
    opened.close()


def focused(page: Page) -> str:
    text: str = page.value("document.activeElement.textContent")
    return text


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
def test_every_page_opens_from_disk_and_asks_for_nothing_else(
    browser: Browser, site: Path, width: int, dark: bool
) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) == 7  # index, resolutions, costs, reported, and three tracks
    for path in pages:
        page = browser.open(path, width=width, dark=dark)
        page.value(FRAMES)
        assert page.complaints == [], path
        assert page.requests and all(url.startswith((site.as_uri(), "data:,")) for url in page.requests), page.requests
        assert page.value(NARROW), path
        assert page.value("document.querySelectorAll('table tbody tr, figure svg').length"), path
        page.close()


def test_no_address_is_asked_even_by_a_page_that_tries(browser: Browser, site: Path) -> None:
    """The page's own policy refuses, before any name is looked up."""
    page = browser.open(site / "index.html")
    assert page.value("fetch('https://example.org/').then(() => 'came', () => 'refused')") == "refused"
    said = page.value(
        "new Promise((done) => { const image = new Image(); image.onerror = () => done('refused');"
        " image.onload = () => done('came'); image.src = 'https://example.org/a.png'; })"
    )
    assert said == "refused" and any("Content Security Policy" in line for line in page.complaints)
    page.close()


def test_headings_sort_and_missing_values_stay_last(page: Page) -> None:
    order = ["m0", "m1", "m2", "m3", "m4", "m5"]
    assert page.value(METHODS) == order
    click = "[...document.querySelectorAll('thead button')].find((each) => each.textContent === 'top1').click()"
    sorts = f"{ROWS}.querySelector('th:nth-child(7)').getAttribute('aria-sort')"
    page.value(click)
    assert (page.value(METHODS), page.value(sorts)) == (order, "descending")
    page.value(click)
    assert (page.value(METHODS), page.value(sorts)) == (order[::-1], "ascending")
    page.value(click)
    assert (page.value(METHODS), page.value(sorts)) == (order, "none")
    macs = click.replace("top1", "MACs/clip (G)")
    page.value(macs)
    assert page.value(METHODS) == ["m0", "m2", "m4", "m1", "m3", "m5"]  # 0.6 before 0.3, equals as they stood


def test_sorting_is_by_number_and_a_dash_is_no_number(browser: Browser, tmp_path: Path) -> None:
    for method, right, folds in (("a", 18, ("1",)), ("b", 20, ("1",)), ("c", 1, ("1",))):
        put(tmp_path / "board", make_record(bits(*range(right)), method=method, folds=folds))
    other = {"per_class": {"classes": ["a", "b"], "n": [10, 10], "value": [0.1, 0.2]}}
    put(tmp_path / "board", make_record(bits(1), method="d", seed=0, more=other, sampling="windows-8"))
    write_site(tmp_path / "site", build_site(tmp_path / "board", library()).files)
    page = browser.open(tmp_path / "site" / TRACK)
    click = "[...document.querySelectorAll('thead button')].find((each) => each.textContent === 'top1').click()"
    page.value(f"{click}; {click}")
    assert page.value(METHODS) == ["c", "d", "a", "b"]  # 5, 5, 90, 100: as text, 100 would stand before 5
    page.close()


def test_words_and_choices_filter(page: Page) -> None:
    page.value("document.querySelector('input[type=search]').focus()")
    page.type("NET1 m")
    assert page.value(METHODS) == ["m1", "m3", "m5"]
    assert page.value("document.querySelector('.count').textContent").startswith("3 of 6 rows")
    pick = "(() => { const pick = document.querySelector('.tools select'); pick.selectedIndex = 1;"
    page.value(pick + " pick.dispatchEvent(new Event('change')); })()")
    assert page.value("document.querySelector('.tools select').value") == "net0"
    assert page.value(METHODS) == []
    page.value("(() => { const words = document.querySelector('input[type=search]'); words.value = '';"
               " words.dispatchEvent(new Event('input')); })()")  # fmt: skip
    assert page.value(METHODS) == ["m0", "m2", "m4"]


def test_the_keyboard_sorts_and_opens(page: Page) -> None:
    page.press("Tab")
    assert focused(page) == "Skip to the tables"
    page.press("Enter")
    assert page.value("document.activeElement.id") == "main"
    for _ in range(40):
        page.press("Tab")
        if focused(page) == "top1":
            break
    assert focused(page) == "top1"
    page.press("Enter", 2)
    assert page.value(METHODS)[0] == "m5"
    assert focused(page) == "top1", "the focus is lost in sorting"
    for _ in range(40):
        page.press("Tab")
        if page.value("document.activeElement.className") == "opens":
            break
    assert page.value("document.activeElement.getAttribute('aria-label')") == "Open row 6, m5"
    page.press("Enter")
    assert page.value("document.activeElement.getAttribute('aria-expanded')") == "true"
    text = page.value("document.querySelector('tr.opened').textContent")
    assert "elrbench rerun leaderboards/records/acts/split1/average-12x16/m5-" in text
    assert "method.batch" in text and "cpu: test" in text and "Plan" in text
    page.press(" ")
    assert page.value("document.querySelector('tr.opened')") is None


def test_a_row_opens_its_command_plan_and_record(page: Page) -> None:
    page.value("document.querySelectorAll('button.opens')[1].click()")
    assert page.value("document.querySelector('tr.opened').previousSibling.cells[2].textContent") == "m1"
    command = page.value("document.querySelector('.opened code').textContent")
    assert command.startswith("elrbench rerun leaderboards/records/acts/split1/average-12x16/m1-")
    page.value("document.querySelector('.command button').click()")
    page.value(FRAMES)
    assert page.value("document.querySelector('.command [role=status]').textContent").startswith(("copied", "selected"))
    assert page.value("String(window.getSelection())") == command
    pairs = "[...document.querySelectorAll('.opened .pairs div')]"
    pairs += ".map((each) => [...each.children].map((part) => part.textContent))"
    told = {tuple(pair) for pair in page.value(pairs)}
    assert {("method", "m1"), ("MACs/clip (G)", "0.3"), ("updates", "student 40"), ("sampling", "4x1")} <= told
    assert {
        ("backbone", "net1"),
        ("method.batch", "16"),
        ("data", "feed"),
        ("finished", "2026-01-01T00:00:00Z"),
    } <= told
    marked = "[...document.querySelectorAll('.opened .marked')].map((each) => each.innerText.split(/\\s+/))"
    assert page.value(marked) == [["method.epochs", "20"]]
    click = "[...document.querySelectorAll('thead button')].find((each) => each.textContent === 'top1').click()"
    page.value(f"{click}; {click}")
    assert page.value("document.querySelector('tr.opened').previousSibling.cells[2].textContent") == "m1"


def test_a_point_of_the_plot_leads_to_its_row(page: Page) -> None:
    page.value(FRAMES)
    links = "[...document.querySelectorAll('.plot a')].map((each) => each.getAttribute('href') || each.href.baseVal)"
    assert sorted(page.value(links)) == [f"#row-{number}" for number in range(1, 7)]
    assert page.value("document.querySelector('.legend').textContent").endswith(": row 2, 1")
    page.value("location.hash = '#row-2'")
    page.value(FRAMES)
    assert page.value("document.querySelector('tr.opened').previousSibling.id") == "row-2"


def test_classes_are_of_the_rows_that_are_picked(page: Page) -> None:
    shown = "[...document.querySelectorAll('.classes tbody tr')].map((row) => [...row.cells].map((c) => c.textContent))"
    assert page.value(shown) == [["a", "20", "60.00", "50.00", "+10.00"], ["b", "0", "-", "-", "-"]]
    page.value("(() => { const pick = document.querySelectorAll('.classes select')[1]; pick.selectedIndex = 5;"
               " pick.dispatchEvent(new Event('change')); })()")  # fmt: skip
    assert page.value(shown)[0] == ["a", "20", "60.00", "10.00", "+50.00"]


def test_curves_are_drawn_of_the_lines_that_are_checked(browser: Browser, site: Path) -> None:
    page = browser.open(site / "resolutions.html")
    page.value(FRAMES)
    ticks = "[...document.querySelectorAll('figure')[0].querySelectorAll('[aria-label=\"x-axis tick label\"] text')]"
    assert page.value(f"{ticks}.map((each) => each.textContent)") == ["6x8", "12x16", "24x32"]
    headings = page.value("[...document.querySelectorAll('h2, h3')].map((each) => each.textContent)")
    assert headings == ["acts · split1 · average-HxW", "Measured, top1", "Reported by papers, top1"]
    lines = "document.querySelectorAll('figure')[0].querySelectorAll('[aria-label=line] path').length"
    assert page.value(lines) == 1
    page.value("document.querySelector('fieldset input').click()")
    page.value(FRAMES)
    assert page.value(lines) == 0
    page.close()


def test_a_narrow_screen_shows_what_matters_and_the_rest_when_asked(browser: Browser, site: Path) -> None:
    page = browser.open(site / TRACK, width=390)
    seen = f"[...{ROWS}.querySelectorAll('thead th')].filter((each) => each.offsetWidth)"
    shown = f"{seen}.map((each) => each.textContent)"
    assert page.value(shown) == ["#", "rank", "method", "top1"]
    page.value("document.querySelector('.all-columns input').click()")
    assert "MACs/clip (G)" in page.value(shown) and page.value(NARROW)
    page.value("document.querySelectorAll('button.opens')[0].click()")
    page.value(FRAMES)
    assert page.value(NARROW)
    assert page.value("document.querySelector('.seen').getBoundingClientRect().right <= window.innerWidth")
    page.close()


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_ground(browser: Browser, site: Path, dark: bool) -> None:
    """WCAG 2.2: 4.5:1 of text, 3:1 of plots' inks."""
    page = browser.open(site / TRACK, dark=dark)

    def luminance(name: str) -> float:
        page.value(f"document.body.style.outlineColor = 'var({name})'")
        found = page.value("getComputedStyle(document.body).outlineColor.match(/[0-9.]+/g).map(Number)")
        parts = [part / 255 for part in found[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        light, deep = sorted((luminance(one), luminance(other)), reverse=True)
        return (light + 0.05) / (deep + 0.05)

    assert (luminance("--paper") < 0.1) == dark
    for ink in ("--ink", "--faint", "--accent"):
        assert contrast(ink, "--paper") >= 4.5 and contrast(ink, "--ground") >= 4.5, ink
    assert contrast("--ink", "--mark") >= 4.5 and contrast("--ink", "--bar") >= 4.5
    for ink in [f"--ink-{number}" for number in (1, 2, 3)] + [f"--line-{number}" for number in range(1, 9)]:
        assert contrast(ink, "--paper") >= 3.0, ink
    page.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_whatever_names_hold_is_shown_as_text(browser: Browser, tmp_path: Path, width: int) -> None:
    evil = list(EVIL)
    classes = {"classes": evil, "n": [20 - len(evil) + 1, *[1] * (len(evil) - 1)], "value": [0.5] * len(evil)}
    for number, text in enumerate(evil):
        owner = {"name": text, "plugin": text, "distribution": text, "version": text}
        more: dict[str, Any] = {
            "notes": [text],
            "device": text,
            "initialisation": text,
            "plugins": {"method": owner},
            "per_class": classes,
            "dataset": {"manifest": "feed", "classes": len(evil)},
            "versions": {text: text},
        }
        put(tmp_path / "board", make_record(bits(*range(number)), method=f"m{number}{text}", seed=0, more=more))
    describe = {"backbone": evil[0], "enhancer": evil[1], "head": evil[2], "size": [9, 9]}
    put(tmp_path / "board", make_cost("net18-bilinear", describe=describe, device=f"cuda: {evil[0]}", ms=1.0))
    write_site(tmp_path / "site", build_site(tmp_path / "board", library()).files)
    page = browser.open(tmp_path / "site" / TRACK, width=width)
    page.value("document.querySelectorAll('button.opens').forEach((each) => each.click())")
    page.value(FRAMES)
    told = page.value("document.body.textContent")
    assert sorted(page.value(METHODS)) == sorted(f"m{number}{one_line(text)}" for number, text in enumerate(evil))
    shown = page.value("[...document.querySelectorAll('.classes tbody th')].map((each) => each.textContent)")
    assert shown == [one_line(text) for text in evil]
    for text in evil:
        assert told.count(one_line(text)) > 5, text
    assert page.value("document.querySelectorAll('img, b, iframe, object').length") == 0
    assert page.value("window.hit") is None and page.complaints == []
    assert page.value("[...document.links].every((each) => /^(https?|file):/.test(each.href))")
    assert page.value(NARROW)
    costs = browser.open(tmp_path / "site/costs.html", width=width)
    assert costs.value("document.querySelector('tbody th').textContent") == evil[0]
    assert costs.value("window.hit") is None and costs.complaints == []
    page.close()
    costs.close()
