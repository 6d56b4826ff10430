"""Pages of the site as data: a board, figures of a paper, and the blocks and cells of a page."""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

from run_records import bits, make_cost, make_record, put

from benchmark_core.papers.collection import Library
from benchmark_core.papers.reported import read_reported
from elrbench_plugins.commands.site.pages import build_site

TRACK = "tracks/acts/split1/average-12x16.html"
NONE = Library({}, {})
PAPER = """\
paper: afar-2031
title: Actions from Afar
citation: Acme et al.
url: https://example.org/afar
common: {metric: top1, dataset: acts, protocol: split1, degradation: average-12x16}
tables:
  t1:
    printed: Table 1
    title: all
    columns: {net18: {printed: Net-18, backbone: net18}}
    rows:
      ours: {printed: Ours, figures: [41.2]}
      small: {printed: Ours, figures: [31.2], degradation: average-6x8}
"""


def library() -> Library:
    return Library({"afar-2031": read_reported(PAPER, "afar-2031.yaml", "afar-2031")}, {})


def page(board: Path, path: str = TRACK, of: Library = NONE) -> dict[str, Any]:
    """The data of a page."""
    text = build_site(board, of).files[PurePosixPath(path)].decode()
    found = re.search(r'<script type="application/json" id="page">(.*?)</script>', text, flags=re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def blocks(board: Path, kind: str, path: str = TRACK, of: Library = NONE) -> list[dict[str, Any]]:
    return [block for block in page(board, path, of)["blocks"] if block["kind"] == kind]


def cells(block: dict[str, Any]) -> list[dict[str, str]]:
    titles = [column["title"] for column in block["columns"]]
    return [dict(zip(titles, row, strict=True)) for row in block["rows"]]


def full_board(board: Path) -> None:
    """Two seeds of a method and its control, a ceiling, a row with folds missing; a cost on two devices."""
    for seed in (0, 1):
        changed = {"changed": ["method.epochs"], "notes": ["a note"]}
        put(board, make_record(bits(*range(12 + seed)), method="mine:a", seed=seed, more=changed))
        put(board, make_record(bits(*range(4 + seed)), method="plain:b", seed=seed, more={"control": True}))
    put(board, make_record(bits(*range(18)), method="high", more={"privileged": True, "structure": "other"}))
    put(board, make_record(method="elsewhere", more={"dataset": {"manifest": "other", "classes": 2}}))
    put(board, make_cost("net18-bilinear"), make_cost("net18-bilinear", device="cuda: G", ms=1.5))
