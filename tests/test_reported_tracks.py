"""Tracks of printed figures: which figures have none, and what the pages say of guessed blur and noise."""

from __future__ import annotations

from pathlib import Path

import pytest
from acme_paper import FILE
from run_records import bits, make_record, put
from test_table_figures import figure_rows

from benchmark_core.papers.collection import Library, load_library
from benchmark_core.papers.reported import read_reported
from benchmark_core.tables import build_tables
from benchmark_core.tables.reported import group_by_track, track_of
from elrbench import ElrError
from elrbench_plugins.commands.site.pages import build_site

AVERAGE = "hmdb51/3splits/average-12x16"


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library(["elrbench_plugins.reported"], entry_points=False)


def test_only_the_authors_own_rows_are_on_the_track_with_blur_and_noise(library: Library) -> None:
    tracks = {path.as_posix(): figures for path, (_, figures) in group_by_track(library).tracks.items()}
    competitors = {figure.system for figure in tracks[AVERAGE] if not figure.ceiling}
    assert competitors == {"CSTAT", "STAT", "R2Plus1D-34"}
    for path, figures in tracks.items():
        if path.rpartition("/")[2].startswith("average-") and not path.endswith("clean"):
            assert {figure.paper for figure in figures} <= {"cstat-2021", "stat-2019"}
            assert not [figure.id for figure in figures if figure.origin], path
    clean = tracks["hmdb51/3splits/average-12x16-clean"]
    assert {figure.id for figure in clean if figure.paper != "purwanto-2019"} == {
        "cstat-2021/table5/i3d/hmdb51",
        "cstat-2021/table5/purwanto/hmdb51",
        "stat-2019/table4/i3d/top1",
        "stat-2019/table4/purwanto/top1",
    }


@pytest.mark.parametrize(
    "system", ["PoT", "ISR", "semi-coupled two-stream", "multi-siamese", "fully-coupled two-stream"]
)
def test_comparators_of_other_protocols_have_no_track(library: Library, system: str) -> None:
    figures = [
        figure for paper in library.papers.values() for figure in paper.figures.values() if figure.system == system
    ]
    assert len(figures) >= 3 and {track_of(figure) for figure in figures} == {None}
    assert {figure.degradation for figure in figures} <= {"12x16", "24x32"}
    assert all(figure.notes for figure in figures if figure.paper != "tinyvirat-2020")


def test_a_figure_of_the_low_quality_subset_is_of_no_track(library: Library) -> None:
    rahman = library.figure("purwanto-2019/table3/rahman/hmdb51")
    assert rahman.value == 34.57 and track_of(rahman) is None and not rahman.protocol
    assert "low-quality subset" in rahman.notes[-1]


def test_sizes_that_are_printed_width_first_are_height_first_here(library: Library) -> None:
    keys = ("tinyvirat-2020/table3/sosr/top1", "tinyvirat-2020/table4/sosr/top1", "zheng-2025/abstract/80x60/hmdb51")
    for key in keys:
        figure = library.figure(key)
        assert figure.degradation == "60x80" and "width first, as 80x60" in figure.notes[-1]
    assert not [
        figure.id
        for paper in library.papers.values()
        for figure in paper.figures.values()
        if figure.degradation in ("80x60", "16x12")
    ]


def test_pages_and_tables_say_that_blur_and_noise_are_guesses(library: Library, tmp_path: Path) -> None:
    put(tmp_path, make_record(bits(*range(3)), degradation="average-12x16"))
    made = build_tables(tmp_path, library)
    texts = {path.relative_to(tmp_path / "tables").as_posix(): text for path, text in made.files.items()}
    said = {path for path, text in texts.items() if "guesses" in text and "0.25 low pixels" in text}
    averages = {path for path in texts if "/average-" in path and path.endswith(".md") and "clean" not in path}
    assert said == {"README.md", *averages} and "acts/split1/average-12x16.md" in said
    assert "low views (HxW)" in figure_rows(texts["reported.md"])[-1]

    files = build_site(tmp_path, library).files
    shown = {path.as_posix() for path, content in files.items() if b"0.25 low pixels" in content}
    assert {"index.html", "tracks/acts/split1/average-12x16.html", f"tracks/{AVERAGE}.html"} <= shown
    assert f"tracks/{AVERAGE}-clean.html" not in shown


def test_a_note_is_about_a_template_and_not_about_its_variants() -> None:
    note = "degradations: {average-HxW: blur is a guess}\n"
    paper = read_reported(note + FILE, "acme-2024.yaml", "acme-2024")
    library = Library({"acme-2024": paper}, {})
    for name in ("average-12x16", "average-6x8", "average-12x16,sigma_noise=4.0"):
        assert library.notes_on(name) == ("average-HxW: blur is a guess.",)
    for name in ("average-12x16:clean", "bicubic-14x14", "native", "14x14-centre112"):
        assert library.notes_on(name) == ()
    with pytest.raises(ElrError, match="degradations 'average-HxW' is 7, not text"):
        read_reported(note.replace("blur is a guess", "7") + FILE, "acme-2024.yaml", "acme-2024")


def test_a_row_takes_a_condition_back() -> None:
    text = FILE.replace('origin: "Smith, 1999"', 'origin: "Smith, 1999", protocol: ~')
    figures = read_reported(text, "acme-2024.yaml", "acme-2024").figures
    assert not figures["acme-2024/table2/theirs/net18"].protocol
    assert figures["acme-2024/table2/ours/net18"].protocol == "split1"
    text = FILE.replace("net34: {printed: Net-34, ", "net34: {printed: Net-34, modality: rgb, ").replace(
        "{printed: Alone, ", "{printed: Alone, modality: ~, "
    )
    figures = read_reported(text, "acme-2024.yaml", "acme-2024").figures
    assert [figures[f"acme-2024/table2/{row}/net34"].modality for row in ("alone", "theirs")] == ["", "rgb"]
    with pytest.raises(ElrError, match="row theirs, column net18: 'dataset' is missing"):
        read_reported(
            FILE.replace('origin: "Smith, 1999"', 'origin: "Smith, 1999", dataset: ~'), "acme-2024.yaml", "acme-2024"
        )
