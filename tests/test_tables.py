"""Tables from records: a whole page, grouping into rows, and escaping of names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_tables import PAGE, full_board, grid, rows, texts
from run_records import bits, make_record, put

from benchmark_core.errors import ElrError
from benchmark_core.papers.collection import Library
from benchmark_core.scoring.statistics import wilson
from benchmark_core.tables import build_tables, gather, write_tables
from benchmark_core.tables.markdown import LEGEND, MARK


@pytest.fixture(autouse=True)
def no_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed here does not matter; tests/test_table_figures.py has papers."""
    monkeypatch.setattr(gather, "load_library", lambda problems: Library({}, {}))


EXPECTED_PAGE = """\
MARK

# acts · split1 · average-12x16

single-label, 1 fold, 2 classes, digest of the clips `feed`.

| # | rank | method | backbone | enhancer | budget | top1 | seeds | 95 % (Wilson) | control | Δ control | params (M) | MACs/clip (G) | enhancer, % of MACs | GPU latency (ms), G | CPU latency (ms) |
|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|
| 1 | 1 | mine:a | net18 | bilinear | small\\* | 62.50 ± 3.54 | 2 | 40.9 to 80.0 | plain:b 22.50 ± 3.54 | +40.00 (+20.00 to +60.00) | 11.18 | 0.6 | 0 | 1.5 | - |
| 2 | 2 | plain:b (control) | net18 | bilinear | small | 22.50 ± 3.54 | 2 | 9.6 to 44.3 | - | - | 11.18 | 0.6 | 0 | 1.5 | - |

## Oracle (scored on high views; not ranked)

| # | rank | method | backbone | enhancer | budget | top1 | seeds | 95 % (Wilson) | control | Δ control | params (M) | MACs/clip (G) | enhancer, % of MACs | GPU latency (ms), G | CPU latency (ms) |
|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|
| 3 | - | high | net18 | bilinear | small | 90.00 | 1 | 69.9 to 97.2 | - | - | - | - | - | - | - |

LEGEND

## Settings of each row

| # | method | size | sampling | precision | budget | init | updates | plugins | records |
|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|
| 1 | mine:a | 96x128 | 4x1 | fp32 | small; method.epochs=20 | scratch | student 40 | p (elrbench 0.1.0) | [cb979ae2](../../../records/acts/split1/average-12x16/mine-a-cb979ae20ad69a55.json) [b64ac8ef](../../../records/acts/split1/average-12x16/mine-a-b64ac8efdc5261cf.json) |
| 2 | plain:b (control) | 96x128 | 4x1 | fp32 | small | scratch | student 40 | p (elrbench 0.1.0) | [0ab668cd](../../../records/acts/split1/average-12x16/plain-b-0ab668cdba3f181b.json) [56c9e760](../../../records/acts/split1/average-12x16/plain-b-56c9e7609b873df2.json) |
| 3 | high | 96x128 | 4x1 | fp32 | small | scratch | student 40 | p (elrbench 0.1.0) | [a16bb432](../../../records/acts/split1/average-12x16/high-a16bb432785ee57f.json) |
"""  # noqa: E501

EXPECTED_INDEX = """\
MARK

# Tracks

One table per track: dataset, protocol and degradation. Scores are in %.

| track | task | score | rows | records | leader | measured | reported | reported system | CSV |
|:--|:--|:--|:--|:--|:--|:--|:--|:--|:--|
| [acts · split1 · average-12x16](acts/split1/average-12x16.md) | single-label | top1 | 3 | 5 | mine:a | 62.50 | - | - | [CSV](acts/split1/average-12x16.csv) |

- [What networks cost](costs.md)
"""  # noqa: E501

EXPECTED_CSV = """\
part,rank,method,backbone,enhancer,size,sampling,precision,budget,init,control,primary,mean,std,low95,high95,interval,seeds,folds,of_folds,top5,gain,gain_low95,gain_high95,gain_over,matched_mean,matched_std,matched_seeds,params,params_backbone,params_enhancer,params_head,macs_view,macs_clip,macs_enhancer_share,macs_lower_bound,gpu_latency_ms cuda: G,updates,plugins,notes,data,digests
ranked,1,mine:a,net18,bilinear,96x128,4x1,fp32,small; method.epochs=20,scratch,False,top1,0.625,0.0353553,0.40949,0.800229,wilson95,2,1,1,1,0.4,0.2,0.6,plain:b,0.225,0.0353553,2,11176512,11170000,0,6512,1.5e+08,6e+08,0,False,1.5,student 40,p (elrbench 0.1.0),,feed,cb979ae20ad69a55 b64ac8efdc5261cf
ranked,2,plain:b (control),net18,bilinear,96x128,4x1,fp32,small,scratch,True,top1,0.225,0.0353553,0.0959326,0.442686,wilson95,2,1,1,1,,,,,,,,11176512,11170000,0,6512,1.5e+08,6e+08,0,False,1.5,student 40,p (elrbench 0.1.0),,feed,0ab668cdba3f181b 56c9e7609b873df2
oracle,,high,net18,bilinear,96x128,4x1,fp32,small,scratch,False,top1,0.9,,0.698966,0.972134,wilson95,1,1,1,1,,,,,,,,,,,,,,,,,student 40,p (elrbench 0.1.0),,feed,a16bb432785ee57f
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
    assert squeezed(made[f"{PAGE}.md"]) == EXPECTED_PAGE.replace("LEGEND", LEGEND).replace("MARK", MARK)
    assert made[f"{PAGE}.csv"] == EXPECTED_CSV
    assert squeezed(made["tables/README.md"]) == EXPECTED_INDEX.replace("MARK", MARK)
    assert build_tables(tmp_path).problems == ()


@pytest.mark.parametrize(("classes", "shown"), [(9, False), (10, True)])
def test_top5_is_shown_from_ten_classes(tmp_path: Path, classes: int, shown: bool) -> None:
    names = [f"k{number}" for number in range(classes)]
    per_class = {"classes": names, "n": [20] + [0] * (classes - 1), "value": [0.5] + [None] * (classes - 1)}
    put(tmp_path, make_record(more={"dataset": {"manifest": "feed", "classes": classes}, "per_class": per_class}))
    assert ("top5" in grid(tmp_path)[0]) is shown
    assert rows(tmp_path)[0]["top5"] == "1"  # the CSV has every score


def test_links_lead_to_records(tmp_path: Path) -> None:
    (path,) = put(tmp_path, make_record(degradation="average-12x16,sigma=4.0"))
    write_tables(tmp_path)
    page = tmp_path / "tables/acts/split1/average-12x16,sigma=4.0.md"
    (cell,) = [row["records"] for row in grid(tmp_path, page.relative_to(tmp_path).with_suffix("").as_posix())]
    target = cell.partition("](")[2].rstrip(")").replace("%28", "(").replace("%2C", ",").replace("%3D", "=")
    assert (page.parent / target).resolve() == path


def test_no_records_make_an_index_that_says_so(tmp_path: Path) -> None:
    assert list(texts(tmp_path)) == ["tables/README.md"]
    assert "Nothing is measured yet" in texts(tmp_path)["tables/README.md"]
    with pytest.raises(ElrError, match="the folder .* does not exist"):
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
    assert short["rank"] == short["95 % (Wilson)"] == short["Δ control"] == "-"


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
    put(tmp_path, *(make_record(scores=scores(0.35, 0.3, 0.4), method="same", seed=seed) for seed in (0, 1)))
    put(tmp_path, *(make_record(scores=scores(0.1, 0, 0.2), method="z", seed=seed) for seed in (0, 1)))
    columns = ("rank", "method", "f1_macro", "95 % (bootstrap)", "map", "Δ control")
    shown = [tuple(row[name] for name in columns) for row in grid(tmp_path)]
    assert shown == [
        ("1", "mine", "35.00 ± 7.07", "25.0 to 55.0", "50.00", "-"),
        ("1", "same", "35.00 ± 0.00", "30.0 to 40.0", "50.00", "-"),  # no hits: equal values share a rank
        ("3", "z", "10.00 ± 0.00", "0.0 to 20.0", "50.00", "-"),
    ]


def test_bootstrap_intervals_of_independent_folds_combine_in_quadrature(tmp_path: Path) -> None:
    for fold, value in (("1", 0.4), ("2", 0.6)):
        score = {"value": value, "low": value - 0.06, "high": value + 0.08, "n": 50, "interval": "bootstrap95"}
        put(tmp_path, make_record(scores={"f1_macro": score}, fold=fold, folds=("1", "2")))
    (row,) = rows(tmp_path)
    assert [float(row[name]) for name in ("mean", "low95", "high95")] == pytest.approx(
        [0.5, 0.5 - 0.06 / 2**0.5, 0.5 + 0.08 / 2**0.5], abs=1e-5
    )


def test_an_interval_of_one_fold_is_the_records_own(tmp_path: Path) -> None:
    """A resampled F1 may lie below the score as a whole."""
    score = {"value": 1.0, "low": 0.475, "high": 0.775, "n": 50, "interval": "bootstrap95"}
    put(tmp_path, make_record(scores={"f1_macro": score}))
    (row,) = rows(tmp_path)
    assert [float(row[name]) for name in ("mean", "low95", "high95")] == pytest.approx([1.0, 0.475, 0.775])


def test_rows_scored_on_other_clips_stand_apart(tmp_path: Path) -> None:
    put(tmp_path, make_record(), make_record(seed=1))
    put(tmp_path, make_record(bits(*range(20)), method="easy", more={"dataset": {"manifest": "other", "classes": 2}}))
    assert [(row["part"], row["rank"], row["method"]) for row in rows(tmp_path)] == [
        ("ranked", "1", "mine"),
        ("other clips", "", "easy"),
    ]
    assert "## Scored on other clips" in texts(tmp_path)[f"{PAGE}.md"]


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
