"""Costs among the reported figures, and figures of a repository: what they are of, and where the tables show them."""

from __future__ import annotations

import csv
import io

import pytest

from benchmark_core.papers.collection import Library, load_library
from benchmark_core.papers.reported import read_reported
from benchmark_core.tables.csvfile import reported_csv
from benchmark_core.tables.reported import group_by_track
from benchmark_core.tables.reported_cells import untracked_figures
from elrbench import ElrError


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library(["elrbench_plugins.reported"], entry_points=False)


def test_costs_of_cstat_are_macs_of_a_backbone(library: Library) -> None:
    costs = {key: figure for key, figure in library.papers["cstat-2021"].figures.items() if "section4b" in key}
    found = {(figure.backbone, figure.metric): figure.value for figure in costs.values()}
    assert found == {
        ("resnet34", "gmacs"): 6.51,
        ("resnet34", "mparams"): 21.34,
        ("r2plus1d-18", "gmacs"): 28.99,
        ("r2plus1d-18", "mparams"): 33.43,
    }
    assert all(any("MACs" in note for note in figure.notes) and not figure.dataset for figure in costs.values())


def test_costs_are_in_the_tables_without_a_dataset(library: Library) -> None:
    reported = group_by_track(library)
    sections = list(untracked_figures(reported))
    assert [dataset for dataset, _, _ in sections].count("") == 1 and sections[-1][0] == ""
    assert {figure.metric for figure in sections[-1][1]} == {"gmacs", "mparams"}
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(reported_csv(reported)))}
    row = rows["cstat-2021/section4b/heavy/gmacs"]
    assert (row["metric"], row["reported"], row["dataset"]) == ("gmacs", "28.99", "")


def test_a_score_still_needs_its_dataset() -> None:
    text = """
        paper: p
        title: t
        citation: c
        tables: {x: {printed: X, title: y, columns: {a: {printed: A, metric: METRIC}}, rows: {b: ROW}}}
    """
    text = text.replace("ROW", "{printed: B, figures: [3]}")
    with pytest.raises(ElrError, match="'dataset' is missing"):
        read_reported(text.replace("METRIC", "top1"), "p.yaml", "p")
    [figure] = read_reported(text.replace("METRIC", "gmacs"), "p.yaml", "p").figures.values()
    assert (figure.metric, figure.dataset) == ("gmacs", "")


def test_the_teacher_of_stat_on_hmdb51_is_an_oracle(library: Library) -> None:
    figure = library.figure("stat-2019/section4.1/teacher/top1")
    assert (figure.value, figure.dataset, figure.backbone, figure.ceiling) == (62.0, "hmdb51", "r2plus1d-18", True)


def test_figures_on_nagoya_fir_are_of_one_protocol_and_two_tracks(library: Library) -> None:
    tracks = {
        str(path): figures for path, (_, figures) in group_by_track(library).tracks.items() if "nagoya" in str(path)
    }
    values = {path: [figure.value for figure in figures] for path, figures in tracks.items()}
    assert sorted(values.values()) == [[90.87], [96.98]] and all("/loso/" in path for path in values)
    assert [path for path in values if "nagoya-fir-5" in path and values[path] == [96.98]]
    assert round(100 * 2290 / 2520, 2) == 90.87 and round(100 * 2444 / 2520, 2) == 96.98
