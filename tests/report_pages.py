"""Reports that tests make: runs of seconds, one of hostile names, and a page read as a parser reads it."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import BUILTINS
from run_records import make_cost, make_record

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.cli import main
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.cost_record import write_cost
from benchmark_core.records.record import write_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import RunResult, run
from benchmark_core.scoring.predictions import write_predictions
from elrbench_plugins.commands.report import extras
from elrbench_plugins.commands.report.make import RunReport, add_numbers, leave_out_clips
from elrbench_plugins.commands.report.read_run import read_run

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
    plan = resolve_plan(catalog, PlanRequest(**{**asked, **fields}))
    out = folder / "runs" / plan.digest
    return run(plan, catalog, RunContext(data=data, out=out, cache=folder / "cache", reporter=Silent(), device="cpu"))


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


# -- names from outside


@pytest.fixture
def hostile(tmp_path: Path) -> RunReport:
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
    report = RunReport(run=read_run(folder))
    add_numbers(report)
    leave_out_clips(report, "; ".join(HOSTILE))
    return report
