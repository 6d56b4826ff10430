"""Tables as files: stale tables, bad records, imports; comparison of two records."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_tables import PAGE, full_board, rows
from run_records import bits, make_cost, make_record, put

from benchmark_core.errors import ElrError
from benchmark_core.papers.collection import Library
from benchmark_core.records.consistency import check_record
from benchmark_core.tables import build_tables, check_tables, compare, compare_groups, gather, write_tables
from benchmark_core.tables.markdown import MARK


@pytest.fixture(autouse=True)
def no_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed here does not matter; tests/test_table_figures.py has papers."""
    monkeypatch.setattr(gather, "load_library", lambda problems: Library({}, {}))


def test_written_tables_are_not_stale_and_writing_again_writes_nothing(tmp_path: Path) -> None:
    full_board(tmp_path)
    assert len(write_tables(tmp_path)) == 6
    assert check_tables(tmp_path) == [] and write_tables(tmp_path) == []


def test_a_stale_a_missing_and_an_orphaned_file_are_shown_as_a_diff(tmp_path: Path) -> None:
    full_board(tmp_path)
    write_tables(tmp_path)
    page, table, index = tmp_path / f"{PAGE}.md", tmp_path / f"{PAGE}.csv", tmp_path / "tables/README.md"
    page.write_text(page.read_text(encoding="utf-8").replace("62.50 ±", "99.99 ±"), encoding="utf-8")
    table.unlink()
    orphan = tmp_path / "tables/gone.md"
    orphan.write_text(f"{MARK}\nold\n")
    companion, notes, plot = (tmp_path / "tables" / name for name in ("gone.csv", "notes.md", "plot.csv"))
    companion.write_text("old\n")
    notes.write_text("my notes\n")  # of the user
    plot.write_text("1,2\n")
    lines = check_tables(tmp_path)
    assert f"--- {PAGE}.md (on disk)" in lines and f"+++ {PAGE}.md (from the records)" in lines
    assert any(line.startswith("-| 1") and "99.99 ±" in line for line in lines)
    assert any(line.startswith("+| 1") and "62.50 ±" in line for line in lines)
    assert f"--- {PAGE}.csv (missing)" in lines
    assert any(line.startswith("+++ tables/gone.md") for line in lines) and "-old" in lines
    assert set(write_tables(tmp_path)) == {page, table, orphan, companion}
    assert (
        not orphan.exists()
        and not companion.exists()
        and notes.exists()
        and plot.exists()
        and index.is_file()
        and check_tables(tmp_path) == []
    )


def test_line_ends_of_a_checkout_are_not_stale(tmp_path: Path) -> None:
    full_board(tmp_path)
    for path in write_tables(tmp_path):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert check_tables(tmp_path) == []


def test_a_new_record_makes_tables_stale(tmp_path: Path) -> None:
    full_board(tmp_path)
    write_tables(tmp_path)
    put(tmp_path, make_record(bits(0), method="new"))
    assert any(line.startswith("+") and "new" in line for line in check_tables(tmp_path))


def test_bad_records_are_named_and_the_rest_is_written(tmp_path: Path) -> None:
    good, misplaced, newer, cut, forged = put(tmp_path, *(make_record(method=name) for name in "abcde"))
    misplaced.rename(misplaced.with_name("copy.json"))
    newer.write_text(json.dumps({**json.loads(newer.read_text()), "schema": 9}))
    cut.write_text(cut.read_text()[:100])
    forged.write_text(forged.read_text().replace('"value": 0.5', '"value": 0.6'))
    cost = tmp_path / "costs/bad.json"
    put(tmp_path, make_cost("net18-bilinear"))
    cost.write_text("{}")
    made = build_tables(tmp_path)
    assert [row["method"] for row in rows(tmp_path)] == ["a"]
    for path, message in (
        (misplaced.with_name("copy.json"), f"belongs at {misplaced}"),
        (newer, "newer elrbench"),
        (cut, "not valid JSON"),
        (forged, "checksum does not match"),
        (cost, "not a cost record"),
    ):
        (problem,) = [line for line in made.problems if str(path) in line.split(": ")[0] or line.startswith(f"{path} ")]
        assert message in problem and "\n" not in problem
    assert len(made.problems) == 5
    write_tables(tmp_path)
    assert [line for line in check_tables(tmp_path) if not line.startswith("left out: ")] == []
    assert len(check_tables(tmp_path)) == 5


def test_tables_are_made_without_torch_or_a_plugin(tmp_path: Path) -> None:
    full_board(tmp_path)
    code = (
        "import sys; from pathlib import Path; from benchmark_core.tables import check_tables, write_tables\n"
        "folder = Path(sys.argv[1]); write_tables(folder); assert check_tables(folder) == []\n"
        "names = {name.split('.')[0] for name in sys.modules if name != 'elrbench_plugins'}\n"  # the folder of papers
        "names |= {name for name in sys.modules if name.startswith('elrbench_plugins.')}\n"
        "loaded = [name for name in names if name.startswith('elrbench_plugins')]\n"
        "print(sorted(names & {'torch', 'torchmetrics', 'accelerate', 'av', 'fvcore', 'plugins'}), loaded)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == "[] []\n"


def test_five_hundred_records(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    hard = rng.random(200)
    for number in range(100):
        for seed in range(5):
            hits = rng.random(200) < hard * (0.4 + number / 200)
            put(tmp_path, make_record(hits, method=f"m{number:02}", seed=seed, more={"control": number == 0}))
    found = rows(tmp_path)
    assert len(found) == 100 and {row["seeds"] for row in found} == {"5"}
    means = [float(row["mean"]) for row in found]
    assert means == sorted(means, reverse=True)
    ranks = [int(row["rank"]) for row in found]
    assert ranks[0] == 1 and ranks == sorted(ranks) and all(rank <= place for place, rank in enumerate(ranks, 1))
    assert sum(row["gain"] != "" for row in found) == 99


# -- comparing


def records(*plain: dict[str, Any]) -> list[Any]:
    return [check_record(each) for each in plain]


def test_compare_two_records() -> None:
    a, b = records(make_record(bits(*range(12)), seed=1), make_record(bits(*range(4)), method="b"))
    found = compare(a, b)
    assert (found.difference.value, found.difference.n) == (0.4, 20)
    assert found.p == pytest.approx((2 * 0.5**8,))
    assert found.text() == "mine − b: +40.00 points [+20.00, +60.00], n = 20, 1 seed, McNemar p = 0.0078"


def test_groups_pair_by_seed_and_fold() -> None:
    folds = ("1", "2")
    one = [make_record(bits(0, 1), seed=s, fold=f, folds=folds) for s in (0, 1, 5) for f in folds]
    two = [make_record(bits(0), seed=s, fold=f, folds=folds, method="b") for s in (1, 0) for f in folds]
    two.append(make_record(bits(*range(9)), seed=5, fold="1", folds=folds, method="b"))  # a fold short: left out
    found = compare_groups(records(*one), records(*reversed(two)))
    assert found.seeds == (0, 1) and found.difference.n == 40 and len(found.p) == 2
    assert found.difference.value == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"dataset": "b"}, "datasets are acts and b"),
        ({"degradation": "native"}, "degradations are average-12x16 and native"),
        ({"fold": "2", "folds": ("1", "2")}, "folds are 1 and 2"),
        ({"more": {"dataset": {"manifest": "x", "classes": 2}}}, "manifests.* are feed and x"),
        ({"more": {"clips": {"train": 1, "test": 20, "bad": ["c"], "padded": 0}}}, "clips that could not be read"),
    ],
)
def test_records_of_other_clips_do_not_pair(other: dict[str, Any], message: str) -> None:
    with pytest.raises(ElrError, match=message):
        compare(*records(make_record(), make_record(**other)))


def test_multi_label_and_seeds_apart_do_not_pair() -> None:
    score = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9, "interval": "bootstrap95"}
    multi = records(make_record(scores={"f1_macro": score}))
    with pytest.raises(ElrError, match="multi-label and has no per-clip decisions"):
        compare(multi[0], multi[0])
    with pytest.raises(ElrError, match="no seed has the same folds"):
        compare_groups(records(make_record()), records(make_record(seed=1)))
