"""Unusable records and figures are named in one line and left out of the tables; exit code 1."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_records import bits, make_cost, make_record, put

from benchmark_core.cli import main
from benchmark_core.errors import ElrError
from benchmark_core.papers import GROUP
from benchmark_core.papers import collection as papers
from benchmark_core.papers.collection import Library
from benchmark_core.records.checksum import add_checksum
from benchmark_core.records.record import record_name
from benchmark_core.scoring.hits import pack_hits
from benchmark_core.tables import build_tables, write_tables
from benchmark_core.tables.markdown import MARK

NONE = Library({}, {})
PAGE = "tables/acts/split1/average-12x16"


def rows(board: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(build_tables(board, NONE).files[board / f"{PAGE}.csv"])))


def problem(board: Path) -> str:
    (line,) = build_tables(board, NONE).problems
    assert "\n" not in line
    return line


def write(path: Path, record: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(add_checksum({key: value for key, value in record.items() if key != "seal"})))
    return path


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text.replace('"schema": 1', '"schema": 2'), "newer elrbench (schema 2"),
        (lambda text: text.replace('"schema": 1', '"schema": 0'), "its schema is 0, not 1"),
        (lambda text: text.replace('"schema": 1', '"schema": "1"'), "its schema is '1'"),
        (lambda text: text[: len(text) // 2], "not valid JSON"),
        (lambda text: "", "not valid JSON"),
        (lambda text: "[1, 2]", "not a run record"),
        (lambda text: text.replace('"value": 0.5', '"value": NaN'), "NaN"),
        (lambda text: text.replace('"seed": 0', '"seed": "0"'), "'plan.seed' is not an integer"),
        (lambda text: text.replace('"value": 0.5', '"value": 0.75'), "checksum does not match"),
    ],
)
def test_a_spoilt_record_is_named(tmp_path: Path, spoil: Callable[[str], str], message: str) -> None:
    _, bad = put(tmp_path, make_record(method="good"), make_record(method="bad"))
    text = bad.read_text()
    assert spoil(text) != text
    bad.write_text(spoil(text))
    assert message in problem(tmp_path) and problem(tmp_path).startswith(str(bad))
    assert [row["method"] for row in rows(tmp_path)] == ["good"]


def test_two_records_of_one_digest_that_disagree_are_both_left_out(tmp_path: Path) -> None:
    put(tmp_path, make_record(method="good"))
    (path,) = put(tmp_path, make_record(bits(*range(10)), method="twice"))
    other = make_record(bits(*range(19)), method="twice")
    copy = write(path.with_name("copy.json"), other)
    line = problem(tmp_path)
    assert str(path) in line and str(copy) in line
    assert other["digest"] in line and "disagree in scores, per_class, hits" in line.replace("clips, ", "")
    assert [row["method"] for row in rows(tmp_path)] == ["good"]


def test_two_records_of_one_digest_on_two_tracks_disagree(tmp_path: Path) -> None:
    (one,) = put(tmp_path, make_record())
    track = {**make_record()["track"], "degradation": "average-12x16:clean"}
    (two,) = put(tmp_path, make_record(more={"track": track}))
    assert one.parent != two.parent and "disagree in track" in problem(tmp_path)
    assert list(build_tables(tmp_path, NONE).files) == [tmp_path / "tables/README.md"]


def test_a_copy_that_agrees_is_only_misplaced(tmp_path: Path) -> None:
    (path,) = put(tmp_path, make_record())
    path.with_name("copy.json").write_bytes(path.read_bytes())
    assert f"belongs at {path}" in problem(tmp_path)
    assert [row["method"] for row in rows(tmp_path)] == ["mine"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dataset": "others"}, ("'track.dataset'", "'others'", "'acts'")),
        ({"protocol": "split2"}, ("'track.protocol'", "'split2'", "'split1'")),
        ({"protocol": "split1,fold=1,holdout=0.1"}, ("'split1,fold=1,holdout=0.1'", "'split1'")),
        ({"degradation": ".."}, ("track", "'..' cannot be a file name")),
        ({"degradation": "\n"}, ("'track'", "control characters")),
        ({"folds": ["2"]}, ("'plan.fold' is '1'", "'track.folds'")),
        ({"task": "captions"}, ("'track.task'", "'single-label' or 'multi-label'")),
    ],
)
def test_a_record_of_an_unknown_track_is_named(tmp_path: Path, change: dict[str, Any], words: tuple[str, ...]) -> None:
    put(tmp_path, make_record(method="good"))
    bad = make_record(method="bad")
    path = write(tmp_path / "records/acts/split1/average-12x16/bad.json", {**bad, "track": {**bad["track"], **change}})
    assert all(word in problem(tmp_path) for word in (*words, str(path)))
    assert [row["method"] for row in rows(tmp_path)] == ["good"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hits": pack_hits(np.arange(20) < 3)}, ("'hits'", "top1 0.15", "'scores' has 0.5", "run its plan again")),
        (
            {"per_class": {"classes": ["a", "b"], "n": [24, 0], "value": [0.5, None]}},
            ("'per_class.n'", "20 test clips"),
        ),
        (
            {"per_class": {"classes": ["a", "b"], "n": [9, 9], "value": [0.5, None]}},
            ("'per_class.n' does not add up", "'clips.test'"),
        ),
        ({"clips": {"train": 30, "test": 21, "bad": [], "padded": 0}}, ("20 clips", "'clips.test' is 21")),
        ({"clips": {"train": 30, "test": 0, "bad": [], "padded": 0}}, ("'clips.test' is 0",)),
    ],
)
def test_a_record_that_contradicts_itself_is_left_out(
    tmp_path: Path, change: dict[str, Any], words: tuple[str, ...]
) -> None:
    put(tmp_path, make_record(method="good"))
    bad = make_record(np.arange(20) % 2 == 0, method="bad")
    write(tmp_path / f"records/acts/split1/average-12x16/{record_name(bad)}", {**bad, **change})
    assert all(word in problem(tmp_path) for word in words)
    assert [row["method"] for row in rows(tmp_path)] == ["good"]


@pytest.mark.parametrize("edges", [{"low": 0.6}, {"high": 0.4}, {"low": 0.9, "high": 0.2}])
def test_a_score_outside_its_interval_is_left_out(tmp_path: Path, edges: dict[str, float]) -> None:
    put(tmp_path, make_record(method="good"))
    bad = make_record(np.arange(20) % 2 == 0, method="bad")
    scores = {**bad["scores"], "top1": {**bad["scores"]["top1"], **edges}}
    write(tmp_path / f"records/acts/split1/average-12x16/{record_name(bad)}", {**bad, "scores": scores})
    assert "'scores.top1' " in problem(tmp_path) and "interval" in problem(tmp_path)
    assert [row["method"] for row in rows(tmp_path)] == ["good"]


def test_numbers_and_names_that_no_arithmetic_takes(tmp_path: Path) -> None:
    """A file's name that was no UTF-8 is one that a record may hold; a number of 400 digits is none."""
    put(tmp_path, make_record(more={"clips": {"train": 30, "test": 20, "bad": ["clip-\udcff"], "padded": 0}}))
    (path,) = put(tmp_path, make_cost("net18-bilinear"))
    path.write_text(path.read_text().replace("11176512", "9" * 400))
    assert "400 digits" in problem(tmp_path) and len(rows(tmp_path)) == 1


def test_what_was_not_made_from_records_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    mine = tmp_path / "tables" / "results.csv"
    mine.write_text("a,b\n")
    with pytest.raises(ElrError, match="has tables/ but no records/"):
        write_tables(tmp_path, build_tables(tmp_path, NONE))
    assert mine.read_text() == "a,b\n"


def test_a_broken_cost_is_named_and_its_row_shows_a_dash(tmp_path: Path) -> None:
    put(tmp_path, make_record())
    (path,) = put(tmp_path, make_cost("net18-bilinear", params={"total": 1, "backbone": 1, "enhancer": 0, "head": 0}))
    path.write_text(path.read_text().replace('"total": 1', '"total": "1"'))
    assert "'params.total' is not an integer" in problem(tmp_path)
    assert rows(tmp_path)[0]["params"] == ""


def test_costs_of_one_structure_that_disagree_are_left_out(tmp_path: Path) -> None:
    put(tmp_path, make_record())
    put(tmp_path, make_cost("net18-bilinear"), make_cost("net18-bilinear", device="cuda: G", ms=1.0))
    assert rows(tmp_path)[0]["params"] == "11176512"
    put(tmp_path, make_cost("net18-bilinear", device="cuda: H", macs={"view": 1.0, "clip": 4.0, "enhancer": 0.0}))
    line = problem(tmp_path)
    assert "net18-bilinear differs in macs" in line and "cuda: H" in line
    assert rows(tmp_path)[0]["params"] == "" and rows(tmp_path)[0]["mean"] == "0.5"


def test_a_figure_out_of_range_is_named_and_other_papers_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "acmepapers"
    package.mkdir()
    text = (
        "paper: {}\ntitle: t\ncitation: c\ncommon: {{metric: top1}}\ntables: {{t1: {{printed: T1, title: t, "
        "common: {{dataset: acts, protocol: split1, degradation: average-12x16}}, "
        "columns: {{a: {{printed: A}}}}, rows: {{ours: {{printed: Ours, figures: [{}]}}}}}}}}\n"
    )
    (package / "__init__.py").write_text("raise RuntimeError('no code runs')\n")
    (package / "good.yaml").write_text(text.format("good", 41.5))
    (package / "bad.yaml").write_text(text.format("bad", 415))
    monkeypatch.syspath_prepend(str(tmp_path))
    point = EntryPoint(name="acme", value="acmepapers", group=GROUP)
    monkeypatch.setattr(papers, "installed_points", lambda group: [point])
    board = tmp_path / "board"
    put(board, make_record())
    for argv, code in (
        (["leaderboard", "--folder", str(board)], 1),
        (["leaderboard", "--check", "--folder", str(board)], 1),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(argv)
        assert stopped.value.code == code
        out, err = capsys.readouterr()
        told = out + err
        assert "left out: bad.yaml of 'acme'" in told
        assert "row ours, column a: 415 is not a percentage from 0 to 100" in told
    page = (board / f"{PAGE}.md").read_text(encoding="utf-8")
    assert "41.50" in page and "415" not in page and "50.00" in page


def test_tables_of_a_damaged_record_are_named_as_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = put(tmp_path, make_record())
    write_tables(tmp_path, build_tables(tmp_path, NONE))
    path.write_text("{")
    with pytest.raises(SystemExit) as stopped:
        main(["leaderboard", "--folder", str(tmp_path)])
    out, err = capsys.readouterr()
    assert stopped.value.code == 1 and f"removed: {tmp_path / PAGE}.md" in out.splitlines()
    assert "is not valid JSON" in err and "Nothing is measured yet" not in err


def test_every_kind_of_name_is_text_in_every_table(tmp_path: Path) -> None:
    odd = '<script>x</script>|`c`\n# *h* \u202e\u0007"q" $a$ http://e.org www.e.org a@b.org :tada: <!-- -->'
    put(tmp_path, make_record(method="m", weights=odd, more={"notes": [odd]}))
    put(tmp_path, make_record(bits(0), method="=cmd()", weights="+1", more={"notes": ["@x", "-1"]}))
    put(tmp_path, make_cost("net18-bilinear", device=f"cuda: {odd}"[:60], ms=2.0, describe={"backbone": odd}))
    made = build_tables(tmp_path, NONE)
    shown = (
        '&lt;script&gt;x&lt;/script&gt;&#124;&#96;c&#96; # &#42;h&#42;   "q" &#36;a&#36; http&#58;//e.org '
        "www&#46;e.org a&#64;b.org &#58;tada: &lt;!-- --&gt;"
    )
    page = made.files[tmp_path / f"{PAGE}.md"]
    assert page.count(shown) == 2  # as weights and as a note
    assert shown in made.files[tmp_path / "tables/costs.md"]
    for path, text in made.files.items():
        body = text.replace(MARK, "")
        assert "\u202e" not in text and "\u0007" not in text
        if path.suffix == ".md":
            assert "<script" not in text and "<!--" not in body and "\r" not in text
    cells = [cell for row in csv.reader(io.StringIO(made.files[tmp_path / f"{PAGE}.csv"])) for cell in row]
    assert "'=cmd()" in cells and "'+1" in cells and "'@x -1" in cells
    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "@"))]
    gains = [cell for cell in cells if cell.startswith("-")]
    assert all(float(cell) < 0 for cell in gains)  # numbers below nought are numbers
