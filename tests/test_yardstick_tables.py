"""Tables mark the learned rows that do not exceed the best yardstick of their track; other tracks have no mark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_tables import CONTROL, PAGE, full_board, grid, rows, texts
from run_records import bits, make_record, put
from site_pages import NONE, TRACK, page

from benchmark_core.errors import ElrError
from benchmark_core.papers.collection import Library
from benchmark_core.records.consistency import check_record
from benchmark_core.tables import gather
from benchmark_core.tables.yardsticks import MARK
from elrbench_plugins.commands.site.blocks import number_of

SIMPLE = {"yardstick": True}


@pytest.fixture(autouse=True)
def no_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "load_library", lambda problems: Library({}, {}))


def board(folder: Path) -> None:
    """Of 20 clips: yardsticks 8 and 12; learned rows 14, 12, 9 (a control); oracles 16 (a yardstick) and 11."""
    hits: dict[str, tuple[int, dict[str, Any]]] = {
        "better": (14, {}),
        "equal": (12, {}),
        "control": (9, CONTROL),
        "simple:good": (12, SIMPLE),
        "simple": (8, SIMPLE),
        "simple:high": (16, {**SIMPLE, "privileged": True}),
        "teacher": (11, {"privileged": True}),
    }
    for method, (number, more) in hits.items():
        put(folder, make_record(bits(*range(number)), method=method, more=more))


def test_rows_that_do_not_exceed_the_best_yardstick_are_marked(tmp_path: Path) -> None:
    board(tmp_path)
    found = {row["method"]: row["top1"] for row in grid(tmp_path)}
    assert {name for name, score in found.items() if MARK in score} == {"equal", "control (control)"}
    assert found["equal"] == f"60.00 {MARK}"
    assert {"simple:good (yardstick)", "simple (yardstick)", "simple:high (yardstick)"} < found.keys()
    shown = texts(tmp_path)[f"{PAGE}.md"]
    (line,) = (line for line in shown.splitlines() if line.startswith(MARK))
    assert "simple:good (60.00)" in line.replace("&#58;", ":")
    assert shown.index(line) < shown.index("## Oracle")


def test_the_csv_says_which_rows_exceed_it(tmp_path: Path) -> None:
    board(tmp_path)
    found = {row["method"].partition(" ")[0]: (row["yardstick"], row["exceeds_yardstick"]) for row in rows(tmp_path)}
    assert found == {
        "better": ("False", "True"),
        "equal": ("False", "False"),
        "control": ("False", "False"),
        "simple:good": ("True", ""),
        "simple": ("True", ""),
        "simple:high": ("True", ""),
        "teacher": ("False", ""),
    }
    assert {row["best_yardstick"] for row in rows(tmp_path)} == {"simple:good"}


def test_if_all_rows_exceed_it_the_page_says_so(tmp_path: Path) -> None:
    put(tmp_path, make_record(bits(*range(9)), method="mine"), make_record(bits(1), method="simple", more=SIMPLE))
    shown = texts(tmp_path)[f"{PAGE}.md"]
    assert MARK not in shown and "All learned rows" in shown


def test_a_track_of_yardsticks_alone_says_that_no_learned_row_has_a_score(tmp_path: Path) -> None:
    put(tmp_path, make_record(bits(1), method="simple", more=SIMPLE))
    shown = texts(tmp_path)[f"{PAGE}.md"]
    assert "No learned row has a score" in shown and "All learned rows" not in shown


def test_an_incomplete_yardstick_marks_nothing(tmp_path: Path) -> None:
    folds = ("1", "2")
    put(tmp_path, *(make_record(bits(1), method="mine", folds=folds, fold=fold) for fold in folds))
    put(tmp_path, make_record(bits(*range(9)), method="simple", folds=folds, fold="1", more=SIMPLE))
    shown = texts(tmp_path)[f"{PAGE}.md"]
    assert MARK not in shown and "best yardstick" not in shown and "simple (yardstick)" in shown


def test_a_track_without_a_yardstick_has_neither_mark_nor_column(tmp_path: Path) -> None:
    full_board(tmp_path)
    assert "yardstick" not in "".join(texts(tmp_path).values())


def test_the_site_has_the_mark_and_its_meaning(tmp_path: Path) -> None:
    board(tmp_path)
    blocks = page(tmp_path, TRACK, NONE)["blocks"]
    scores = next(block for block in blocks if block["kind"] == "table")
    titles = [column["title"] for column in scores["columns"]]
    cells = {row[titles.index("method")]: row[titles.index("top1")] for row in scores["rows"]}
    assert cells["equal"] == f"60.00 {MARK}" and cells["better"] == "70.00"
    assert number_of(cells["equal"]) == 60  # rows can be sorted
    assert "best yardstick of this track, simple:good" in str(blocks)


def test_a_record_with_a_wrong_field_is_refused() -> None:
    with pytest.raises(ElrError, match="yardstick"):
        check_record(make_record(bits(1), more={"yardstick": "yes"}))
