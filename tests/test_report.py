"""`elrbench report`: the page of a real run, of runs of other kinds, of hostile names; what stops it; in a browser."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Browser, needs_browser
from conftest import BUILTINS
from run_records import make_cost, make_record
from test_flow import opencv
from tiny_virat import write_second

from benchmark_core import ElrError
from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.cli import main
from benchmark_core.plans.resolve import Request, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.cost_record import write_cost
from benchmark_core.records.publish import publish
from benchmark_core.records.record import find_record, write_record
from benchmark_core.records.sealed import seal
from benchmark_core.report import extras
from benchmark_core.report.make import Report, add_numbers, leave_out_clips
from benchmark_core.report.read import read_run
from benchmark_core.runs.deployed import load_run
from benchmark_core.runs.runner import RunResult, run
from benchmark_core.scoring.predictions import write_predictions

__all__ = ["opencv"]  # a fixture
TESTS = Path(__file__).parent
ABSENT = [name for name in extras.MODULES if importlib.util.find_spec(name) is None]
needs_extra = pytest.mark.skipif(bool(ABSENT), reason=f"the extra 'report' is not installed: {', '.join(ABSENT)}")
Call = Callable[..., tuple[int, str, str]]

HOSTILE = (
    "<script>alert(1)</script>",
    'say "it\'s" & </script>',
    "two\nlines",
    "\u202eevil\u05d0\u05d1",
    "</bdi><img src=x>",
)


# -- a page, read


class Page(HTMLParser):
    """What a page holds: its elements, its text, and whether every element that was opened was closed in turn."""

    VOID = ("meta", "link", "img", "br", "input")

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, (self.open[-3:], tag)
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif not self.open or self.open[-1] != "style":
            self.text.append(data)

    def count(self, tag: str) -> int:
        return sum(one == tag for one, _ in self.elements)

    @property
    def words(self) -> str:
        return " ".join("".join(self.text).split())

    @property
    def plots(self) -> dict[str, Any]:
        """What the page's script draws."""
        (data,) = [text for text in self.scripts if text.startswith('{"matrix"')]
        found: dict[str, Any] = json.loads(data)
        return found


def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def asks_for_nothing(page: Page) -> None:
    """Pictures are in the page, and nothing else has an address but links within it and to its neighbours."""
    for tag, attributes in page.elements:
        for key in ("src", "srcset", "href", "action", "data"):
            address = attributes.get(key) or ""
            assert not address or address.startswith(("data:", "#", "../", "report")), (tag, address)
        assert not any(key.startswith("on") for key in attributes), (tag, attributes)
    policy = next(each["content"] for tag, each in page.elements if each.get("http-equiv"))
    assert policy is not None and policy.startswith("default-src 'none'; script-src 'sha256-")


# -- runs


@pytest.fixture(scope="module")
def catalog_of_tests() -> Catalog:
    modules = [f"elrbench_plugins.{name}" for name in BUILTINS]
    return load_catalog([*modules, str(TESTS / "toy.py"), str(TESTS / "learnt.py")], entry_points=False)


def go(catalog: Catalog, folder: Path, **fields: Any) -> RunResult:
    """A run of seconds: its folder lies in `folder`/runs, its stages and clips in `folder`/cache."""
    asked: dict[str, Any] = {
        "dataset": "toy", "backbone": "toynet", "budget": "smoke", "size": "24x32",
        "settings": ("method.batch=12", "method.epochs=2"),
    }  # fmt: skip
    data = fields.pop("data", None)
    plan = resolve_plan(catalog, Request(**{**asked, **fields}))
    out = folder / "runs" / plan.digest
    return run(plan, catalog, data=data, out=out, cache=folder / "cache", reporter=Silent(), device="cpu")


@pytest.fixture(scope="module")
def cstat(catalog_of_tests: Catalog, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """Three stages: a teacher with a temporal attention module, a student without, and one that has learnt from it."""
    return go(catalog_of_tests, tmp_path_factory.mktemp("cstat"), method="cstat")


@pytest.fixture
def call(
    catalog_of_tests: Catalog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Call:
    """`call(run, cache, flags)` -> (exit code, stdout, stderr)."""
    monkeypatch.setattr(catalog_module, "load_catalog", lambda extra=(): catalog_of_tests)
    monkeypatch.delenv("ELRBENCH_DATA", raising=False)
    monkeypatch.chdir(tmp_path)

    def report(folder: Path | str, cache: Path, *flags: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["report", str(folder), "--cache", str(cache), "--device", "cpu", *map(str, flags)])
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return report


def cache_of(result: RunResult) -> Path:
    return result.folder.parents[1] / "cache"


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
    assert told["absent"] == {"enhanced": "enhancer 'bilinear' is not learnt"}
    page = read(tmp_path / "page.html")
    asks_for_nothing(page)
    assert {each["id"] for tag, each in page.elements if tag == "section"} == {
        "scores", "per_class", "matrix", "curves", "attention", "enhanced", "features", "extremes", "costs", "plan",
    }  # fmt: skip
    words = page.words
    for network in ("teacher-tam, on high views", "student, on low views", "joint = the run's network, on low views"):
        assert network in words
    assert "No bar of time for student: the head gives no weights of several intervals (a tap 'weights')." in words
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
    assert "teacher-tam is not shown: the bytes of its module.safetensors are not those that were written" in words
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
    assert f"not shown: {panels}: the weights {folder / 'recognizer.safetensors'} are not there" in out
    assert "not shown: curves: log.json is not in the run folder" in out
    assert page.words.count("Not shown: the weights") == 4 and page.count("img") == 0
    assert np.sum(page.plots["matrix"]["counts"]) == 12
    assert "no clips were asked for (--clips 0)" in call(folder, cache_of(cstat), "--clips", "0")[1]


@needs_extra
def test_clips_that_are_not_the_runs_are_not_shown(call: Call, cstat: RunResult, tmp_path: Path) -> None:
    folder = spoilt(cstat, tmp_path)
    path = find_record(folder)
    record = json.loads(path.read_text())
    record["dataset"]["manifest"] = "0123456789abcdef"
    path.write_text(json.dumps(seal({key: value for key, value in record.items() if key != "seal"})))
    out = call(folder, cache_of(cstat))[1]
    assert re.search(
        r"not shown: attention, .*, extremes: the clips are not those of the run: .* the record's 0123456789abcdef", out
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
    assert "No foreground: enhancer 'four-at-once' has no method 'attention'." in words
    assert "filter is not shown: what it fitted is no recognizer, but a part of one" in words


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
    assert page.words.count(label) == 3 and "No bar of time for" in page.words
    lines = [each["style"] for tag, each in page.elements if (each.get("class") or "").startswith("frames")]
    assert set(lines) == {"--count: 8" if "sampling" in fields else "--count: 2"}
    high = "high view, " in page.words[page.words.index("Best and worst clips As") :]
    assert high == (fields["method"] == "teacher")


@needs_extra
def test_foreground_is_drawn_where_an_enhancer_tells_it(
    call: Call, catalog_of_tests: Catalog, tmp_path: Path, monkeypatch: Any
) -> None:
    settings = ("method.batch=12", "method.epochs=1", "enhancer.epochs=1")
    made = go(catalog_of_tests, tmp_path, method="supervised", enhancer="framewise", settings=settings)
    own = load_run(made.folder, made.record, catalog_of_tests)
    type(own.recognizer.enhancer).attention = lambda self, low: self(low).mean(1, keepdim=True)
    monkeypatch.setattr("benchmark_core.report.make.load_run", lambda *_: own)
    assert call(made.folder, cache_of(made))[0] == 0
    words = read(made.folder / "report.html").words
    assert words.count("foreground attention, from ") == 3 and "No foreground" not in words


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
    assert code == 0 and out.count("not shown") == 1 and "not shown: enhanced: enhancer 'bilinear' is not learnt" in out
    page = read(made.folder / "report.html")
    assert "as recorded, " in page.words and "high view, " not in page.words
    assert "Classes that come together" in page.words and "Confusion matrix" not in page.words
    plots = page.plots
    assert plots["metric"] == "F1" and plots["matrix"]["multi"] and len(plots["features"]) == 6
    code, out, _ = call(made.folder, cache_of(made))
    assert code == 0 and "extremes: dataset 'tinyvirat-v2' lies in a folder: give --data ROOT" in out
    gone = call(made.folder, cache_of(made), "--data", tmp_path / "gone")
    assert refused(gone).startswith("dataset 'tinyvirat-v2' is not at")


@needs_extra
def test_two_streams_lead_to_their_own_reports(
    call: Call, catalog_of_tests: Catalog, tmp_path: Path, opencv: None
) -> None:
    settings = ("method.batch=12", "method.epochs=1")
    made = go(catalog_of_tests, tmp_path, method="supervised", modality="rgb+flow", settings=settings)
    flow = made.parts[1].folder
    assert call(flow, cache_of(made))[0] == 0
    assert "the run's network, on low views" in read(flow / "report.html").words
    code, out, _ = call(made.folder, cache_of(made))
    assert code == 0 and "extremes: two streams were fused, and each has its own report" in out
    page = read(made.folder / "report.html")
    links = [each["href"] for tag, each in page.elements if tag == "a" and "report.html" in (each["href"] or "")]
    assert links == [f"../{part.record['digest']}/report.html" for part in made.parts]
    assert (made.folder / links[1]).is_file() and not (made.folder / links[0]).exists()
    assert f"report of {flow.name}" in page.words and f"elrbench report {made.parts[0].folder} makes" in page.words
    shutil.rmtree(made.parts[0].folder)
    assert call(made.folder, cache_of(made))[0] == 0
    assert f"there is no run folder {made.parts[0].folder}" in read(made.folder / "report.html").words


# -- what stops it


def test_a_folder_that_is_gone_and_a_digest_of_none(call: Call, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(extras, "check_extra", lambda: None)
    assert refused(call("elrbench-runs/gone", tmp_path)).startswith("there is no run folder elrbench-runs/gone")
    assert refused(call("abcdef", tmp_path)).startswith("there is no run 'abcdef' in elrbench-runs")
    (tmp_path / "empty").mkdir()
    assert "holds 0 run records, not one" in refused(call("empty", tmp_path))


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
    assert "its seal does not fit its content" in refused(call(folder, tmp_path))
    path.write_text(json.dumps(whole))
    predictions = folder / whole["predictions"]["file"]
    content = predictions.read_bytes()
    predictions.unlink()
    assert refused(call(folder, tmp_path)) == f"{predictions} is not there; run its plan again"
    predictions.write_bytes(content[:-1])
    assert f"{predictions} is not the file that its record was scored from" in refused(call(folder, tmp_path))
    write_predictions(predictions, ["a", "b"], np.array([0, 1]), np.zeros((2, 3)), ["left", "right", "moves"])
    whole["predictions"]["sha256"] = hashlib.sha256(predictions.read_bytes()).hexdigest()
    path.write_text(json.dumps(seal({key: value for key, value in whole.items() if key != "seal"})))
    assert f"{predictions} is of other clips: 2, where the record has 12" in refused(call(folder, tmp_path))


def test_an_extra_that_is_not_installed_is_named(monkeypatch: Any) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "sklearn" else object())
    with pytest.raises(
        ElrError, match=r"^a report needs the extra 'report' \(sklearn\): pip install 'elrbench\[report\]'$"
    ):
        extras.check_extra()


@needs_extra
def test_a_log_that_is_none(call: Call, cstat: RunResult, tmp_path: Path) -> None:
    """Of another shape it costs its panel; torn, it is named."""
    folder = spoilt(cstat, tmp_path)
    for content in ('{"student": [{"loss": "high"}]}', '{"student": 3}', "[]", '{"student": [{"loss": true}]}'):
        (folder / "log.json").write_text(content)
        code, out, _ = call(folder, cache_of(cstat), "--clips", "0")
        assert code == 0 and "not shown: curves: log.json is not a log of stages, epochs and figures" in out, content
    (folder / "log.json").write_text('{"student": [')
    assert refused(call(folder, cache_of(cstat))).startswith(f"{folder / 'log.json'} is not whole JSON")


# -- names from outside


@pytest.fixture
def hostile(tmp_path: Path) -> Report:
    """A record whose classes, clips, plugin, stages and notes have names that would be markup, made by hand."""
    pytest.importorskip("jinja2", reason="the extra 'report' is not installed: jinja2")
    classes = list(HOSTILE)
    ids = sorted(f"{name}/{number}" for number, name in enumerate(HOSTILE))
    targets = np.arange(len(ids))
    logits = np.eye(len(ids))[::-1].copy()
    hits = logits.argmax(axis=1) == targets
    record = make_record(hits, method="mine:a", degradation="average-12x16", more={"notes": list(HOSTILE)})
    record |= {
        "per_class": {"classes": classes, "n": [1] * 5, "value": [float(hit) for hit in hits]},
        "dataset": {"manifest": "feed", "classes": 5},
        "stages": [{"name": name, "key": "k", "reused": False, "seconds": 1.5} for name in HOSTILE],
        "plugins": {"method": {"name": "mine", "plugin": HOSTILE[0], "distribution": HOSTILE[1], "version": "1"}},
        "clips": {"train": 30, "test": 5, "bad": [HOSTILE[0]], "padded": 0},
    }
    folder = tmp_path / "run"
    folder.mkdir()
    path = write_predictions(folder / record["predictions"]["file"], ids, targets, logits, classes)
    record["predictions"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    write_record(folder, {key: value for key, value in record.items() if key != "seal"})
    write_cost(folder, make_cost(record["structure"], device=HOSTILE[1], ms=2.0))
    (folder / "log.json").write_text(json.dumps({name: [{"epoch": 0, name: 1.0}] for name in HOSTILE}))
    report = Report(run=read_run(folder))
    add_numbers(report)
    leave_out_clips(report, "; ".join(HOSTILE))
    return report


def test_names_show_as_text(hostile: Report) -> None:
    from benchmark_core.report.page import render

    text = render(hostile)
    page = Page(text)
    asks_for_nothing(page)
    assert page.count("script") == 4 and page.count("img") == 0  # the data, two libraries, the page's own
    assert not any("alert" in script for script in page.scripts[1:])
    together = "".join(page.text)
    for name in HOSTILE:
        assert together.count(name) >= 7, name
    assert page.plots["matrix"]["classes"] == list(HOSTILE)
    assert "<script>alert" not in text and "<img" not in text
    assert "2.00 [2.00, 2.00]" in page.words


# -- in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as found:
        yield found


@needs_browser
def test_hostile_names_in_a_browser(hostile: Report, browser: Browser, tmp_path: Path) -> None:
    from benchmark_core.report.page import render

    path = tmp_path / "page.html"
    path.write_text(render(hostile), encoding="utf-8")
    page = browser.open(path)
    assert page.complaints == [] and page.requests == [path.as_uri(), "data:,"][: len(page.requests)]
    cells = page.value(
        "[...document.querySelectorAll('#per_class tbody td:first-child')].map(each => each.textContent)"
    )
    assert cells == list(HOSTILE)
    stages = page.value("[...document.querySelectorAll('#curves .plot h3')].map(each => each.textContent)")
    assert stages == list(HOSTILE)
    axis = page.value("[...document.querySelectorAll('#matrix svg text')].map(each => each.textContent)")
    assert "<script>aler" in " ".join(axis) and page.value("document.images.length") == 0
    page.close()


@needs_extra
@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_in_a_browser(
    call: Call, cstat: RunResult, browser: Browser, tmp_path: Path, width: int, dark: bool
) -> None:
    """It asks for nothing, complains of nothing, draws every plot, and scrolls in one direction alone."""
    path = tmp_path / "page.html"
    assert call(cstat.folder, cache_of(cstat), "--out", path)[0] == 0
    page = browser.open(path, width=width, dark=dark)
    assert [each for each in page.requests if not each.startswith("data:")] == [path.as_uri()]
    assert page.complaints == []
    drawn = page.value("[...document.querySelectorAll('[data-plot]')].map(each => each.querySelectorAll('svg').length)")
    assert len(drawn) == 4 and all(drawn)
    assert page.value("document.documentElement.scrollWidth") <= width
    broken = "[...document.images].filter(each => !each.complete || !each.naturalWidth).length"
    assert page.value("document.images.length") > 10 and page.value(broken) == 0
    ink, paper = (page.value(f"getComputedStyle(document.body).{key}") for key in ("color", "backgroundColor"))
    lightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, paper)]
    assert (lightness[0] > lightness[1]) == dark and abs(lightness[0] - lightness[1]) > 450
    text = page.value("getComputedStyle(document.querySelector('#per_class svg text')).fill")
    assert text == ink  # the plots follow
    page.close()


@needs_extra
@needs_browser
def test_it_is_read_by_keyboard(call: Call, cstat: RunResult, browser: Browser, tmp_path: Path) -> None:
    """Tab reaches links, tables and folded tables; Enter unfolds them."""
    path = tmp_path / "page.html"
    call(cstat.folder, cache_of(cstat), "--out", path, "--clips", "0")
    page = browser.open(path)
    reached: list[Sequence[str]] = []
    for _ in range(16):
        page.press("Tab")
        reached.append(page.value("[document.activeElement.tagName, document.activeElement.textContent]"))
        if reached[-1][0] == "SUMMARY":
            break
    assert ["A", "Plan"] in reached and reached[-1] == ["SUMMARY", "The same as a table"]
    page.press("Enter")
    assert page.value("document.querySelector('#per_class details').open")
    page.close()
