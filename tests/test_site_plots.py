"""Plots of the site: the front of accuracy over cost, scores by class, and curves over low sizes."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from run_records import bits, make_cost, make_record, put, put_scored
from site_pages import NONE, blocks, library, page

from benchmark_core.tables.rows import group_rows
from elrbench_plugins.commands.site.classes import class_scores, clips_by_class
from elrbench_plugins.commands.site.curves import size_of
from elrbench_plugins.commands.site.front import front
from elrbench_plugins.commands.site.pages import build_site


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
