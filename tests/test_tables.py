"""Tables from records alone: literal pages, ranks, folds, controls, stale files, bad records."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_records import bits, make_cost, make_record, put

from benchmark_core.errors import ElrError
from benchmark_core.papers.collection import Library
from benchmark_core.records.record import check_record
from benchmark_core.scoring.statistics import paired_bootstrap, wilson
from benchmark_core.tables import build_tables, check_tables, compare, compare_groups, gather, write_tables

PAGE = "tables/acts/split1/average-12x16"
CONTROL = {"control": True}


@pytest.fixture(autouse=True)
def no_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed here does not matter; tests/test_printed.py has papers."""
    monkeypatch.setattr(gather, "load_library", lambda problems: Library({}, {}))


def texts(board: Path) -> dict[str, str]:
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


EXPECTED_PAGE = """\
<!-- written by 'elrbench leaderboard' from the records; edit those, not this -->

# acts · split1 · average-12x16

single-label, 1 fold, 2 classes, data `feed`.

| # | rank | method | backbone | enhancer | budget | top1 | seeds | 95 % (Wilson) | top5 | matched | Δ matched | params (M) | MACs/clip (G) | enhancer, % of MACs | latency (ms), cuda: G |
|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|
| 1 | 1 | mine:a | net18 | bilinear | small\\* | 62.50 ± 3.54 | 2 | 40.9 to 80.0 | 100.00 | 22.50 ± 3.54 | +40.00 (+20.00 to +60.00) | 11.18 | 0.6 | 0 | 1.5 |
| 2 | 2 | plain:b (control) | net18 | bilinear | small | 22.50 ± 3.54 | 2 | 9.6 to 44.3 | 100.00 | - | - | 11.18 | 0.6 | 0 | 1.5 |

## Ceilings (privileged: scored on high views)

| # | rank | method | backbone | enhancer | budget | top1 | seeds | 95 % (Wilson) | top5 | matched | Δ matched | params (M) | MACs/clip (G) | enhancer, % of MACs | latency (ms), cuda: G |
|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|
| 3 | - | high | net18 | bilinear | small | 90.00 | 1 | 69.9 to 97.2 | 100.00 | - | - | - | - | - | - |

Scores in %: mean ± sample standard deviation over seeds. The 95 % interval is over test clips: Wilson's for shares
of clips, bootstrap for F1. *Matched*: the control of the same budget, partners and numbers of epochs; *Δ matched*: the
paired difference from it, in points, on the same seeds and clips, with its 95 % bootstrap interval. A row shares the
rank of the one above where the paired interval of the two holds zero. `k/n folds`: not ranked until all folds are in.
\\*: numbers that are not the budget's, named in the last table. MACs: multiply-adds; `≥` where an operator could not be
counted. `-`: not measured, or nothing to pair with; it enters no mean.

## What the rows are

| # | method | size | sampling | precision | budget | init | updates | plugins | records |
|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|
| 1 | mine:a | 96x128 | 4x1 | fp32 | small; method.epochs=20 | scratch | student 40 | p (elrbench 0.1.0) | [cb979ae2](../../../records/acts/split1/average-12x16/mine-a-cb979ae20ad69a55.json) [b64ac8ef](../../../records/acts/split1/average-12x16/mine-a-b64ac8efdc5261cf.json) |
| 2 | plain:b (control) | 96x128 | 4x1 | fp32 | small | scratch | student 40 | p (elrbench 0.1.0) | [0ab668cd](../../../records/acts/split1/average-12x16/plain-b-0ab668cdba3f181b.json) [56c9e760](../../../records/acts/split1/average-12x16/plain-b-56c9e7609b873df2.json) |
| 3 | high | 96x128 | 4x1 | fp32 | small | scratch | student 40 | p (elrbench 0.1.0) | [a16bb432](../../../records/acts/split1/average-12x16/high-a16bb432785ee57f.json) |
"""  # noqa: E501

EXPECTED_INDEX = """\
<!-- written by 'elrbench leaderboard' from the records; edit those, not this -->

# Tracks

One table a track: dataset, protocol, degradation. Scores in %.

| track | task | score | rows | records | leads | measured | reported | by | CSV |
|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|
| [acts · split1 · average-12x16](acts/split1/average-12x16.md) | single-label | top1 | 3 | 5 | mine:a | 62.50 | - | - | [CSV](acts/split1/average-12x16.csv) |

- [What networks cost](costs.md)
"""  # noqa: E501

EXPECTED_CSV = """\
part,rank,method,backbone,enhancer,size,sampling,precision,budget,init,control,primary,mean,std,low95,high95,interval,seeds,folds,of_folds,top5,gain,gain_low95,gain_high95,gain_over,matched_mean,matched_std,matched_seeds,params,params_backbone,params_enhancer,params_head,macs_view,macs_clip,macs_enhancer_share,macs_lower_bound,latency_ms cuda: G,updates,plugins,notes,data,digests
ranked,1,mine:a,net18,bilinear,96x128,4x1,fp32,small; method.epochs=20,scratch,False,top1,0.625,0.0353553,0.40949,0.800229,wilson95,2,1,1,1,0.4,0.2,0.6,plain:b,0.225,0.0353553,2,11176512,11170000,0,6512,1.5e+08,6e+08,0,False,1.5,student 40,p (elrbench 0.1.0),,feed,cb979ae20ad69a55 b64ac8efdc5261cf
ranked,2,plain:b (control),net18,bilinear,96x128,4x1,fp32,small,scratch,True,top1,0.225,0.0353553,0.0959326,0.442686,wilson95,2,1,1,1,,,,,,,,11176512,11170000,0,6512,1.5e+08,6e+08,0,False,1.5,student 40,p (elrbench 0.1.0),,feed,0ab668cdba3f181b 56c9e7609b873df2
ceiling,,high,net18,bilinear,96x128,4x1,fp32,small,scratch,False,top1,0.9,,0.698966,0.972134,wilson95,1,1,1,1,,,,,,,,,,,,,,,,,student 40,p (elrbench 0.1.0),,feed,a16bb432785ee57f
"""  # noqa: E501


def squeezed(text: str) -> str:
    """Without the spaces and dashes that align columns."""
    lines = []
    for line in text.splitlines():
        if line.startswith("|:"):
            line = "|" + "|".join(":--" for _ in line.strip("|").split("|")) + "|"
        elif line.startswith("|"):
            line = "| " + " | ".join(cell.strip() for cell in line.strip("|").split("|")) + " |"
        lines.append(line)
    return "\n".join(lines) + "\n"


def test_the_whole_of_a_page_its_csv_and_the_index(tmp_path: Path) -> None:
    full_board(tmp_path)
    made = texts(tmp_path)
    costs = ["tables/costs.md", "tables/costs.csv", "tables/latency.csv"]
    assert list(made) == ["tables/README.md", f"{PAGE}.md", f"{PAGE}.csv", *costs]
    assert squeezed(made[f"{PAGE}.md"]) == EXPECTED_PAGE
    assert made[f"{PAGE}.csv"] == EXPECTED_CSV
    assert squeezed(made["tables/README.md"]) == EXPECTED_INDEX
    assert build_tables(tmp_path).problems == ()


def test_links_lead_to_records(tmp_path: Path) -> None:
    (path,) = put(tmp_path, make_record(degradation="average-12x16,sigma=4.0"))
    write_tables(tmp_path)
    page = tmp_path / "tables/acts/split1/average-12x16,sigma=4.0.md"
    (cell,) = [row["records"] for row in grid(tmp_path, page.relative_to(tmp_path).with_suffix("").as_posix())]
    target = cell.partition("](")[2].rstrip(")").replace("%28", "(").replace("%2C", ",").replace("%3D", "=")
    assert (page.parent / target).resolve() == path


def test_no_records_make_an_index_that_says_so(tmp_path: Path) -> None:
    assert list(texts(tmp_path)) == ["tables/README.md"]
    assert "No records yet." in texts(tmp_path)["tables/README.md"]
    with pytest.raises(ElrError, match="there is no folder"):
        build_tables(tmp_path / "absent")


# -- what makes a row


def test_seeds_are_one_row_and_budgets_are_not(tmp_path: Path) -> None:
    put(tmp_path, *(make_record(bits(*range(k)), seed=k) for k in (8, 10, 12)))
    put(tmp_path, make_record(bits(*range(2)), budget="paper"))
    found = rows(tmp_path)
    assert [(row["budget"], row["seeds"], row["mean"], row["std"]) for row in found] == [
        ("small", "3", "0.5", "0.1"),
        ("paper", "1", "0.1", ""),
    ]
    low, high = wilson(0.5, 20)  # 20 clips, not 60: seeds add none
    assert (float(found[0]["low95"]), float(found[0]["high95"])) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize("field", ["weights", "size", "settings", "precision"])
def test_any_number_of_the_plan_parts_rows(tmp_path: Path, field: str) -> None:
    other = {"weights": "big", "size": [64, 64], "settings": {"method.epochs": 1}, "precision": "bf16"}[field]
    put(tmp_path, make_record(), make_record(**{field: other}))
    assert len(rows(tmp_path)) == 2


def test_folds_are_averaged_inside_a_seed(tmp_path: Path) -> None:
    folds = ("1", "2")
    put(tmp_path, make_record(bits(0, 1, n=4), fold="1", folds=folds))
    put(tmp_path, make_record(bits(0, n=20), fold="2", folds=folds))
    put(tmp_path, make_record(bits(0, 1, 2, n=4), fold="1", folds=folds, seed=1))
    put(tmp_path, make_record(bits(0, n=20), fold="2", folds=folds, seed=1))
    (row,) = rows(tmp_path)
    assert float(row["mean"]) == pytest.approx(((0.5 + 0.05) / 2 + (0.75 + 0.05) / 2) / 2)
    assert float(row["std"]) == pytest.approx(0.125 / 2**0.5, abs=1e-6)
    assert float(row["low95"]) == pytest.approx(wilson(0.3375, 24)[0], abs=1e-6)


def test_pooled_folds_weigh_by_their_clips(tmp_path: Path) -> None:
    folds = ["1", "2"]
    for fold, hits in (("1", bits(0, 1, n=4)), ("2", bits(0, n=20))):
        track = {**make_record()["track"], "folds": folds, "pooled": True}
        put(tmp_path, make_record(hits, fold=fold, more={"track": track}))
    assert float(rows(tmp_path)[0]["mean"]) == pytest.approx(3 / 24)


def test_a_row_with_folds_missing_is_shown_last_and_not_ranked(tmp_path: Path) -> None:
    folds = tuple(map(str, range(10)))
    for seed, fold in ((0, "0"), (0, "1"), (1, "7")):
        put(tmp_path, make_record(bits(*range(19)), fold=fold, folds=folds, seed=seed))
    put(tmp_path, *(make_record(bits(0), fold=fold, folds=folds, method="low") for fold in folds))
    low, short = grid(tmp_path)
    assert (low["method"], low["rank"], low["top1"]) == ("low", "1", "5.00")
    assert (short["top1"], short["seeds"]) == ("2/10 folds", "0 (+2 incomplete)")
    assert short["rank"] == short["95 % (Wilson)"] == short["top5"] == short["Δ matched"] == "-"


def test_a_seed_with_folds_missing_enters_no_mean(tmp_path: Path) -> None:
    folds = ("1", "2")
    put(tmp_path, *(make_record(bits(*range(10)), fold=fold, folds=folds) for fold in folds))
    put(tmp_path, make_record(bits(), fold="1", folds=folds, seed=1))
    (row,) = grid(tmp_path)
    assert (row["top1"], row["seeds"]) == ("50.00", "1 (+1 incomplete)")


def test_multi_label_rows(tmp_path: Path) -> None:
    def scores(macro: float, low: float, high: float) -> dict[str, Any]:
        entry = {"n": 50, "interval": "bootstrap95"}
        return {
            "f1_macro": {"value": macro, "low": low, "high": high, **entry},
            "map": {"value": 0.5, "low": 0.4, "high": 0.6, **entry},
        }

    put(tmp_path, make_record(scores=scores(0.3, 0.2, 0.5)), make_record(scores=scores(0.4, 0.3, 0.6), seed=1))
    put(tmp_path, make_record(scores=scores(0.35, 0.3, 0.4), method="same"))
    put(tmp_path, make_record(scores=scores(0.1, 0, 0.2), method="z"))
    columns = ("rank", "method", "f1_macro", "95 % (bootstrap)", "map", "Δ matched")
    shown = [tuple(row[name] for name in columns) for row in grid(tmp_path)]
    assert shown == [
        ("1", "mine", "35.00 ± 7.07", "25.0 to 55.0", "50.00", "-"),
        ("1", "same", "35.00", "30.0 to 40.0", "50.00", "-"),  # no hits: equal values share a rank
        ("3", "z", "10.00", "0.0 to 20.0", "50.00", "-"),
    ]


def test_bootstrap_intervals_of_independent_folds_combine_in_quadrature(tmp_path: Path) -> None:
    for fold, value in (("1", 0.4), ("2", 0.6)):
        score = {"value": value, "low": value - 0.06, "high": value + 0.08, "n": 50, "interval": "bootstrap95"}
        put(tmp_path, make_record(scores={"f1_macro": score}, fold=fold, folds=("1", "2")))
    (row,) = rows(tmp_path)
    assert [float(row[name]) for name in ("mean", "low95", "high95")] == pytest.approx(
        [0.5, 0.5 - 0.06 / 2**0.5, 0.5 + 0.08 / 2**0.5], abs=1e-5
    )


def test_rows_scored_on_other_clips_stand_apart(tmp_path: Path) -> None:
    put(tmp_path, make_record(), make_record(seed=1))
    put(tmp_path, make_record(bits(*range(20)), method="easy", more={"dataset": {"manifest": "other", "classes": 2}}))
    assert [(row["part"], row["rank"], row["method"]) for row in rows(tmp_path)] == [
        ("ranked", "1", "mine"),
        ("other clips", "", "easy"),
    ]
    assert "## Scored on other clips" in texts(tmp_path)[f"{PAGE}.md"]


# -- ranks and gains


def test_ranks_are_shared_where_a_paired_interval_holds_zero(tmp_path: Path) -> None:
    put(tmp_path, make_record(bits(*range(18)), method="a"))
    put(tmp_path, make_record(bits(*range(17)), method="b"))  # one clip less: no telling
    put(tmp_path, make_record(bits(*range(8)), method="c"))  # nine clips less
    put(tmp_path, make_record(bits(*range(8)), method="d"))
    assert [(row["method"], row["rank"]) for row in rows(tmp_path)] == [("a", "1"), ("b", "1"), ("c", "3"), ("d", "3")]


def test_without_a_common_seed_only_equal_values_share_a_rank(tmp_path: Path) -> None:
    put(tmp_path, make_record(bits(*range(18)), method="a"), make_record(bits(*range(17)), method="b", seed=1))
    put(tmp_path, make_record(bits(*range(17)), method="c", seed=2))
    assert [row["rank"] for row in rows(tmp_path)] == ["1", "2", "2"]


def test_the_gain_is_over_the_control_of_the_same_seeds(tmp_path: Path) -> None:
    ours, theirs = np.random.default_rng(0).random((2, 3, 40)) < [[[0.8]], [[0.5]]]
    put(tmp_path, *(make_record(ours[seed], seed=seed) for seed in range(2)))
    put(tmp_path, *(make_record(theirs[seed], method="c", seed=seed, more=CONTROL) for seed in (0, 1, 2)))
    row = next(row for row in rows(tmp_path) if row["method"] == "mine")
    expected = paired_bootstrap(ours[:2], theirs[:2])
    found = [float(row[name]) for name in ("gain", "gain_low95", "gain_high95")]
    assert found == pytest.approx([expected.value, expected.low, expected.high], abs=1e-5)
    assert row["gain_over"] == "c"


@pytest.mark.parametrize(
    "other",
    [
        {"budget": "paper"},
        {"backbone": "net34"},
        {"enhancer": "nearest"},
        {"sampling": "8x1"},
        {"weights": "big"},
        {"settings": {"method.epochs": 40, "method.batch": 16, "enhancer.train": False}},
        {"settings": {"method.epochs": 20, "method.batch": 16, "enhancer.train": True}},
        {"seed": 1},
    ],
)
def test_no_gain_over_a_control_that_does_not_match(tmp_path: Path, other: dict[str, Any]) -> None:
    put(tmp_path, make_record(), make_record(method="c", more=CONTROL, **other))
    assert {row["gain"] for row in rows(tmp_path)} == {""}


def test_the_control_may_have_numbers_of_its_own_and_the_nearest_is_taken(tmp_path: Path) -> None:
    def settings(**own: Any) -> dict[str, Any]:
        return {"method.epochs": 20, "method.batch": 16, "enhancer.train": False, "method.lr": 1.0, **own}

    put(tmp_path, make_record(bits(*range(10)), settings=settings(**{"method.alpha": 1})))
    put(tmp_path, make_record(bits(*range(5)), method="c", settings=settings(), more=CONTROL))
    put(tmp_path, make_record(bits(*range(3)), method="c", settings=settings(**{"method.lr": 2.0}), more=CONTROL))
    assert [row["gain"] for row in rows(tmp_path)] == ["0.25", "", ""]


def test_the_matched_controls_score_is_shown_also_where_no_seed_pairs(tmp_path: Path) -> None:
    put(tmp_path, make_record(bits(*range(15))), make_record(bits(*range(10)), seed=1, method="c", more=CONTROL))
    put(tmp_path, make_record(bits(*range(12)), seed=2, method="c", more=CONTROL))
    mine, control = grid(tmp_path)
    assert (mine["matched"], mine["Δ matched"]) == ("55.00 ± 7.07", "-")
    assert control["matched"] == "-"
    row = rows(tmp_path)[0]
    assert (row["matched_mean"], row["matched_std"], row["matched_seeds"], row["gain"]) == (
        "0.55",
        "0.0707107",
        "2",
        "",
    )


def test_a_control_with_folds_missing_has_no_score_to_show(tmp_path: Path) -> None:
    folds = ("1", "2")
    put(tmp_path, *(make_record(fold=fold, folds=folds) for fold in folds))
    put(tmp_path, make_record(fold="1", folds=folds, method="c", more=CONTROL))
    mine, _ = grid(tmp_path)
    assert (mine["method"], mine["matched"], mine["Δ matched"]) == ("mine", "-", "-")


def test_ceilings_are_not_ranked_and_need_no_control(tmp_path: Path) -> None:
    put(tmp_path, make_record(bits(*range(20)), more={"privileged": True}))
    put(tmp_path, make_record(bits(0), method="c", more=CONTROL))
    assert [(row["part"], row["method"], row["rank"], row["gain"]) for row in rows(tmp_path)] == [
        ("ranked", "c (control)", "1", ""),
        ("ceiling", "mine", "", ""),
    ]


# -- costs


def test_costs_are_joined_by_structure_and_no_processor_time_enters(tmp_path: Path) -> None:
    put(tmp_path, make_record(), make_record(bits(0), backbone="net34"))
    put(tmp_path, *(make_cost("net18-bilinear", ms=ms, device=f"cuda: {gpu}") for gpu, ms in (("B", 99.0), ("A", 7.0))))
    put(tmp_path, make_cost("net34-bilinear", understated=["aten::fft"]))
    first, second = grid(tmp_path)
    assert [first[f"latency (ms), cuda: {gpu}"] for gpu in "AB"] == ["7", "99"]
    assert [second[f"latency (ms), cuda: {gpu}"] for gpu in "AB"] == ["-", "-"]
    assert (first["MACs/clip (G)"], second["MACs/clip (G)"]) == ("0.6", "≥ 0.6")


def test_a_clip_of_windows_costs_as_many_as_it_is_long(tmp_path: Path) -> None:
    put(tmp_path, make_record(sampling="windows-16"), make_cost("net18-bilinear"))
    (row,) = grid(tmp_path)
    assert row["MACs/clip (G)"] == "0.6 a window"


def test_the_enhancers_share_is_of_a_views_multiply_adds(tmp_path: Path) -> None:
    put(tmp_path, make_record(), make_cost("net18-bilinear", macs={"view": 2e9, "clip": 8e9, "enhancer": 2.5e8}))
    (row,) = grid(tmp_path)
    assert (row["MACs/clip (G)"], row["enhancer, % of MACs"]) == ("8", "12.5")
    assert rows(tmp_path)[0]["macs_enhancer_share"] == "0.125"


def test_what_the_rows_are_has_a_table_of_its_own_and_notes_below(tmp_path: Path) -> None:
    notes = {"notes": ["the map is flat"]}
    brought = {"plugin": "p", "distribution": "other", "version": "2.0"}
    owners = {kind: {"name": kind, **brought} for kind in ("dataset", "method")}
    put(tmp_path, make_record(bits(0), precision="bf16", more=notes), make_record(bits(1), seed=1, precision="bf16"))
    put(tmp_path, make_record(method="other", more={**notes, "plugins": owners, "updates": {"a": 1, "b": 2}}))
    first, second = grid(tmp_path)
    assert (first["#"], first["precision"], first["plugins"], first["updates"]) == (
        "1",
        "fp32",
        "p (other 2.0)",
        "a 1, b 2",
    )
    assert (second["#"], second["precision"], second["plugins"]) == ("2", "bf16", "p (elrbench 0.1.0)")
    assert texts(tmp_path)[f"{PAGE}.md"].endswith("\n- Row 1, 2: the map is flat\n")
    assert [row["notes"] for row in rows(tmp_path)] == ["the map is flat"] * 2


def test_rows_without_costs_show_a_dash(tmp_path: Path) -> None:
    put(tmp_path, make_record())
    (row,) = grid(tmp_path)
    assert row["params (M)"] == row["MACs/clip (G)"] == row["latency (ms)"] == "-"


# -- names


def test_names_are_shown_as_text(tmp_path: Path) -> None:
    odd = "<script>alert('x')</script>|a\nb *c* `d` [e](f) __g__ h_i &amp; \u202e"
    put(tmp_path, make_record(weights=odd, dataset="acts"), make_record(bits(0), plugin=odd))
    page = texts(tmp_path)[f"{PAGE}.md"]
    shown = (
        "&lt;script&gt;alert('x')&lt;/script&gt;&#124;a b &#42;c&#42; &#96;d&#96; &#91;e&#93;(f) "
        "&#95;&#95;g&#95;&#95; h_i &amp;amp;"
    )
    assert page.count(shown) == 2 and "<script" not in page and "\u202e" not in page
    assert rows(tmp_path)[0]["init"] == odd.replace("\n", " ").replace("\u202e", " ")  # CSV quotes the rest


def test_tracks_whose_names_make_one_file_are_not_mixed(tmp_path: Path) -> None:
    put(tmp_path, make_record(dataset="a:b"), make_record(dataset="a+b", method="other"))
    made = build_tables(tmp_path)
    assert len(rows(tmp_path, "tables/a-b/split1/average-12x16")) == 1
    (problem,) = made.problems
    assert "differs in dataset from" in problem


# -- files


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
    orphan.write_text("old\n")
    lines = check_tables(tmp_path)
    assert f"--- {PAGE}.md (there)" in lines and f"+++ {PAGE}.md (from the records)" in lines
    assert any(line.startswith("-| 1") and "99.99 ±" in line for line in lines)
    assert any(line.startswith("+| 1") and "62.50 ±" in line for line in lines)
    assert f"--- {PAGE}.csv (missing)" in lines
    assert "+++ tables/gone.md (no records make it)" in lines and "-old" in lines
    assert set(write_tables(tmp_path)) == {page, table, orphan}
    assert not orphan.exists() and index.is_file() and check_tables(tmp_path) == []


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
        (misplaced.with_name("copy.json"), f"by its content it belongs at {misplaced}"),
        (newer, "was written by a newer elrbench"),
        (cut, "is not whole JSON"),
        (forged, "its seal does not fit its content"),
        (cost, "it is no cost record"),
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
        ({"dataset": "b"}, "their datasets are acts and b"),
        ({"degradation": "native"}, "their degradations are average-12x16 and native"),
        ({"fold": "2", "folds": ("1", "2")}, "their folds are 1 and 2"),
        ({"more": {"dataset": {"manifest": "x", "classes": 2}}}, "their data .manifests. are feed and x"),
        ({"more": {"clips": {"train": 1, "test": 20, "bad": ["c"], "padded": 0}}}, "their clips that could not"),
    ],
)
def test_records_of_other_clips_do_not_pair(other: dict[str, Any], message: str) -> None:
    with pytest.raises(ElrError, match=message):
        compare(*records(make_record(), make_record(**other)))


def test_multi_label_and_seeds_apart_do_not_pair() -> None:
    score = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9, "interval": "bootstrap95"}
    multi = records(make_record(scores={"f1_macro": score}))
    with pytest.raises(ElrError, match="is multi-label and holds no decisions"):
        compare(multi[0], multi[0])
    with pytest.raises(ElrError, match="no seed has the same folds on both sides"):
        compare_groups(records(make_record()), records(make_record(seed=1)))
