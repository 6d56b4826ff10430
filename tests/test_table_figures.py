"""Reported figures in the tables: next to measured scores, never in their column."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from run_records import PLAN, bits, make_record, put

from benchmark_core.names import file_name
from benchmark_core.papers.collection import DataFile, Library, PapersOwner
from benchmark_core.papers.reported import read_reported
from benchmark_core.tables import build_tables
from benchmark_core.tables.markdown import NOT_MEASURED
from benchmark_core.tables.track_cells import REPORTED_ONLY

PAPER = """
paper: acme-2024
title: Actions from Afar
citation: Acme et al., ICCV 2024
url: https://example.org/a(b)
common: {metric: top1}
tables:
  table2:
    printed: Table 2
    title: what each part adds
    common: {dataset: acts, protocol: split1, degradation: average-12x16}
    note: the caption counts three rows
    columns:
      net18: {printed: Net-18, backbone: net18}
      net34: {printed: Net-34, backbone: net34}
    rows:
      alone: {printed: Alone, figures: [40.5, 41]}
      ours: {printed: Ours, figures: [48.25, ~], note: {net18: the text has 48.52}}
      high: {printed: High, ceiling: true, figures: [90.0, ~]}
  table3:
    printed: Table 3
    title: elsewhere
    columns:
      said: {printed: Acts, dataset: acts, protocol: split9, degradation: average-12x16}
      open: {printed: Other acts, dataset: other, degradation: 14x14}
    rows:
      ours: {printed: Ours, figures: [30.0, 20.0]}
systems:
  smith: {printed: Smith's, origin: "Smith, 2031", url: "javascript:alert(1)", datasets: [other], note: won}
"""
AGAIN = """
paper: later-2025
title: Again
citation: Later, 2025
tables:
  table1:
    printed: Table 1
    title: others
    common: {dataset: acts, protocol: split1, degradation: average-12x16, metric: top1, backbone: net18}
    columns: {top1: {printed: Accuracy}}
    rows:
      acme: {printed: Acme (ICCV), system: Ours, origin: "Acme et al., 2024", figures: [48.25]}
"""
SUITE = """
suite: acme-table2
common: {dataset: acts, protocol: split1, degradation: average-12x16, set: {method.w: 1/3}}
rows:
  - {row: ours, figure: acme-2024/table2/ours/net18, method: "acme:b+a", set: {method.x: true}}
  - {row: alone, figure: [acme-2024/table2/alone/net18], run: none}
"""
PAGE = "tables/acts/split1/average-12x16"
SETTINGS = {"method.w": 1 / 3, "method.x": True, "method.epochs": 20}


def library(*papers: str, suite: str = SUITE) -> Library:
    read = [read_reported(text, "a file", text.split("paper: ")[1].split("\n")[0]) for text in papers or (PAPER,)]
    file = DataFile("acme-table2", suite, PapersOwner("acme", "acme", "given", ""))
    return Library({paper.name: paper for paper in read}, {"acme-table2": file})


def texts(board: Path, held: Library | None = None) -> dict[str, str]:
    made = build_tables(board, held or library())
    assert made.problems == ()
    return {path.relative_to(board).as_posix(): text for path, text in made.files.items()}


def figure_rows(page: str) -> list[dict[str, str]]:
    """Rows of the tables of reported figures."""
    lines = page.splitlines()
    out: list[dict[str, str]] = []
    header: list[str] = []
    for number, line in enumerate(lines):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|:"):
            header = [cell.strip() for cell in lines[number - 1].strip("|").split("|")]
        elif line.startswith("|") and not lines[number + 1].startswith("|:") and "reported" in header:
            out.append(dict(zip(header, cells, strict=True)))
    return out


def ours(hits: Any = None, **other: Any) -> dict[str, Any]:
    """A run of the figure's system with the numbers of its paper, unless `other` says otherwise."""
    more = {"changed": ["method.w"], **other.pop("more", {})}
    plan = {"method": "acme:a+b", "budget": "paper", "settings": SETTINGS, **other}
    return make_record(bits(*range(10)) if hits is None else hits, more=more, **plan)


def test_a_figure_beside_what_was_measured_at_the_papers_numbers(tmp_path: Path) -> None:
    put(tmp_path, ours(bits(*range(10))), ours(bits(*range(12)), seed=1), make_record(bits(0)))
    made = texts(tmp_path)
    shown = figure_rows(made[f"{PAGE}.md"])
    assert [(row["system"], row["backbone"], row["reported"]) for row in shown] == [
        ("Ours", "net18", "48.25"),  # best first
        ("Alone", "net34", "41.00"),
        ("Alone", "net18", "40.50"),
        ("High", "net18", "90.00"),  # an oracle, below
    ]
    # 50 and 60 of 100: mean 55, deviation 10 / √2, 55 − 48.25
    assert (shown[0]["measured"], shown[0]["difference"]) == ("55.00 ± 7.07 (2 seeds, acme:a+b)", "+6.75")
    assert {(row["measured"], row["difference"]) for row in shown[1:]} == {("-", "-")}
    assert "### Oracle" in made[f"{PAGE}.md"]
    assert shown[0]["source"] == "[acme-2024](https://example.org/a%28b%29), Table 2, Ours, Net-18"
    assert shown[0]["notes"] == "1, 2" and shown[1]["notes"] == "1"
    assert "1. acme-2024: the caption counts three rows\n2. acme-2024: the text has 48.52\n" in made[f"{PAGE}.md"]


def test_reported_and_measured_share_no_column_and_no_rank(tmp_path: Path) -> None:
    put(tmp_path, ours())
    made = texts(tmp_path)
    measured = list(csv.DictReader(io.StringIO(made[f"{PAGE}.csv"])))
    printed = list(csv.DictReader(io.StringIO(made[f"{PAGE}.reported.csv"])))
    assert [row["mean"] for row in measured] == ["0.5"] and "reported" not in measured[0]
    assert [(row["id"], row["reported"], row["measured"]) for row in printed] == [
        ("acme-2024/table2/ours/net18", "48.25", "50"),
        ("acme-2024/table2/alone/net34", "41", ""),
        ("acme-2024/table2/alone/net18", "40.5", ""),
        ("acme-2024/table2/high/net18", "90", ""),
    ]
    assert "mean" not in printed[0] and printed[0]["difference"] == "1.75"


@pytest.mark.parametrize(
    "other",
    [
        {"budget": "small"},
        {"method": "acme:a"},
        {"backbone": "net34"},
        {"modality": "flow"},
        {"settings": {**SETTINGS, "method.w": 0.5}},
        {"settings": {**SETTINGS, "method.x": False}},
        {"settings": {"method.epochs": 20}},
        {"more": {"changed": ["method.w", "method.epochs"]}},
        {"more": {"changed": ["size"]}},
        {"more": {"changed": ["enhancer"]}},
        {"high_source": "others"},
        {"unlabelled": "videos:pool"},
        {"teacher": "acme@00"},
        {"fold": "1", "folds": ("1", "2")},
    ],
    ids=str,
)
def test_no_difference_from_another_system_or_other_numbers(tmp_path: Path, other: dict[str, Any]) -> None:
    record = ours(**other)
    if "modality" in other:
        assert record["plan"]["modality"] != PLAN["modality"]
    put(tmp_path, record)
    shown = figure_rows(texts(tmp_path)[f"{PAGE}.md"])
    assert {(row["measured"], row["difference"]) for row in shown} == {("-", "-")}


def test_a_suite_that_cannot_be_read_names_no_figure(tmp_path: Path) -> None:
    put(tmp_path, ours())
    for suite in ("rows: [", "rows: 7", "[]", "rows: [{figure: acme-2024/table2/ours/net18}]"):
        assert {row["measured"] for row in figure_rows(texts(tmp_path, library(suite=suite))[f"{PAGE}.md"])} == {"-"}


def test_a_system_measured_with_two_kinds_of_weights_has_two_lines(tmp_path: Path) -> None:
    put(tmp_path, ours(), ours(bits(0), weights="big"))
    shown = [row for row in figure_rows(texts(tmp_path)[f"{PAGE}.md"]) if row["system"] == "Ours"]
    assert sorted(row["difference"] for row in shown) == ["+1.75", "-43.25"]


def test_papers_that_print_the_same_are_one_line_with_both_sources(tmp_path: Path) -> None:
    made = texts(tmp_path, library(PAPER, AGAIN))
    (line,) = [row for row in figure_rows(made[f"{PAGE}.md"]) if row["reported"] == "48.25"]
    assert line["source"].endswith("Net-18; later-2025, Table 1, Acme (ICCV), Accuracy")
    assert "system of Acme et al., 2024" in made[f"{PAGE}.md"]
    assert made[f"{PAGE}.reported.csv"].count("48.25") == 2


def test_a_track_of_figures_alone_has_a_page(tmp_path: Path) -> None:
    made = texts(tmp_path)
    assert "tables/acts/split9/average-12x16.md" in made and "tables/acts/split9/average-12x16.csv" not in made
    page = made["tables/acts/split9/average-12x16.md"]
    assert NOT_MEASURED in page and figure_rows(page)[0]["reported"] == "30.00"
    line = next(line for line in made["tables/README.md"].splitlines() if line.startswith("| [acts · split9"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[1:4] == ["top1", "30.00", "Ours"]
    index = made["tables/README.md"]
    assert "Nothing is measured yet" in index and REPORTED_ONLY in index and "| leader" not in index


def test_the_index_names_the_best_figure_that_is_not_an_oracle(tmp_path: Path) -> None:
    put(tmp_path, make_record(bits(*range(3))))
    lines = texts(tmp_path)["tables/README.md"].splitlines()
    (line,) = [line for line in lines if line.startswith("| [acts · split1")]
    assert [cell.strip() for cell in line.strip("|").split("|")][1:9] == [
        "single-label", "top1", "1", "1", "mine", "15.00", "48.25", "Ours",
    ]  # fmt: skip


def test_what_is_of_no_track_and_systems_without_a_figure_are_shown(tmp_path: Path) -> None:
    made = texts(tmp_path)
    rows = {row["system"]: row for row in figure_rows(made["tables/reported.md"]) if "low views (HxW)" in row}
    assert (rows["Ours"]["reported"], rows["Ours"]["protocol"], rows["Ours"]["low views (HxW)"]) == (
        "20.00",
        "-",
        "14x14",
    )
    assert rows["Smith's"]["reported"] == "-"
    assert rows["Smith's"]["source"] == "Smith, 2031"  # what is no web address is no link
    assert "tables/other" not in " ".join(made)
    every = list(csv.DictReader(io.StringIO(made["tables/reported.csv"])))
    assert len(every) == 7 and every[-1]["reported"] == "" and every[-1]["system"] == "Smith's"
    assert {row["page"] for row in every} == {"acts/split1/average-12x16", "acts/split9/average-12x16", ""}


def test_names_and_notes_of_papers_are_text(tmp_path: Path) -> None:
    odd = "<script>|*b* `c` \u202e=1"
    paper = PAPER.replace("printed: Ours, figures: [48.25", f"printed: '{odd}', figures: [48.25").replace(
        "the text has 48.52", "'see <b> | http://x.y'"
    )
    made = texts(tmp_path, library(paper))
    page = made[f"{PAGE}.md"]
    assert "&lt;script&gt;&#124;&#42;b&#42; &#96;c&#96;  =1" in page and "<script" not in page and "\u202e" not in page
    assert "see &lt;b&gt; &#124; http&#58;//x.y" in page


def test_a_track_that_shares_its_file_with_another_is_named(tmp_path: Path) -> None:
    put(tmp_path, make_record(dataset="acts:b"))
    paper = PAPER.replace("common: {dataset: acts, protocol", "common: {dataset: acts+b, protocol")
    made = build_tables(tmp_path, library(paper))
    assert file_name("acts+b") == file_name("acts:b")
    (problem,) = made.problems
    assert problem.startswith("reported figure acme-2024/table2/alone/net18 ") and "acts:b" in problem
    assert "Reported by papers" not in made.files[tmp_path / "tables/acts-b/split1/average-12x16.md"]


def test_a_figure_of_no_possible_track_is_named(tmp_path: Path) -> None:
    made = build_tables(tmp_path, library(PAPER.replace("protocol: split9", "protocol: '...'")))
    (problem,) = made.problems
    assert "acme-2024/table3/ours/said" in problem and "cannot be a file name" in problem
    assert tmp_path / f"{PAGE}.md" in made.files
