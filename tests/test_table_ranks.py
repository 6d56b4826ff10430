"""Ranks, differences from controls, oracle rows and costs in tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_tables import CONTROL, PAGE, grid, rows, texts
from run_records import bits, make_cost, make_record, put

from benchmark_core.papers.collection import Library
from benchmark_core.scoring.statistics import paired_bootstrap
from benchmark_core.tables import gather


@pytest.fixture(autouse=True)
def no_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed here does not matter; tests/test_table_figures.py has papers."""
    monkeypatch.setattr(gather, "load_library", lambda problems: Library({}, {}))


# -- ranks and gains


def test_ranks_are_shared_where_a_paired_interval_holds_zero(tmp_path: Path) -> None:
    put(tmp_path, make_record(bits(*range(18)), method="a"))
    put(tmp_path, make_record(bits(*range(17)), method="b"))  # one clip less: not significant
    put(tmp_path, make_record(bits(*range(8)), method="c"))  # nine clips less: significant
    put(tmp_path, make_record(bits(*range(8)), method="d"))
    assert [(row["method"], row["rank"]) for row in rows(tmp_path)] == [("a", "1"), ("b", "1"), ("c", "3"), ("d", "3")]


def test_a_chain_of_near_rows_does_not_share_the_first_ones_rank(tmp_path: Path) -> None:
    for method, right in (("a", 18), ("b", 15), ("c", 12), ("d", 10)):
        put(tmp_path, make_record(bits(*range(right)), method=method))
    assert [row["rank"] for row in rows(tmp_path)] == ["1", "1", "3", "3"]  # c differs significantly from a, not from b


def test_one_seed_has_no_rank_where_others_have_several(tmp_path: Path) -> None:
    for seed in (0, 1):
        put(tmp_path, make_record(bits(*range(18)), method="a", seed=seed))
        put(tmp_path, make_record(bits(*range(8)), method="c", seed=seed))
    put(tmp_path, make_record(bits(*range(20)), method="lucky"))
    put(tmp_path, make_record(bits(*range(12)), method="between"))
    found = [(row["method"], row["rank"]) for row in rows(tmp_path)]
    assert found == [("lucky", ""), ("a", "1"), ("between", ""), ("c", "2")]
    index = texts(tmp_path)["tables/README.md"]
    assert "lucky" not in index and "| a |" not in index  # nobody can say who leads the track


def test_a_rank_does_not_go_against_the_seeds_in_common(tmp_path: Path) -> None:
    """By its four seeds a is above b; on the two that b has too, b is far above a."""
    for seed, right in enumerate((8, 8, 20, 20)):
        put(tmp_path, make_record(bits(*range(right)), method="a", seed=seed))
    for seed in (0, 1):
        put(tmp_path, make_record(bits(*range(13)), method="b", seed=seed))
    assert [(row["method"], row["rank"]) for row in rows(tmp_path)] == [("a", "1"), ("b", "1")]


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
        {"settings": {"method.epochs": 20, "method.joint_epochs": 20, "method.batch": 16, "enhancer.train": False}},
        {"seed": 1},
    ],
)
def test_no_gain_over_a_control_that_does_not_match(tmp_path: Path, other: dict[str, Any]) -> None:
    put(tmp_path, make_record(), make_record(method="c", more=CONTROL, **other))
    assert {row["gain"] for row in rows(tmp_path)} == {""}


def test_a_control_that_left_clips_out_is_of_other_clips(tmp_path: Path) -> None:
    put(tmp_path, make_record(bits(*range(18))), make_record(bits(*range(10)), method="c", more=CONTROL))
    bad = {"train": 29, "test": 20, "bad": ["c29"], "padded": 0}
    put(tmp_path, make_record(bits(*range(4)), method="a", more={**CONTROL, "clips": bad}))
    row = next(row for row in rows(tmp_path) if row["method"] == "mine")
    assert row["gain_over"] == "c" and float(row["gain"]) == pytest.approx(0.4)


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
    assert (mine["control"], mine["Δ control"]) == ("c 55.00 ± 7.07", "-")
    assert control["control"] == "-"
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
    assert (mine["method"], mine["control"], mine["Δ control"]) == ("mine", "-", "-")


def test_oracles_are_not_ranked_and_need_no_control(tmp_path: Path) -> None:
    put(tmp_path, make_record(bits(*range(20)), more={"privileged": True}))
    put(tmp_path, make_record(bits(0), method="c", more=CONTROL))
    assert [(row["part"], row["method"], row["rank"], row["gain"]) for row in rows(tmp_path)] == [
        ("ranked", "c (control)", "1", ""),
        ("oracle", "mine", "", ""),
    ]


# -- costs


def test_costs_are_joined_by_structure_and_no_processor_time_enters(tmp_path: Path) -> None:
    put(tmp_path, make_record(), make_record(bits(0), backbone="net34"))
    put(tmp_path, *(make_cost("net18-bilinear", ms=ms, device=f"cuda: {gpu}") for gpu, ms in (("B", 99.0), ("A", 7.0))))
    put(tmp_path, make_cost("net34-bilinear", understated=["aten::fft"]))
    first, second = grid(tmp_path)
    assert [first[f"GPU latency (ms), {gpu}"] for gpu in "AB"] == ["7", "99"]
    assert [second[f"GPU latency (ms), {gpu}"] for gpu in "AB"] == ["-", "-"]
    assert (first["MACs/clip (G)"], second["MACs/clip (G)"]) == ("0.6", "≥ 0.6")


def test_a_clip_of_windows_costs_as_many_as_it_is_long(tmp_path: Path) -> None:
    put(tmp_path, make_record(sampling="windows-16"), make_cost("net18-bilinear"))
    (row,) = grid(tmp_path)
    assert row["MACs/clip (G)"] == "0.6 per window"


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
    assert row["params (M)"] == row["MACs/clip (G)"] == row["GPU latency (ms)"] == row["CPU latency (ms)"] == "-"
