"""`suite run --sizes`: every row at several sizes of the low view, and the plot of it."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from calling import caller

from benchmark_core.catalog import Catalog
from elrbench import ElrError
from elrbench_plugins.commands.suite.results import Measured, ScoreLine
from elrbench_plugins.commands.suite.rows import PlannedRow
from elrbench_plugins.commands.suite.size_picture import curves, size_picture
from elrbench_plugins.commands.suite.sizes import at_sizes, read_sizes
from elrbench_plugins.commands.suite.suite import Suite, SuiteRow

TOY = Path(__file__).with_name("toy.py")


def suite_of(**fields: str) -> Suite:
    row = SuiteRow(name="a", figures=("paper/table/a",), fields={"method": "kd", "dataset": "toy", **fields})
    return Suite(name="s", title="", about=(), seeds=(0,), rows=(row,))


def score(size: str, value: float, std: float | None = None, row: str = "a") -> ScoreLine:
    ours = Measured(value=value, std=std, clips=10, seeds=1 if std is None else 3)
    planned = PlannedRow(row=SuiteRow(name=f"{row}@{size}", fields={}), printed=())
    return ScoreLine(row=planned, metric="top1", printed=None, ours=ours, runs=1, of=1, state="")


def test_sizes_are_read_by_area_and_once():
    assert read_sizes("24x32, 6x8,12x16,6x8") == ("6x8", "12x16", "24x32")
    for text in ("", "12", "12x", "0x8", "12x16;6x8", "6x8,,9x9", "12X16"):
        with pytest.raises(ElrError, match="is not a list of heights and widths"):
            read_sizes(text)


@pytest.mark.parametrize(
    ("own", "asked", "names"),
    [
        (None, None, ["average-6x8", "average-9x12"]),
        ("average-12x16:clean", None, ["average-6x8:clean", "average-9x12:clean"]),
        ("average-12x16", "bicubic-HxW", ["bicubic-6x8", "bicubic-9x12"]),
        ("14x14-centre112", None, ["6x8-centre112", "9x12-centre112"]),
    ],
)
def test_the_size_in_the_name_of_the_degradation_is_replaced(own: str | None, asked: str | None, names: list[str]):
    found = at_sizes(suite_of(**({"degradation": own} if own else {})), ("6x8", "9x12"), asked)
    assert [row.fields["degradation"] for row in found.rows] == names
    assert [row.name for row in found.rows] == ["a@6x8", "a@9x12"]


def test_a_printed_figure_stays_at_its_size():
    found = at_sizes(suite_of(degradation="average-12x16"), ("6x8", "12x16"), None)
    assert [row.figures for row in found.rows] == [(), ("paper/table/a",)]


def test_a_degradation_without_a_size_is_refused():
    with pytest.raises(ElrError, match="row a: degradation 'native' has no size"):
        at_sizes(suite_of(degradation="native"), ("6x8",), None)


def test_the_curves_are_those_of_each_row_by_area():
    lines = [score("12x16", 0.5), score("6x8", 0.3, 0.02), score("12x16", 0.4, row="b")]
    metric, found = curves(lines)
    assert metric == "top1"
    assert {row: [(size, one.value) for size, one in curve] for row, curve in found.items()} == {
        "a": [("6x8", 0.3), ("12x16", 0.5)],
        "b": [("12x16", 0.4)],
    }


def test_the_picture_has_a_dot_per_score_a_line_per_pair_and_a_bar_per_deviation():
    content = size_picture([score("12x16", 0.5), score("6x8", 0.3, 0.02), score("12x16", 0.4, row="<b>")], "t & u")
    assert content is not None
    root = ElementTree.fromstring(content)
    tags = [element.tag.rpartition("}")[2] for element in root.iter()]
    words = [element.text for element in root.iter() if element.text]
    assert tags.count("circle") == 3 and {"t & u", "<b>", "a", "6x8", "12x16", "30.0", "50.0"} <= set(words)
    lines = [element for element in root.iter() if element.tag.endswith("line")]
    assert len([one for one in lines if one.get("stroke-width") == "1.5"]) == 1
    assert len([one for one in lines if one.get("stroke-opacity") == "0.5"]) == 1
    dots = [element for element in root.iter() if element.tag.endswith("circle")]
    assert dots[0].get("fill") != dots[2].get("fill")  # of two rows
    assert float(dots[0].get("cy") or 0) > float(dots[1].get("cy") or 0)  # 30 % is below 50 %
    assert size_picture([], "t") is None


def test_one_command_runs_the_sizes_and_draws_them(
    toy_catalog: Catalog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    call = caller(toy_catalog, capsys, monkeypatch)
    flags = "--method supervised --dataset toy --backbone toynet --budget smoke --size 24x32 --sizes 6x8,9x12 --cache c"
    code, out, err = call(*f"suite run resolutions --plugin {TOY} {flags} --json".split())
    assert code == 0, err
    told = json.loads(out)
    assert {row["row"] for row in told["rows"]} == {"student@6x8", "student@9x12"}
    assert b"student" in Path(told["plot"]).read_bytes()
