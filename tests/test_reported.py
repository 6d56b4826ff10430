"""Printed figures that are shipped: every cell of the papers' tables, and what the papers say of them."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmark_core.papers.collection import Library, load_library
from elrbench import ElrError


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library(["elrbench_plugins.reported"], entry_points=False)


def test_every_cell_of_the_papers_tables_is_there(library: Library):
    cells = Counter(
        (figure.paper, figure.table) for paper in library.papers.values() for figure in paper.figures.values()
    )
    assert cells == {
        ("cstat-2021", "Table I"): 6,
        ("cstat-2021", "Table II"): 16,
        ("cstat-2021", "Table III"): 8,
        ("cstat-2021", "Table IV"): 16,
        ("cstat-2021", "Table V"): 18,
        ("cstat-2021", "Section IV.B"): 4,
        ("fir-cnn-lstm", "README"): 2,
        ("purwanto-2019", "Table 2"): 14,
        ("purwanto-2019", "Table 3"): 12,
        ("stat-2019", "Table 1"): 6,
        ("stat-2019", "Table 2"): 16,
        ("stat-2019", "Table 3"): 14,
        ("stat-2019", "Table 4"): 9,
        ("stat-2019", "Section 4.1"): 1,
        ("tinyvirat-2020", "Table II"): 9,
        ("tinyvirat-2020", "Table III"): 11,
        ("tinyvirat-2020", "Table IV"): 8,
        ("tinyvirat-2020", "Table V"): 4,
        ("zheng-2025", "Abstract"): 7,
    }


def test_later_systems_have_a_figure_where_one_was_seen_and_a_name_where_not(library: Library):
    best = {key.partition("/")[2]: figure.value for key, figure in library.papers["zheng-2025"].figures.items()}
    assert best == {
        "abstract/12x16/hmdb51": 58.70,
        "abstract/14x14/hmdb51": 62.25,
        "abstract/14x14/ucf101": 76.74,
        "abstract/28x28/ucf101": 84.15,
        "abstract/80x60/hmdb51": 68.94,
        "abstract/80x60/ucf101": 92.78,
        "abstract/as-recorded/tinyvirat": 35.63,
    }
    assert library.papers["later"].figures == {}
    named = library.papers["later"].systems
    words = ("three streams", "Hou", "Tiny Actions Challenge 2022", "ResKD", "Oguz", "Liu", "Dual-branch", "IIT Ropar")
    assert len(named) == len(words)
    for word, system in zip(words, named.values(), strict=True):
        assert word in system.system and system.origin and system.note, word
    assert named["later/oguz-2024"].datasets == ("ucf101", "hmdb51")
    earlier = {figure.system for paper in library.papers.values() for figure in paper.figures.values()}
    assert {"PoT", "ISR", "semi-coupled two-stream", "multi-siamese", "fully-coupled two-stream", "SoSR"} <= earlier
    assert {"Purwanto et al. (I3D)", "STAT", "CSTAT", "Prog. DVSR", "Zheng et al."} <= earlier


def test_track_is_what_the_degradation_is_called_in_tables(library: Library, catalog):
    named = {
        (figure.degradation, figure.track) for paper in library.papers.values() for figure in paper.figures.values()
    }
    assert {pair for pair in named if pair[1]} == {
        ("bicubic-14x14", "14x14-centre112"),
        ("bicubic-28x28", "28x28-centre112"),
    }
    for degradation, track in named:
        if degradation and not degradation[0].isdigit():  # "12x16" is all that some papers say
            spec = catalog.degradations[degradation.partition(":")[0]]
            assert spec.track_at((112, 112)) == (track or degradation).partition(":")[0]


@pytest.mark.parametrize(
    ("prefix", "column", "printed"),  # a column of each table, top to bottom, as it stands in the paper
    [
        ("cstat-2021/table1", "top1", [46.12, 45.43, 47.01, 46.60, 46.13, 47.18]),
        ("cstat-2021/table2", "before-top1", [32.74, 43.13, 51.62, 55.08]),
        ("cstat-2021/table2", "before-top5", [54.21, 68.17, 73.60, 79.52]),
        ("cstat-2021/table2", "after-top1", [36.92, 46.19, 53.60, 56.30]),
        ("cstat-2021/table2", "after-top5", [56.93, 68.29, 76.19, 80.22]),
        ("cstat-2021/table3", "resnet34", [47.32, 47.71, 48.34, 49.53]),
        ("cstat-2021/table3", "r2plus1d-18", [52.72, 52.99, 53.51, 54.63]),
        ("cstat-2021/table4", "resnet34", [78.82, 42.79, 44.42, 45.48, 47.32, 49.03, 49.97, 50.78]),
        ("cstat-2021/table4", "r2plus1d-18", [90.56, 48.95, 52.03, 50.90, 52.72, 54.46, 54.78, 55.31]),
        ("cstat-2021/table5", "hmdb51", [26.57, 28.68, 29.20, 37.70, 44.96, 52.61, 57.84, 52.29, 59.41]),
        ("cstat-2021/table5", "ixmas", [82.5, 85.1, 93.7, 94.9, 95.3, 93.89, 97.22, 94.2, 97.31]),
        ("purwanto-2019/table2", "hmdb51", [52.61, 53.92, 54.26, 54.31, 56.12, 56.67, 57.84]),
        ("purwanto-2019/table2", "ixmas", [93.89, 94.44, 94.87, 94.44, 95.12, 95.56, 97.22]),
        ("purwanto-2019/table3", "hmdb51", [21.7, 28.68, 29.2, 34.57, 37.7, 44.96, 52.61, 57.84]),
        ("purwanto-2019/table3", "ixmas", [80, 93.7, 93.89, 97.22]),
        ("stat-2019/table1", "top1", [45.70, 44.96, 46.60, 46.15, 45.78, 46.90]),
        ("stat-2019/table2", "before-top1", [32.24, 42.79, 51.28, 54.53]),
        ("stat-2019/table2", "before-top5", [53.76, 67.64, 73.12, 79.06]),
        ("stat-2019/table2", "after-top1", [36.43, 46.66, 53.07, 55.65]),
        ("stat-2019/table2", "after-top5", [56.43, 67.75, 75.69, 79.54]),
        ("stat-2019/table3", "resnet34", [78.82, 42.79, 45.76, 44.97, 46.66, 46.85, 48.03]),
        ("stat-2019/table3", "r2plus1d-18", [90.56, 48.95, 52.03, 50.59, 52.34, 53.21, 54.92]),
        ("stat-2019/table4", "top1", [26.57, 28.68, 29.20, 37.70, 44.96, 52.61, 57.84, 52.29, 58.12]),
        ("tinyvirat-2020/table2", "f1", [28.73, 32.55, 34.49, 29.08, 29.81, 30.80, 32.66, 34.05, 35.07]),
        (
            "tinyvirat-2020/table3",
            "top1",
            [52.61, 54.77, 10.59, 28.68, 39.15, 41.24, 41.63, 46.97, 32.15, 53.66, 55.95],
        ),
        ("tinyvirat-2020/table4", "top1", [84.72, 83.92, 14.14, 68.17, 70.55, 66.72, 82.37, 82.87]),
        ("tinyvirat-2020/table5", "f1", [28.73, 30.45, 32.55, 34.49]),
    ],
)
def test_columns_are_those_of_the_papers(library: Library, prefix: str, column: str, printed: list[float]):
    figures = library.papers[prefix.partition("/")[0]].figures
    keys = [key for key in figures if key.startswith(f"{prefix}/") and key.endswith(f"/{column}")]
    assert [figures[key].value for key in keys] == printed


def test_gains_that_the_text_states_are_those_of_the_tables_but_where_a_note_says_otherwise(library: Library):
    """Each is a sentence of the paper, points between two cells of its table."""
    value = {key: figure.value for paper in library.papers.values() for key, figure in paper.figures.items()}
    gain = {
        "cstat-2021/table3/difference": ("baseline", 0.39, 0.27),
        "cstat-2021/table3/gradient": ("baseline", 1.02, 0.79),
        "cstat-2021/table3/mlp": ("baseline", 2.21, 1.91),
        "cstat-2021/table4/cstat-rc-ut": ("student", 7.99, 6.36),
        "stat-2019/table3/sat-tat-rc-ut": ("student", 5.24, 5.97),  # the text says 5.37 for the first
    }
    for row, (before, *points) in gain.items():
        for column, expected in zip(("resnet34", "r2plus1d-18"), points, strict=True):
            other = f"{row.rpartition('/')[0]}/{before}/{column}"
            assert value[f"{row}/{column}"] - value[other] == pytest.approx(expected, abs=5e-3)
    assert "5.37" in library.figure("stat-2019/table3/sat-tat-rc-ut/resnet34").notes[0]


def test_what_the_papers_say_of_their_figures(library: Library):
    teacher = library.figure("cstat-2021/table4/teacher/r2plus1d-18")
    assert teacher.ceiling and (teacher.dataset, teacher.protocol) == ("ucf101", "3splits")
    assert library.figure("cstat-2021/table2/6x8/after-top5/".rstrip("/")).degradation == "average-6x8"
    chen = library.figure("cstat-2021/table5/semi-coupled/hmdb51")
    assert chen.row == "Simonyan, et al (WACV'17)" and chen.origin.startswith("Chen et al.")
    ours = library.figure("cstat-2021/table5/ours/hmdb51")
    assert "1.39" in ours.notes[-1] and "1.57" in ours.notes[-1] and not ours.origin
    assert not library.figure("cstat-2021/table5/ours/ixmas").protocol  # it names no folds


def test_every_figure_of_another_system_says_whose_it_is(library: Library):
    attention = {"pot", "isr", "semi-coupled", "multi-siamese", "fully-coupled", "i3d", "purwanto"}
    others = {
        "cstat-2021": attention,
        "stat-2019": attention,
        "purwanto-2019": {"plrn-tennet", "isr", "dai", "semi-coupled", "rahman", "multi-siamese", "fully-coupled"},
        "tinyvirat-2020": {"sosr", "privacy-preserv-12x16", "privacy-preserv-24x32", "f-coupled"},
        "zheng-2025": set(),
        "fir-cnn-lstm": set(),
    }
    for name, paper in library.papers.items():
        for key, figure in paper.figures.items():
            assert bool(figure.origin) == (key.split("/")[2] in others[name]), key


def test_what_purwanto_leaves_open_or_contradicts_is_noted(library: Library):
    figures = {key.partition("/")[2]: figure for key, figure in library.papers["purwanto-2019"].figures.items()}
    first, last = figures["table2/two-stream/hmdb51"], figures["table2/sr-kd-sa/hmdb51"]
    assert any("TinyVIRAT" in note for note in first.notes)
    assert first.value == figures["table3/i3d/hmdb51"].value
    assert first.value == library.figure("tinyvirat-2020/table3/i3d-112/top1").value
    assert last.value == figures["table3/ours/hmdb51"].value
    assert last.value == library.figure("cstat-2021/table5/purwanto/hmdb51").value
    for key, figure in figures.items():
        assert any("1,650" in note for note in figure.notes) == (figure.dataset == "ixmas"), key
        if key.startswith("table2/"):
            assert (figure.degradation, figure.modality) == ("average-12x16:clean", "rgb+flow")
            assert any("16x12" in note for note in figure.notes)
    said = {  # (row, the one before) -> points that the text has; what differs by more than rounding has a note
        ("sr", "two-stream"): (1.3, 0.5),
        ("kd", "two-stream"): (1.9, 0.3),
        ("sa", "two-stream"): (1.7, 0.5),
        ("sr-kd", "sr"): (3, 1),
    }
    for (row, before), points in said.items():
        for column, point in zip(("hmdb51", "ixmas"), points, strict=True):
            figure = figures[f"table2/{row}/{column}"]
            gain = figure.value - figures[f"table2/{before}/{column}"].value
            stated = any(f"{gain:.2f}" in note and f"{point}" in note for note in figure.notes)
            assert stated == (abs(gain - point) > (0.06 if point % 1 else 0.5)), (row, column)


def test_what_tinyvirat_leaves_open_or_contradicts_is_noted(library: Library):
    paper = library.papers["tinyvirat-2020"]
    tables = {key.split("/")[1]: figure for key, figure in paper.figures.items()}
    assert [tables[name].metric for name in ("table2", "table3", "table4", "table5")] == [
        "f1_macro_windows_logit0.5", "top1", "top1", "f1_macro_windows_logit0.5",
    ]  # fmt: skip
    for key, figure in paper.figures.items():
        where = key.split("/")[1]
        if where in ("table2", "table5"):
            assert any("its sigmoid" in note for note in figure.notes)  # which F1 is not said
        elif figure.ceiling:
            assert not figure.degradation
        elif not figure.origin:
            assert figure.protocol == "split1" and any("names no split" in note for note in figure.notes)
    copied = library.figure("tinyvirat-2020/table3/i3d-112/top1")
    assert copied.ceiling and copied.value == library.figure("cstat-2021/table5/i3d/hmdb51").value == 52.61
    assert "Purwanto" in copied.notes[0]
    above = library.figure("tinyvirat-2020/table3/prog-dvsr-28/top1")
    assert above.value > copied.value and "52.61" in above.notes[0]
    one = library.figure("cstat-2021/table5/fully-coupled/hmdb51")
    rgb = library.figure("tinyvirat-2020/table3/f-coupled/top1")
    assert (one.value, rgb.value) == (44.96, 39.15) and "44.96" in rgb.notes[0] and "RGB" in rgb.notes[0]
    assert library.figure("tinyvirat-2020/table3/privacy-preserv-12x16/top1").value == 28.68
    for row, same in (("without", "i3d"), ("prog-dvsr", "i3d-prog-dvsr"), ("prog-dvsr-att", "i3d-prog-dvsr-att")):
        assert paper.figures[f"tinyvirat-2020/table5/{row}/f1"].value == (
            paper.figures[f"tinyvirat-2020/table2/{same}/f1"].value
        )


def test_unknown_figures_are_named(library: Library):
    with pytest.raises(ElrError, match="unknown paper 'cstat-2012'. Did you mean 'cstat-2021'"):
        library.figure("cstat-2012/table4/sat/resnet34")
    with pytest.raises(ElrError, match="unknown printed figure .* Did you mean 'cstat-2021/table4/sat/resnet34'"):
        library.figure("cstat-2021/table4/sat/resnet-34")
