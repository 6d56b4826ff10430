"""The front page of the site: its date, the leading row of each track, and boards without a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_records import bits, make_record, put
from site_pages import NONE, TRACK, blocks, cells, library

from benchmark_core.cli import main
from benchmark_core.papers.collection import Library
from benchmark_core.tables.track_cells import REPORTED_ONLY


def test_the_front_page_names_the_date_and_the_leading_rows(tmp_path: Path) -> None:
    for method, right in (("best", 18), ("close", 17), ("far", 5)):
        put(tmp_path, make_record(bits(*range(right)), method=method))
    put(tmp_path, make_record(dataset="other", more={"finished": "2026-03-04T05:06:07Z"}))
    leading, index = blocks(tmp_path, "table", "index.html")
    rows = [(row["track"].split(" ")[0], row["method"], row["measured"]) for row in cells(leading)]
    assert rows == [("acts", "best", "90.00"), ("acts", "close", "85.00"), ("other", "mine", "50.00")]
    assert leading["links"] == [TRACK, TRACK, TRACK.replace("acts", "other")] and len(cells(index)) == 2
    first, *others = (row["lead"] for row in cells(leading))
    assert first.startswith("+65.00 (") and first.endswith(" over far")  # 18 - 5 of 20 clips
    assert others == ["-", "-"]
    said = " ".join(blocks(tmp_path, "text", "index.html")[0]["paragraphs"])
    assert "4 runs on 2 tracks" in said and "2026-03-04" in said


def test_the_lead_is_over_a_ranked_row_if_there_is_one(tmp_path: Path) -> None:
    for method, right, seeds in (("best", 18, (0, 1)), ("once", 12, (0,)), ("far", 5, (0, 1))):
        put(tmp_path, *(make_record(bits(*range(right)), method=method, seed=seed) for seed in seeds))
    (row,) = cells(blocks(tmp_path, "table", "index.html")[0])
    assert row["lead"].startswith("+65.00 (") and row["lead"].endswith(" over far")


def test_a_track_without_a_leader_has_no_leading_row(tmp_path: Path) -> None:
    put(tmp_path, make_record(bits(*range(18)), method="once"))
    put(tmp_path, *(make_record(bits(*range(9)), method="twice", seed=seed) for seed in (0, 1)))
    (index,) = blocks(tmp_path, "table", "index.html")
    assert cells(index)[0]["leader"] == "-"


def test_tracks_near_chance_have_a_table_of_their_own(tmp_path: Path) -> None:
    halves = {"per_class": {"classes": ["a", "b"], "n": [10, 10], "value": [0.9, 0.9]}}
    put(tmp_path, make_record(bits(*range(18)), method="good", more=halves))
    put(tmp_path, make_record(bits(*range(11)), method="guess", dataset="hard", more=halves))
    leading, index, chance = blocks(tmp_path, "table", "index.html")
    assert [row["method"] for row in cells(leading)] == ["good"]
    assert [row["leader"] for row in cells(index)] == ["good"] and [row["leader"] for row in cells(chance)] == ["guess"]


@pytest.mark.parametrize(("of", "tables"), [(NONE, []), (library(), [REPORTED_ONLY])])
def test_a_board_without_runs_says_so(tmp_path: Path, of: Library, tables: list[str]) -> None:
    """What papers report is no measurement."""
    front, *_ = blocks(tmp_path, "text", "index.html", of)
    assert front["paragraphs"][1].startswith("Nothing is measured yet")
    made = blocks(tmp_path, "table", "index.html", of)
    assert [block["label"] for block in made] == tables
    assert not any("measured" in row for block in made for row in cells(block))


def test_the_command_says_that_nothing_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["site", "--out", str(tmp_path / "site")], ["leaderboard"]):
        with pytest.raises(SystemExit) as stopped:
            main([*command, "--folder", str(tmp_path)])
        assert not stopped.value.code and capsys.readouterr().err.startswith("Nothing is measured yet")
