"""Tables of the site: their cells are those of the Markdown, and a row opens what its records hold."""

from __future__ import annotations

import html
import json
from pathlib import Path

import pytest
from run_records import make_record, put
from site_pages import TRACK, blocks, cells, full_board, library

from benchmark_core.tables import build_tables
from elrbench_plugins.commands.site.blocks import number_of, table


def markdown_rows(text: str) -> list[dict[str, str]]:
    """Of every table, in order, as a reader sees the cells."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows, header = [], []
    for number, line in enumerate(lines):
        shown = [html.unescape(cell.strip()).replace("\\*", "*") for cell in line.strip("|").split("|")]
        if number + 1 < len(lines) and lines[number + 1].startswith("|:"):
            header = shown
        elif not line.startswith("|:"):
            rows.append(dict(zip(header, shown, strict=True)))
    return rows


def test_cells_are_those_of_the_markdown(tmp_path: Path) -> None:
    full_board(tmp_path)
    shown = [row for block in blocks(tmp_path, "table", of=library()) for row in cells(block)]
    text = build_tables(tmp_path, library()).files[tmp_path / "tables/acts/split1/average-12x16.md"]
    told = markdown_rows(text)
    scores, printed = [row for row in told if "rank" in row], [row for row in told if "reported" in row]
    assert len(scores) == 4 and len(printed) == 1
    assert shown[:4] == scores
    assert shown[4] == {title: cell for title, cell in printed[0].items() if title not in ("notes", "source")}
    what = [row for row in told if "updates" in row]
    titles = blocks(tmp_path, "table")[0]["titles"]
    for row, opened in zip(what, [each for block in blocks(tmp_path, "table") for each in block["opens"]], strict=True):
        shown = dict(zip(titles, opened["cells"], strict=True))
        assert {title: shown[title] for title in row if title != "records"} == {
            title: cell for title, cell in row.items() if title != "records"
        }


def test_index_costs_and_figures_are_those_of_the_markdown(tmp_path: Path) -> None:
    full_board(tmp_path)
    files = build_tables(tmp_path, library()).files
    _, index, printed = blocks(tmp_path, "table", "index.html", library())
    shown = [*cells(index), *cells(printed)]
    for row, told in zip(shown, markdown_rows(files[tmp_path / "tables/README.md"]), strict=True):
        assert told["track"].startswith(f"[{row['track']}](")
        assert {**row, "track": ""} == {title: cell for title, cell in (told | {"track": ""}).items() if title != "CSV"}
    assert index["links"] == [TRACK] and printed["links"] == ["tracks/acts/split1/average-6x8.html"]
    for path in ("costs", "reported"):
        shown = [row for block in blocks(tmp_path, "table", f"{path}.html", library()) for row in cells(block)]
        told_rows = markdown_rows(files[tmp_path / f"tables/{path}.md"])
        assert len(shown) == len(told_rows) > 0
        for row, told in zip(shown, told_rows, strict=True):
            assert {title: cell for title, cell in row.items() if title != "paper"}.items() <= told.items()


def test_measured_and_reported_are_never_in_one_column(tmp_path: Path) -> None:
    full_board(tmp_path)
    measured, oracles, elsewhere, printed = blocks(tmp_path, "table", of=library())
    assert {"41.20"} == {row["reported"] for row in cells(printed)} and cells(printed)[0]["measured"] == "-"
    assert not any("41.20" in row for block in (measured, oracles, elsewhere) for row in block["rows"])
    _, index, printed = blocks(tmp_path, "table", "index.html", library())
    assert [(row["measured"], row["reported"]) for row in cells(index)] == [("62.50", "41.20")]
    assert [row["reported"] for row in cells(printed)] == ["31.20"] and "measured" not in cells(printed)[0]


def test_a_row_opens_its_plan_its_records_and_their_commands(tmp_path: Path) -> None:
    board = tmp_path / "leaderboards"
    full_board(board)
    table_ = blocks(board, "table")[0]
    opened = table_["opens"][0]
    seeds = {path: json.loads(path.read_text())["plan"]["seed"] for path in (board / "records").rglob("mine-a-*.json")}
    records = sorted(seeds, key=lambda path: seeds[path])
    assert [run["command"] for run in opened["runs"]] == [
        f"elrbench rerun leaderboards/records/acts/split1/average-12x16/{path.name}" for path in records
    ]
    assert [(run["seed"], run["fold"], run["digest"]) for run in opened["runs"]] == [
        (seed, "1", path.stem.rpartition("-")[2]) for seed, path in zip("01", records, strict=True)
    ]
    assert opened["runs"][0]["scores"][0] == ["top1", "60.00 (38.7 to 78.1)"]
    assert opened["notes"] == ["a note"]
    plan = {key: (value, marked) for key, value, marked in (table_["pool"][place] for place in opened["plan"])}
    assert plan["method"] == ("mine:a", False) and plan["size"] == ("96x128", False)
    assert plan["method.epochs"] == ("20", True) and plan["enhancer.train"] == ("false", False)
    assert "seed" not in plan and "high_source" not in plan
    facts = dict(table_["pool"][place] for place in opened["facts"])
    assert facts["data"] == "feed" and facts["clips"] == "30 training, 20 test, 0 padded"
    assert facts["stages"] == "student 2 s" and facts["versions"] == "elrbench 0.1.0"


def test_a_command_says_which_files_a_plan_needs(tmp_path: Path) -> None:
    board = tmp_path / "my board"
    settings = {"method.epochs": 1, "enhancer.weights": "file:sr@12"}
    put(board, make_record(weights="file:net@34", settings=settings))
    (run,) = blocks(board, "table")[0]["opens"][0]["runs"]
    assert run["command"].startswith("elrbench rerun 'my board/records/acts/")
    assert run["command"].endswith(".json' --weights FILE --enhancer-weights FILE")


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("41.25 ± 0.30", 41.25),
        ("≥ 1.782", 1.782),
        ("20.0 to 30.5", 20.0),
        ("-0.78 (-5.06 to +3.50)", -0.78),
        ("+0.85 (-0.40 to +2.10)", 0.85),
        ("1.782 per window", 1.782),
        ("2 (+1 incomplete)", 2.0),
        ("1.2e+03", 1200.0),
        ("52.10 ± 0.30 (2 seeds, cstat:mlp+rc)", 52.1),
        ("-", None),
        ("4/10 folds", None),
        ("96x128", None),
        ("4x1", None),
        ("3d", None),
    ],
)
def test_what_a_cell_is_sorted_by(cell: str, number: float | None) -> None:
    assert number_of(cell) == number


def test_a_column_of_numbers_may_lack_some_and_one_of_names_has_none() -> None:
    rows = [{"method": "a", "top1": "41.25", "size": "96x128"}, {"method": "7", "top1": "4/10 folds", "size": "-"}]
    columns = table("t", rows, main=("method",))["columns"]
    assert [column["numbers"] for column in columns] == [None, [41.25, None], None]
