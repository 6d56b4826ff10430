"""Measure the time to write the site of 2,000 generated records, and to open and sort it in Chromium.

    python benchmarks/site_speed.py

Records are those of leaderboard_speed.py on eight tracks, and as many of one track and one seed, whose page has one row
for each record. Times are measured in the page by performance.now: from the start of navigation to the next frame after
drawing, and from a click on a heading to the next frame. Each time is the median of three. Exit code 1 if a page takes
a second or more to open or to sort; the script stops if a page requests anything that is not a file of the site.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

import leaderboard_speed as generator  # noqa: E402
from browser import Browser, find_browser  # noqa: E402

from benchmark_core.papers.collection import Library  # noqa: E402
from benchmark_core.records.cost_record import cost_name  # noqa: E402
from benchmark_core.records.files import COSTS, RECORDS, track_path  # noqa: E402
from benchmark_core.records.record import record_name  # noqa: E402
from elrbench_plugins.commands.site.folder import write_site  # noqa: E402
from elrbench_plugins.commands.site.pages import build_site  # noqa: E402

SIZE = 2_000
SECONDS = 1.0
TIMES = 3
FRAME = "new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"
SORT = f"""(() => {{
  const heading = [...document.querySelectorAll("thead button")].find((each) => each.textContent === "WHICH");
  const began = performance.now();
  heading.click();
  return {FRAME}.then((ended) => ended - began);
}})()"""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=SIZE, help="number of records")
    parser.add_argument("--keep", type=Path, help="empty folder for records and sites, instead of a temporary one")
    asked = parser.parse_args(argv)
    if find_browser() is None:
        print("there is no Chromium on the PATH")
        return 1
    slow = False
    with tempfile.TemporaryDirectory() as passing:
        folder = asked.keep or Path(passing)
        generator.write_board(folder / "eight" / "leaderboards", asked.size)
        write_one_track(folder / "one" / "leaderboards", asked.size)
        with Browser() as browser:
            for name, pages in (("eight", ("index", "tracks/acts/3splits/average-12x16")), ("one", (WIDE,))):
                began = time.process_time()
                site = build_site(folder / name / "leaderboards", Library({}, {}))
                write_site(folder / name / "site", site.files)
                size = sum(map(len, site.files.values())) / 2**20
                seconds = time.process_time() - began
                print(f"{asked.size} records, tracks: {name}; written in {seconds:.2f} s, {size:.1f} MB")
                for page in pages:
                    slow |= measure(browser, folder / name / "site" / f"{page}.html")
    return int(slow)


def measure(browser: Browser, path: Path) -> bool:
    """Print the times of a page and return whether they are too long."""
    opened, sorted_ = [], []
    for _ in range(TIMES):
        page = browser.open(path)
        opened.append(page.value(FRAME) / 1000)
        rows = page.value("document.querySelectorAll('table tbody tr').length")
        which = "rows" if path.stem == "index" else "top1"
        sorted_.append(page.value(SORT.replace("WHICH", which)) / 1000)
        strange = [url for url in page.requests if not url.startswith(("file:", "data:"))] + page.complaints
        assert not strange, strange
        page.close()
    open_s, sort_s = statistics.median(opened), statistics.median(sorted_)
    print(f"  {path.name}: {rows} rows drawn, opens in {open_s:.2f} s, sorts in {sort_s:.3f} s")
    return open_s >= SECONDS or sort_s >= SECONDS


WIDE = "tracks/feed/split1/average-12x16"


def write_one_track(board: Path, size: int) -> None:
    """Write `size` records of one track, each its own row."""
    for record in one_track(np.random.default_rng(0), size):
        generator._write(board / RECORDS / track_path(record["track"]) / record_name(record), record)
    for number in range(8):
        cost = generator.cost_of(f"net{number}-bilinear-mean-logits-96x128", number)
        generator._write(board / COSTS / cost_name(cost), cost)


def one_track(rng: np.random.Generator, size: int) -> Iterator[dict[str, Any]]:
    track = ("feed", "split1", ("1",), "average-12x16")
    for number in range(size):
        hits = rng.random(200) < 0.4 + 0.3 * rng.random()
        yield generator.record_of(track, "1", 0, number, False, hits, rng)


if __name__ == "__main__":
    sys.exit(main())
