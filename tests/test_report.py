"""`elrbench report`: the page of a real run, of runs of other kinds; what stops it."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import BUILTINS
from report_pages import (
    Call,
    asks_for_nothing,
    cache_of,
    call,
    catalog_of_tests,
    cstat,
    go,
    needs_extra,
    read,
)
from test_flow import opencv
from tiny_virat import write_second
from videos import labelled

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.records.checksum import add_checksum
from benchmark_core.records.publish import publish
from benchmark_core.records.record import find_record
from benchmark_core.runs.loaded_run import load_run
from benchmark_core.runs.runner import RunResult
from benchmark_core.scoring.predictions import write_predictions
from elrbench import ElrError
from elrbench_plugins.commands.report import extras

__all__ = ["call", "catalog_of_tests", "cstat", "opencv"]  # fixtures
TESTS = Path(__file__).parent


def spoilt(result: RunResult, folder: Path) -> Path:
    """A copy of a run folder, to be spoilt."""
    return Path(shutil.copytree(result.folder, folder / result.folder.name))


def refused(answer: tuple[int, str, str]) -> str:
    """The one line of an error, exit 2."""
    assert answer[0] == 2, answer
    line = answer[2].splitlines()[-1]
    assert line.startswith("elrbench: error: ") and "Traceback" not in answer[2]
    return line.removeprefix("elrbench: error: ")


# -- the page of a run


@needs_extra
def test_a_run_with_its_stages(call: Call, cstat: RunResult, tmp_path: Path) -> None:
    code, out, _ = call(cstat.folder, cache_of(cstat), "--out", tmp_path / "page.html", "--json")
    told = json.loads(out)
    assert code == 0 and told["file"] == str(tmp_path / "page.html")
    assert told["absent"] == {"enhanced": "enhancer 'bilinear' has no trained weights"}
    page = read(tmp_path / "page.html")
    asks_for_nothing(page)
    assert {each["id"] for tag, each in page.elements if tag == "section"} == {
        "scores", "per_class", "matrix", "curves", "attention", "enhanced", "features", "extremes", "costs", "plan",
    }  # fmt: skip
    words = page.words
    for network in ("teacher-tam, on high views", "student, on low views", "joint = the run's network, on low views"):
        assert network in words
    assert "No weights over time for student: the head has no output 'weights' for several intervals." in words
    bars = [each for tag, each in page.elements if each.get("class") == "bar"]
    assert len(bars) == 3 * 2 * 2  # clips, networks with the module, intervals
    assert "parameters (M)" in words and "method.lr" in words and "average-12x16" in words
    plots = page.plots
    n = cstat.record["scores"]["top1"]["n"]
    assert np.sum(plots["matrix"]["counts"]) == n == len(plots["features"])
    assert {plot["stage"] for plot in plots["curves"]} == {"teacher-tam", "student", "joint"}
    hits = round(cstat.record["scores"]["top1"]["value"] * n)
    assert np.trace(plots["matrix"]["counts"]) == hits


@needs_extra
def test_the_weights_of_intervals_sum_to_one(call: Call, cstat: RunResult, tmp_path: Path) -> None:
    call(cstat.folder, cache_of(cstat), "--out", tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    weights = [float(found) for found in re.findall(r'class="weight">([\d.]+)<', text)]
    assert len(weights) == 12 and np.allclose(np.reshape(weights, (6, 2)).sum(axis=1), 1, atol=0.011)


@needs_extra
def test_the_same_run_makes_the_same_page(call: Call, cstat: RunResult, tmp_path: Path) -> None:
    for name in ("one.html", "other.html"):
        assert call(cstat.folder, cache_of(cstat), "--out", tmp_path / name)[0] == 0
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "other.html").read_bytes()


@needs_extra
def test_a_run_by_its_digest_and_a_cache_without_its_stages(call: Call, cstat: RunResult, tmp_path: Path) -> None:
    """What is missing is named stage by stage; the run's own network is drawn all the same."""
    folder = spoilt(cstat, tmp_path / "elrbench-runs")
    code, out, _ = call(cstat.record["digest"][:6], tmp_path / "fresh", "--clips", "1")
    assert code == 0 and out.splitlines()[-1] == f"written: {Path('elrbench-runs') / folder.name / 'report.html'}"
    words = read(folder / "report.html").words
    assert words.count("is not shown: its stage is not in the cache") == 3
    assert "the run's network, on low views" in words and "teacher-tam, on high views" not in words


@needs_extra
def test_a_damaged_stage_is_not_drawn(call: Call, cstat: RunResult, tmp_path: Path) -> None:
    cache = Path(shutil.copytree(cache_of(cstat), tmp_path / "cache"))
    (weights,) = cache.glob("stages/teacher-tam-*/module.safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    call(cstat.folder, cache, "--out", tmp_path / "page.html")
    words = read(tmp_path / "page.html").words
    assert "teacher-tam is not shown: its module.safetensors differs" in words
    assert "student, on low views" in words


@needs_extra
def test_without_clips_the_rest_is_written(call: Call, cstat: RunResult, tmp_path: Path) -> None:
    folder = spoilt(cstat, tmp_path)
    (folder / "log.json").unlink()
    (folder / "recognizer.safetensors").unlink()
    code, out, _ = call(folder, cache_of(cstat))
    assert code == 0
    page = read(folder / "report.html")
    panels = "attention, enhanced, features, extremes"
    assert f"not shown: {panels}: the weights {folder / 'recognizer.safetensors'} do not exist" in out
    assert "not shown: curves: log.json is not in the run folder" in out
    assert page.words.count(f"Not shown: the weights {folder}") == 4 and page.count("img") == 0
    assert np.sum(page.plots["matrix"]["counts"]) == 12
    assert "no clips were asked for (--clips 0)" in call(folder, cache_of(cstat), "--clips", "0")[1]


@needs_extra
def test_clips_that_are_not_the_runs_are_not_shown(call: Call, cstat: RunResult, tmp_path: Path) -> None:
    folder = spoilt(cstat, tmp_path)
    path = find_record(folder)
    record = json.loads(path.read_text())
    record["dataset"]["manifest"] = "0123456789abcdef"
    path.write_text(json.dumps(add_checksum({key: value for key, value in record.items() if key != "seal"})))
    out = call(folder, cache_of(cstat))[1]
    assert re.search(
        r"not shown: attention, .*, extremes: the clips differ from those of the run: .* recorded 0123456789abcdef", out
    )


@needs_extra
def test_a_method_that_is_not_installed(call: Call, cstat: RunResult, tmp_path: Path, monkeypatch: Any) -> None:
    few = load_catalog([f"elrbench_plugins.{name}" for name in BUILTINS], entry_points=False)
    monkeypatch.setattr(catalog_module, "load_catalog", lambda extra=(): few)
    code, out, _ = call(cstat.folder, cache_of(cstat), "--out", tmp_path / "page.html")
    assert code == 0 and "extremes: unknown dataset 'toy'" in out


# -- runs of other kinds


@needs_extra
def test_a_run_behind_a_learnt_enhancer(call: Call, catalog_of_tests: Catalog, tmp_path: Path) -> None:
    """Four frames at once, of which one is kept; the enhancer's own stage is no network."""
    settings = ("method.batch=12", "method.epochs=1", "enhancer.epochs=1")
    made = go(catalog_of_tests, tmp_path, method="supervised", enhancer="four-at-once", settings=settings)
    code, out, _ = call(made.folder, cache_of(made))
    words = read(made.folder / "report.html").words
    assert code == 0 and "by four-at-once, 24x32" in words
    assert "No foreground attention: enhancer 'four-at-once' has no method 'attention'." in words
    assert "filter is not shown: it trained a part of a recognizer, not a whole one" in words


@needs_extra
@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({"method": "teacher"}, "teacher = the run's network, on high views"),
        ({"method": "supervised", "degradation": "bicubic-6x8"}, "student = the run's network, on low views"),
        ({"method": "supervised", "sampling": "9x1"}, "student = the run's network, on low views"),
    ],
    ids=["scored on high views", "degraded after its box is cut", "more intervals than are shown"],
)
def test_other_views(call: Call, catalog_of_tests: Catalog, tmp_path: Path, fields: dict[str, str], label: str) -> None:
    made = go(catalog_of_tests, tmp_path, settings=("method.batch=12", "method.epochs=1"), **fields)
    code, out, _ = call(made.folder, cache_of(made))
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == ["not", "written:"]
    page = read(made.folder / "report.html")
    assert page.words.count(label) == 3 and "No weights over time for" in page.words
    lines = [each["style"] for tag, each in page.elements if (each.get("class") or "").startswith("frames")]
    assert set(lines) == {"--count: 8" if "sampling" in fields else "--count: 2"}
    high = "high view, " in page.words[page.words.index("Best and worst clips Network input") :]
    assert high == (fields["method"] == "teacher")


@needs_extra
def test_foreground_is_drawn_where_an_enhancer_tells_it(
    call: Call, catalog_of_tests: Catalog, tmp_path: Path, monkeypatch: Any
) -> None:
    settings = ("method.batch=12", "method.epochs=1", "enhancer.epochs=1")
    made = go(catalog_of_tests, tmp_path, method="supervised", enhancer="framewise", settings=settings)
    own = load_run(made.folder, made.record, catalog_of_tests)
    type(own.recognizer.enhancer).attention = lambda self, low: self(low).mean(1, keepdim=True)
    monkeypatch.setattr("elrbench_plugins.commands.report.make.load_run", lambda *_: own)
    assert call(made.folder, cache_of(made))[0] == 0
    words = read(made.folder / "report.html").words
    assert words.count("foreground attention, from ") == 3 and "No foreground attention" not in words


@needs_extra
def test_a_page_is_never_published(call: Call, cstat: RunResult, tmp_path: Path) -> None:
    folder = spoilt(cstat, tmp_path)
    assert call(folder, cache_of(cstat), "--clips", "0")[0] == 0 and (folder / "report.html").is_file()
    publish(folder, tmp_path / "board")
    assert {path.suffix for path in (tmp_path / "board").rglob("*.*")} == {".json", ".gz"}


@needs_extra
def test_clips_with_several_labels(call: Call, catalog_of_tests: Catalog, tmp_path: Path) -> None:
    """F1s, classes that come together in place of the confusion matrix, and clips as recorded, of their own sizes."""
    data = write_second(tmp_path / "data")
    settings = ("method.batch=3", "method.epochs=1")
    asked = {"method": "supervised", "dataset": "tinyvirat-v2", "size": "32x32", "sampling": "4x1"}
    made = go(catalog_of_tests, tmp_path, data=data, settings=settings, **asked)
    code, out, _ = call(made.folder, cache_of(made), "--data", data)
    assert (
        code == 0
        and out.count("not shown") == 1
        and "not shown: enhanced: enhancer 'bilinear' has no trained weights" in out
    )
    page = read(made.folder / "report.html")
    assert "as recorded, " in page.words and "high view, " not in page.words
    assert "Label co-occurrence" in page.words and "Confusion matrix" not in page.words
    plots = page.plots
    assert plots["metric"] == "F1" and plots["matrix"]["multi"] and len(plots["features"]) == 6
    code, out, _ = call(made.folder, cache_of(made))
    assert code == 0 and "extremes: dataset 'tinyvirat-v2' needs its files: pass --data DIR" in out
    gone = call(made.folder, cache_of(made), "--data", tmp_path / "gone")
    assert refused(gone).startswith("dataset 'tinyvirat-v2': the folder ")


@needs_extra
def test_a_folder_of_ones_own_needs_data(call: Call, tmp_path: Path, catalog_of_tests: Catalog) -> None:
    """The record names the dataset `folder:mine`, but not where it is."""
    root = labelled(tmp_path / "mine")
    catalog, name = catalog_of_tests.with_folder(f"folder:{root}")
    made = go(catalog, tmp_path, data=root, method="supervised", dataset=name, sampling="2x1")
    code, out, _ = call(made.folder, cache_of(made))
    assert code == 0 and "the folder of dataset 'folder:mine'; pass --data DIR" in out and "Catalog" not in out
    code, out, _ = call(made.folder, cache_of(made), "--data", root)
    assert code == 0 and "--data" not in out


def test_two_streams_lead_to_their_own_reports(
    call: Call, catalog_of_tests: Catalog, tmp_path: Path, opencv: None
) -> None:
    settings = ("method.batch=12", "method.epochs=1")
    made = go(catalog_of_tests, tmp_path, method="supervised", modality="rgb+flow", settings=settings)
    flow = made.streams[1].folder
    assert call(flow, cache_of(made))[0] == 0
    assert "the run's network, on low views" in read(flow / "report.html").words
    code, out, _ = call(made.folder, cache_of(made))
    assert code == 0 and "extremes: this run fuses two streams" in out
    page = read(made.folder / "report.html")
    links = [each["href"] for tag, each in page.elements if tag == "a" and "report.html" in (each["href"] or "")]
    assert links == [f"../{part.record['digest']}/report.html" for part in made.streams]
    assert (made.folder / links[1]).is_file() and not (made.folder / links[0]).exists()
    assert f"report of {flow.name}" in page.words and f"elrbench report {made.streams[0].folder} writes" in page.words
    shutil.rmtree(made.streams[0].folder)
    assert call(made.folder, cache_of(made))[0] == 0
    assert f"the run folder {made.streams[0].folder} does not exist" in read(made.folder / "report.html").words


# -- what stops it


def test_a_folder_that_is_gone_and_a_digest_of_none(call: Call, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(extras, "check_extra", lambda: None)
    assert refused(call("elrbench-runs/gone", tmp_path)).startswith(
        "'elrbench-runs/gone' is neither the folder of a finished"
    )
    assert refused(call("abcdef", tmp_path)).startswith("no run starts with 'abcdef': ./elrbench-runs holds no runs")
    (tmp_path / "empty").mkdir()
    assert "holds 0 run records" in refused(call("empty", tmp_path))


def test_records_and_predictions_that_do_not_fit(
    call: Call, cstat: RunResult, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(extras, "check_extra", lambda: None)
    folder = spoilt(cstat, tmp_path)
    path = find_record(folder)
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({**whole, "schema": 2}))
    assert "written by a newer elrbench (schema 2, not 1)" in refused(call(folder, tmp_path))
    path.write_text(json.dumps({**whole, "primary": "top5"}))
    assert "checksum does not match" in refused(call(folder, tmp_path))
    path.write_text(json.dumps(whole))
    predictions = folder / whole["predictions"]["file"]
    content = predictions.read_bytes()
    predictions.unlink()
    assert refused(call(folder, tmp_path)).startswith(f"{predictions} does not exist")
    predictions.write_bytes(content[:-1])
    assert f"{predictions} is not the file that its record was scored from" in refused(call(folder, tmp_path))
    write_predictions(predictions, ["a", "b"], np.array([0, 1]), np.zeros((2, 3)), ["left", "right", "moves"])
    whole["predictions"]["sha256"] = hashlib.sha256(predictions.read_bytes()).hexdigest()
    path.write_text(json.dumps(add_checksum({key: value for key, value in whole.items() if key != "seal"})))
    assert f"{predictions} has different clips than its record: 2, " in refused(call(folder, tmp_path))


def test_an_extra_that_is_not_installed_is_named(monkeypatch: Any) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "sklearn" else object())
    with pytest.raises(ElrError, match=r"the extra 'report': pip install -e '\.\[report\]'.*sklearn"):
        extras.check_extra()


@needs_extra
def test_a_log_that_is_none(call: Call, cstat: RunResult, tmp_path: Path) -> None:
    """Of another shape it costs its panel; torn, it is named."""
    folder = spoilt(cstat, tmp_path)
    for content in ('{"student": [{"loss": "high"}]}', '{"student": 3}', "[]", '{"student": [{"loss": true}]}'):
        (folder / "log.json").write_text(content)
        code, out, _ = call(folder, cache_of(cstat), "--clips", "0")
        assert code == 0 and "not shown: curves: log.json is not a log of stages, epochs and values" in out, content
    (folder / "log.json").write_text('{"student": [')
    assert refused(call(folder, cache_of(cstat))).startswith(f"{folder / 'log.json'} is not valid JSON")
