"""Tables of records in a folder, as tests read them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from run_records import bits, make_cost, make_record, put

from benchmark_core.tables import build_tables

PAGE = "tables/acts/split1/average-12x16"
CONTROL = {"control": True}


def texts(board: Path) -> dict[str, str]:
    """Path -> text."""
    return {path.relative_to(board).as_posix(): text for path, text in build_tables(board).files.items()}


def rows(board: Path, page: str = PAGE) -> list[dict[str, str]]:
    """The CSV's rows."""
    return list(csv.DictReader(io.StringIO(texts(board)[f"{page}.csv"])))


def grid(board: Path, page: str = PAGE) -> list[dict[str, str]]:
    """The Markdown's rows of scores, parts one after the other, each with what the last table says of it."""
    lines = [line for line in texts(board)[f"{page}.md"].splitlines() if line.startswith("|")]
    out: dict[str, dict[str, str]] = {}
    header: list[str] = []
    for number, line in enumerate(lines):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if number + 1 < len(lines) and lines[number + 1].startswith("|:"):
            header = cells
        elif not line.startswith("|:"):
            row = dict(zip(header, cells, strict=True))
            out[row["#"]] = {**row, **out.get(row["#"], {})}
    return list(out.values())


def full_board(board: Path) -> None:
    """Two seeds of a method and its control, one of a ceiling, a row with folds missing; costs on two devices."""
    for seed in (0, 1):
        changed = {"changed": ["method.epochs"]}
        put(board, make_record(bits(*range(12 + seed)), method="mine:a", seed=seed, more=changed))
        put(board, make_record(bits(*range(4 + seed)), method="plain:b", seed=seed, more=CONTROL))
    put(board, make_record(bits(*range(18)), method="high", more={"privileged": True, "structure": "other"}))
    put(board, make_cost("net18-bilinear"), make_cost("net18-bilinear", device="cuda: G", ms=1.5))
