"""Files of the site: cells, row details, front page, Pareto fronts, curves, and escaping."""

from __future__ import annotations

import hashlib
import html
import json
import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from run_records import bits, make_cost, make_record, put, put_scored

from benchmark_core.cli import main
from benchmark_core.papers import collection as papers
from benchmark_core.papers.collection import Library
from benchmark_core.papers.reported import read_reported
from benchmark_core.tables import build_tables
from benchmark_core.tables.rows import group_rows
from benchmark_core.tables.track_cells import REPORTED_ONLY
from elrbench_plugins import pages
from elrbench_plugins.commands.site.blocks import number_of, table
from elrbench_plugins.commands.site.classes import class_scores, clips_by_class
from elrbench_plugins.commands.site.curves import size_of
from elrbench_plugins.commands.site.front import front
from elrbench_plugins.commands.site.pages import build_site
from elrbench_plugins.pages.bundle import libraries, licences
from elrbench_plugins.pages.html import data_script

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


def full_board(board: Path) -> None:
    """Two seeds of a method and its control, a ceiling, a row with folds missing; a cost on two devices."""
    for seed in (0, 1):
        changed = {"changed": ["method.epochs"], "notes": ["a note"]}
        put(board, make_record(bits(*range(12 + seed)), method="mine:a", seed=seed, more=changed))
        put(board, make_record(bits(*range(4 + seed)), method="plain:b", seed=seed, more={"control": True}))
    put(board, make_record(bits(*range(18)), method="high", more={"privileged": True, "structure": "other"}))
    put(board, make_record(method="elsewhere", more={"dataset": {"manifest": "other", "classes": 2}}))
    put(board, make_cost("net18-bilinear"), make_cost("net18-bilinear", device="cuda: G", ms=1.5))


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


def test_a_front_holds_what_nothing_beats_at_its_cost() -> None:
    points = [(1.0, 50.0, 1), (2.0, 49.0, 2), (2.0, 60.0, 3), (3.0, 60.0, 4), (4.0, 70.0, 5), (1.0, 45.0, 6)]
    assert front([*points, (4.0, 70.0, 7)]) == [1, 3, 5]
    assert front([]) == []


def test_the_plot_leaves_out_what_cannot_be_compared(tmp_path: Path) -> None:
    put(tmp_path, make_record(bits(*range(12)), method="cheap"))
    put(tmp_path, make_record(bits(*range(14)), method="bound", more={"structure": "b"}))
    put(tmp_path, make_record(bits(*range(19)), method="seer", more={"privileged": True}))
    put(tmp_path, make_record(bits(*range(15)), method="long", sampling="windows-16"))
    put(tmp_path, make_record(bits(*range(13)), method="unknown", more={"structure": "c"}))
    put(tmp_path, make_cost("net18-bilinear"), make_cost("b", understated=["aten::x"]))
    (block,) = blocks(tmp_path, "front")
    assert {point["name"].split(",")[0]: point["part"] for point in block["points"]} == {
        "cheap": "ranked",
        "bound": "lower bound",
        "seer": "oracle",
    }
    (number,) = block["front"]
    (cheap,) = (point for point in block["points"] if point["number"] == number)
    assert cheap["name"] == "cheap, net18, small" and (cheap["macs"], cheap["score"]) == (0.6, 60.0)
    said = " ".join(paragraph for each in blocks(tmp_path, "text") for paragraph in each["paragraphs"])
    assert "2 scored rows" in said


def test_scores_by_class_pool_folds_and_average_seeds(tmp_path: Path) -> None:
    def record(fold: str, seed: int, n: list[int], value: list[float | None]) -> dict[str, Any]:
        per_class = {"classes": ["a", "b", "c"], "n": n, "value": value}
        more = {"per_class": per_class, "dataset": {"manifest": "feed", "classes": 3}}
        return make_record(folds=("1", "2"), fold=fold, seed=seed, more=more)

    records = [record("1", 0, [10, 4, 0], [0.5, 0.25, None]), record("2", 0, [30, 0, 0], [0.9, None, None])]
    records += [record("1", 1, [10, 4, 0], [0.7, 0.75, None]), record("2", 1, [30, 0, 0], [0.5, None, None])]
    records += [record("1", 2, [10, 4, 0], [0.0, 0.0, None])]  # its other fold is missing: not scored
    (row,) = group_rows(records)
    assert class_scores(row) == [pytest.approx((5 + 27 + 7 + 15) / 80), pytest.approx(0.5), None]
    assert clips_by_class(row) == [40, 4, 0]


def test_f1_by_class_is_the_mean_over_seeds(tmp_path: Path) -> None:
    targets = np.array([[1, 0], [1, 1], [0, 0]], dtype=float)
    for seed, logits in ((0, [[9, -9], [9, 9], [-9, -9]]), (1, [[9, -9], [-9, 9], [-9, -9]])):
        put_scored(tmp_path, targets, np.array(logits, dtype=float), classes="xy", seed=seed)
    (block,) = blocks(tmp_path, "classes")
    assert block["classes"] == [{"names": ["x", "y"], "n": [2, 1]}] and block["rows"][0]["classes"] == 0
    assert block["rows"][0]["values"] == [pytest.approx(100 * (1 + 2 / 3) / 2, abs=1e-4), 100.0]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("average-12x16", ((12, 16), "average-HxW")),
        ("average-6x8:clean", ((6, 8), "average-HxW:clean")),
        ("14x14-centre112", ((14, 14), "HxW-centre112")),
        ("native", (None, "native")),
    ],
)
def test_sizes_of_low_views(name: str, found: object) -> None:
    assert size_of(name) == found


def test_curves_join_one_system_over_sizes(tmp_path: Path) -> None:
    for degradation, right in (("average-6x8", 5), ("average-12x16", 10), ("average-24x32", 15)):
        put(tmp_path, make_record(bits(*range(right)), degradation=degradation))
    put(tmp_path, make_record(bits(1), degradation="average-6x8", method="once"))
    put(tmp_path, make_record(bits(1), degradation="average-6x8", method="mine", size=[48, 64]))
    measured, printed = blocks(tmp_path, "curves", "resolutions.html", library())
    (line,) = measured["series"]
    assert line["name"] == "mine, net18, bilinear, small"
    assert [(point["size"], point["pixels"], point["value"]) for point in line["points"]] == [
        ("6x8", 48, 25.0),
        ("12x16", 192, 50.0),
        ("24x32", 768, 75.0),
    ]
    (line,) = printed["series"]
    assert [(point["size"], point["value"]) for point in line["points"]] == [("6x8", 31.2), ("12x16", 41.2)]
    assert "low" not in line["points"][0] and line["name"] == "Ours, net18, afar-2031, Table 1"


def test_one_size_makes_no_page_of_resolutions(tmp_path: Path) -> None:
    put(tmp_path, make_record())
    files = build_site(tmp_path, NONE).files
    assert PurePosixPath("resolutions.html") not in files and PurePosixPath("costs.html") not in files
    assert [link["url"] for link in page(tmp_path)["links"]] == ["../../../index.html"]


def test_equal_records_make_equal_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one" / "board", tmp_path / "other" / "board"
    full_board(one)
    for path in sorted((path for path in one.rglob("*.json")), reverse=True):
        copy = other / path.relative_to(one)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    assert build_site(one, library()).files == build_site(other, library()).files


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


def test_names_reach_a_page_as_data_alone(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><!-- \u202egnp"
    put(tmp_path, make_record(more={"notes": [evil], "device": evil, "initialisation": evil}))
    for path, content in build_site(tmp_path, NONE).files.items():
        if path.suffix == ".html":
            text = content.decode()
            assert "alert(1)</script>" not in text and "<!--" not in text and "\u202e" not in text
            assert text.count("<script") == text.count("</script>") == 1 + len(re.findall(r"<script src=", text))
    (note,) = blocks(tmp_path, "table")[0]["opens"][0]["notes"]
    assert note == evil.replace("\u202e", " ")


def test_data_is_read_back_and_ends_no_element() -> None:
    value = {"a": ["</script>\"'&<!--", 1.5, None, "שלום"]}
    text = data_script("k", value)
    assert text.count("<") == 2 and json.loads(re.sub(r"</?script.*?>", "", text)) == value
    with pytest.raises(ValueError, match="JSON"):
        data_script("k", float("nan"))


def test_bundled_libraries_are_as_they_were_published() -> None:
    folder = Path(pages.__file__).parent / "bundled"
    told = {"libraries.yaml"}
    for each in libraries():
        assert hashlib.sha256(each.content()).hexdigest() == each.sha256, each.file
        assert (folder / each.file).read_bytes() == each.content()
        assert re.fullmatch(r"\d+\.\d+\.\d+", each.version) and each.licence in ("MIT", "ISC")
        assert "Permission" in each.licence_text() and each.licence_text() in licences() and each.why
        told |= {each.file, each.text}
    assert {path.name for path in folder.iterdir()} == told


def test_pages_ask_for_files_beside_them_alone(tmp_path: Path) -> None:
    full_board(tmp_path)
    files = build_site(tmp_path, library()).files
    for path, content in files.items():
        if path.suffix == ".html":
            asked = re.findall(r'(?:src|href)="([^"]*)"', content.decode())
            assert len(asked) > 5
            for url in asked:
                parts = [part for part in url.split("/") if part != ".."]
                up = url.count("..") == len(path.parts) - 1
                assert url == "data:," or (up and PurePosixPath(*parts) in files), url


def test_it_needs_no_torch(tmp_path: Path) -> None:
    full_board(tmp_path / "board")
    code = """
import sys
from benchmark_core.cli import main
sys.argv = ["elrbench", "site", "--folder", sys.argv[1], "--out", sys.argv[2]]
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
assert not {"torch", "av", "fvcore"} & set(sys.modules)
"""
    argv = [sys.executable, "-c", code, str(tmp_path / "board"), str(tmp_path / "site")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site/index.html").is_file()


def test_what_is_left_out_is_named_and_the_rest_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(papers, "installed_points", lambda group: list[EntryPoint]())
    put(tmp_path / "board", make_record(method="good"))
    (bad,) = put(tmp_path / "board", make_record(method="bad"))
    bad.write_text(bad.read_text()[:100])
    argv = ["site", "--folder", str(tmp_path / "board"), "--out", str(tmp_path / "site")]
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    assert stopped.value.code == 1
    out, err = capsys.readouterr()
    assert out == f"{tmp_path / 'site/index.html'}: 2 pages\n" and err.count("\n") == 1 and str(bad) in err
    with pytest.raises(SystemExit) as stopped:
        main([*argv, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert stopped.value.code == 1 and told["pages"] == 2 and len(told["left_out"]) == 1
    assert not (tmp_path / "board/tables").exists()
