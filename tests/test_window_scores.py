"""F1 over windows: as the public code computes it, without the repeated tail, in the record and in the tables."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import BUILTINS
from run_records import put_scored

from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.cli.run import summary
from benchmark_core.errors import ElrError
from benchmark_core.networks.heads import HEADS
from benchmark_core.papers.collection import DataFile, Library, PapersOwner
from benchmark_core.papers.reported import METRICS, read_reported
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.checksum import add_checksum
from benchmark_core.records.consistency import RESULT_FIELDS, check_record, check_result
from benchmark_core.records.record import find_record, read_record
from benchmark_core.records.verify import verify_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.loaded_run import load_run
from benchmark_core.runs.prepare import prepare
from benchmark_core.runs.runner import RunResult, run
from benchmark_core.scoring.predict import interval_logits, predict
from benchmark_core.tables import build_tables
from elrbench_plugins.tinyvirat.windows import window_scores

NAMES = ("f1_macro_windows", "f1_macro_windows_logit0.5")
CPU = torch.device("cpu")


def by_the_public_code(logits: list[np.ndarray], targets: np.ndarray, threshold: float) -> float:
    """test_diva.py: every chunk is a sample with its clip's labels; the mean over classes of F1, 0 for 0/0."""
    predicted = np.concatenate(logits) > threshold
    truth = np.concatenate([np.repeat(row[None], len(clip), 0) for clip, row in zip(logits, targets, strict=True)]) > 0
    found = []
    for column in range(truth.shape[1]):
        both = int((predicted[:, column] & truth[:, column]).sum())
        either = int(predicted[:, column].sum() + truth[:, column].sum())
        found.append(2 * both / either if either else 0.0)
    return float(np.mean(found))


def test_the_scores_are_those_of_the_public_code() -> None:
    rng = np.random.default_rng(4)
    targets = (rng.random((30, 5)) < 0.3).astype(int)
    targets[:, 4] = 0  # a class without clips
    logits = [rng.normal(size=(rng.integers(1, 7), 5)) + row for row in targets]
    found = window_scores(logits, targets)
    assert tuple(found) == NAMES and set(NAMES) <= set(METRICS)
    for name, threshold in zip(NAMES, (0.0, 0.5), strict=True):
        score = found[name]
        assert score.value == pytest.approx(by_the_public_code(logits, targets, threshold), abs=1e-12)
        assert score.n == sum(map(len, logits)) and 0 <= score.low < score.high <= 1
    assert found == window_scores(logits, targets)  # the interval is seeded


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog([f"elrbench_plugins.{name}" for name in BUILTINS], entry_points=False)


def plan_of(catalog: Catalog, *settings: str, **fields: Any) -> Any:
    usual = {"method": "supervised", "dataset": "tiny-puppets", "backbone": "resnet3d-18", "size": "16x16"}
    tiny = ("dataset.train=4", "dataset.test=5", "dataset.frames=18", "dataset.largest=24", "method.batch=4")
    request = {**usual, "budget": "smoke", "sampling": "windows-8", "enhancer": "bilinear", **fields}
    return resolve_plan(catalog, PlanRequest(**request, settings=(*tiny, *settings)))


@pytest.fixture(scope="module")
def finished(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    folder = tmp_path_factory.mktemp("windows")
    return run(plan_of(catalog), catalog, RunContext(out=folder / "out", cache=folder / "cache", reporter=Silent()))


def test_a_run_on_windows_records_them(finished: RunResult, catalog: Catalog) -> None:
    record = finished.record
    assert tuple(record["window_scores"]) == NAMES and not set(NAMES) & set(record["scores"])
    loaded = load_run(finished.folder, read_record(find_record(finished.folder)), catalog)
    components = components_of(catalog, loaded.plan)
    cache = finished.folder.parent / "cache"
    views = prepare(loaded.plan, components, RunContext(out=finished.folder, cache=cache)).test_views(high=False)
    counts = [views._any_reader().count(clip) for clip in views.clips]
    assert any(count % 8 for count in counts)  # some clips have a last window that repeats frames
    assert views.whole_windows() == [max(count // 8, 1) for count in counts]

    with interval_logits(loaded.recognizer) as intervals:
        _, targets, logits = predict(
            loaded.recognizer, views, device=CPU, precision="fp32", high=False, reporter=Silent()
        )
    assert [len(each) for each in intervals] >= [-(-count // 8) for count in counts]
    for each, count, clip in zip(intervals, counts, logits, strict=True):
        assert np.allclose(each[: -(-count // 8)].mean(0), clip, atol=1e-5)  # a clip's logits are the mean over all
    whole = [each[: count // 8] for each, count in zip(intervals, counts, strict=True)]
    for name, threshold in zip(NAMES, (0.0, 0.5), strict=True):
        assert record["window_scores"][name]["n"] == sum(map(len, whole))
        assert record["window_scores"][name]["value"] == pytest.approx(by_the_public_code(whole, targets, threshold))
    assert all(name in summary(record, finished.folder, []) for name in NAMES)


def test_verify_says_that_they_cannot_be_checked(finished: RunResult, tmp_path: Path) -> None:
    found = verify_record(find_record(finished.folder), tmp_path)
    assert not found.problems and any("f1_macro_windows" in note for note in found.notes)
    assert "window_scores" not in RESULT_FIELDS  # a record without them is a record of the same result


def test_only_heads_that_classify_each_window_have_them() -> None:
    class Recognizer(torch.nn.Module):
        head: torch.nn.Module

    single, other = Recognizer(), Recognizer()
    single.head, other.head = HEADS["mean-logits"](torch.nn.Linear(3, 2)), torch.nn.Linear(3, 2)
    features, mask = torch.rand(4, 5, 3), torch.ones(4, 5)
    with interval_logits(single) as found:  # type: ignore[arg-type]
        single.head(features, mask)
    assert [each.shape for each in found] == [(5, 2)] * 4
    single.head(features, mask)
    assert len(found) == 4  # the hook is gone
    with interval_logits(other) as found:  # type: ignore[arg-type]
        other.head(features)
    assert found == []


def test_intervals_leave_the_record_as_it_was(catalog: Catalog, tmp_path: Path) -> None:
    plan = plan_of(catalog, backbone="efficientnet-lite0", sampling="2x1", size="32x32")
    record = run(plan, catalog, RunContext(out=tmp_path / "out", cache=tmp_path / "cache", reporter=Silent())).record
    assert "window_scores" not in record


LABELS = (np.random.default_rng(1).random((30, 3)) < 0.4).astype(int)
LOGITS = np.random.default_rng(0).normal(size=(30, 3)) + LABELS
WINDOWS = {name: {"value": 0.25, "low": 0.2, "high": 0.3, "n": 77, "interval": "bootstrap95"} for name in NAMES}
PAPER = """
paper: acme-2024
title: t
citation: c
tables:
  t1:
    printed: Table 1
    title: t
    common: {dataset: acts, protocol: split1, degradation: average-12x16, metric: f1_macro_windows_logit0.5}
    columns: {f1: {printed: F1, backbone: net18}}
    rows: {ours: {printed: Ours, figures: [24.0]}}
"""


def test_tables_show_them_and_compare_them_with_figures(tmp_path: Path) -> None:
    put_scored(tmp_path, LABELS, LOGITS, more={"window_scores": WINDOWS}, budget="paper", settings={})
    put_scored(tmp_path, LABELS, LOGITS, method="a-first")  # an older record
    suite = "common: {}\nrows: [{figure: acme-2024/t1/ours/f1, method: mine}]"
    file = DataFile("s", suite, PapersOwner("acme", "acme", "given", ""))
    library = Library({"acme-2024": read_reported(PAPER, "a", "acme-2024")}, {"s": file})
    made = build_tables(tmp_path, library)
    assert made.problems == ()
    page = made.files[tmp_path / "tables/acts/split1/average-12x16.md"]
    assert "| f1_macro_windows " in page and "| 25.00" in page
    rows = list(csv.DictReader(io.StringIO(made.files[tmp_path / "tables/acts/split1/average-12x16.csv"])))
    assert {row["method"]: row["f1_macro_windows"] for row in rows} == {"mine": "0.25", "a-first": ""}
    assert "+1.00" in page.partition("## Reported by papers")[2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": 1.5}, "'window_scores.f1_macro_windows.value' is 1.5"),
        ({"low": 0.9}, "'window_scores.f1_macro_windows' has an interval"),
        ({"n": "many"}, "'window_scores.f1_macro_windows.n' is not an integer"),
    ],
)
def test_scores_out_of_range_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    record = read_record(put_scored(tmp_path, LABELS, LOGITS, more={"window_scores": WINDOWS}))
    edited = {**WINDOWS, NAMES[0]: {**WINDOWS[NAMES[0]], **change}}
    with pytest.raises(ElrError, match=message):
        check_result(check_record(add_checksum({**record, "window_scores": edited})))
