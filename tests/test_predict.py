"""`elrbench predict`: test clips, unlabelled clips, and clips of another dataset of the same classes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exported import refused
from predicting import Call, call, data, finished, folder, table
from tiny_virat import spread, write_first, write_second

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Catalog, Section
from benchmark_core.cli.predict import write
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.clip_results import clip_decisions
from benchmark_core.records.record import find_record, read_record
from benchmark_core.records.verify import verify_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.loaded_run import LoadedRun, load_run, predict_clips
from benchmark_core.runs.runner import run
from benchmark_core.scoring.predicted import Predicted
from benchmark_core.scoring.predicted_labels import predicted_labels
from benchmark_core.scoring.predictions import read_predictions
from benchmark_core.specs.index import Drawn

__all__ = ["call", "data", "finished", "folder"]  # fixtures


def rebuilt(folder: Path, catalog: Catalog) -> LoadedRun:
    return load_run(folder, read_record(find_record(folder)), catalog)


def predict_unlabelled(loaded: LoadedRun, data: Path, cache: Path, **asked: Any) -> Predicted:
    return predict_clips(
        loaded, "pool", data=data, cache=cache, device=torch.device("cpu"), reporter=Silent(),
        **{"bad_clips": "fail", **asked},
    )  # fmt: skip


def test_predictions_of_test_clips_equal_those_of_the_run(call: Call, folder: Path, data: Path) -> None:
    record = read_record(find_record(folder))
    code, out, _ = call(folder, "--data", data, "--json")
    told = json.loads(out)
    assert (code, told["clips"], told["padded"], told["bad"]) == (0, 6, 3, [])
    assert told["scores"] == record["scores"]
    assert Path(told["file"]) == folder / "predictions.csv.gz"
    rows, recorded = table(folder / "predictions.csv.gz"), table(folder / record["predictions"]["file"])
    assert rows[0][:4] == ["id", "targets", "label", "probability"]
    assert [row[:2] + row[4:] for row in rows] == recorded


def test_label_and_probability_are_next_to_the_logits() -> None:
    logits = np.array([[2.0, 0.0, 0.0], [-1.0, 3.0, 1.0], [-1.0, -2.0, -3.0]])
    single = predicted_labels(logits, ("a", "b", "c"), multi_label=False)
    assert single["label"] == ["a", "b", "a"]
    assert float(single["probability"][0]) == pytest.approx(np.exp(2) / (np.exp(2) + 2), abs=1e-4)
    multi = predicted_labels(logits, ("a", "b", "c"), multi_label=True)
    assert multi["label"] == ["a", "b;c", ""]  # a logit of 0 is a probability of 0.5, which is not above 0.5
    both = [1 / (1 + np.exp(-3)), 1 / (1 + np.exp(-1))]
    assert [float(text) for text in multi["probability"][1].split(";")] == pytest.approx(both, abs=1e-4)
    assert multi["probability"][2] == ""


def test_a_multi_label_record_holds_its_decisions(folder: Path) -> None:
    record = read_record(find_record(folder))
    predictions = read_predictions(folder / record["predictions"]["file"])
    found = clip_decisions(record)
    assert record["primary"] == "f1_macro" and record["decisions"]["threshold"] == 0
    assert np.array_equal(found.truth, predictions.targets > 0)
    assert np.array_equal(found.predicted, predictions.logits > 0)
    assert verify_record(find_record(folder), folder).problems == ()


def test_unlabelled_test_clips_give_the_challenges_answer_file(
    call: Call, folder: Path, data: Path, toy_catalog: Catalog
) -> None:
    code, out, _ = call(folder, "--data", data, "--split", "pool")
    assert code == 0
    assert out.splitlines() == [
        "6 pool clips of tinyvirat-v2",
        "  3 are shorter than the view; their last frame is repeated",
        f"written: {folder / 'answer.txt'}",
    ]
    predicted = predict_unlabelled(rebuilt(folder, toy_catalog), data, folder.parent / "cache")
    assert predicted.ids == tuple(f"test/{number:05d}" for number in range(6)) and predicted.targets is None
    bits = (1 / (1 + np.exp(-predicted.logits.astype(np.float64))) > 0.5).astype(int)
    assert 0 < bits.sum() < bits.size  # an untrained network gives both
    lines = (folder / "answer.txt").read_text().splitlines()
    assert lines == [f"{number:05d} {' '.join(map(str, row))}" for number, row in enumerate(bits)]


def test_unlabelled_clips_give_a_table_without_targets(
    folder: Path, data: Path, toy_catalog: Catalog, tmp_path: Path
) -> None:
    loaded = rebuilt(folder, toy_catalog)
    spec = dataclasses.replace(loaded.components.dataset, answer=None)
    predicted = predict_unlabelled(loaded, data, tmp_path / "cache")
    path, scores = write(spec, predicted, folder, tmp_path / "table.csv.gz", Silent())
    assert scores is None
    header, *rows = table(path)
    assert header == ["id", "label", "probability", *spec.classes] and [row[0] for row in rows] == list(predicted.ids)
    assert np.allclose(np.array([row[3:] for row in rows], float), predicted.logits, rtol=1e-3)


def test_predicting_is_repeatable_and_changes_no_file_of_the_run(
    call: Call, folder: Path, finished: Path, data: Path, tmp_path: Path
) -> None:
    answers = []
    for name in "ab":
        code, _, _ = call(folder, "--data", data, "--split", "pool", "--out", tmp_path / name)
        assert code == 0
        answers.append((tmp_path / name).read_bytes())
    assert answers[0] == answers[1]
    _, _, err = call(folder, "--data", data, "--split", "pool", "--out", tmp_path / "a")
    assert f"replacing {tmp_path / 'a'}; --out FILE writes to another file" in err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in finished.iterdir()
    }


def test_another_dataset_of_the_same_classes(call: Call, folder: Path, tmp_path: Path) -> None:
    other = write_first(tmp_path / "first", train=1, test=2)
    code, out, _ = call(folder, "--data", other, "--dataset", "tinyvirat", "--json")
    told = json.loads(out)
    assert (code, told["dataset"], told["clips"]) == (0, "tinyvirat", 2) and told["scores"]["f1_macro"]["n"] == 2
    line = refused(call(folder, "--data", other, "--dataset", "tinyvirat", "--split", "pool"))
    assert line == f"dataset 'tinyvirat' lists no unlabelled clips under {other}; pass --split test for test clips"


def test_another_dataset_does_not_need_the_plugin_of_the_runs_dataset(
    call: Call, folder: Path, tmp_path: Path, toy_catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = toy_catalog.datasets
    fewer = Section("dataset", {name: old[name] for name in old if name != "tinyvirat-v2"})
    bare = dataclasses.replace(toy_catalog, datasets=fewer)
    monkeypatch.setattr(catalog_module, "load_catalog", lambda extra=(): bare)
    other = write_first(tmp_path / "first", train=1, test=2)
    code, out, _ = call(folder, "--data", other, "--dataset", "tinyvirat", "--json")
    assert (code, json.loads(out)["clips"]) == (0, 2)
    without = Section("backbone", {name: spec for name, spec in toy_catalog.backbones.items() if name != "toynet"})
    bare = dataclasses.replace(toy_catalog, backbones=without)
    assert "backbone 'toynet' is from the plugin 'toy'" in refused(call(folder, "--data", other))


def test_another_dataset_has_its_own_test_clips_after_a_holdout_run(
    toy_catalog: Catalog, tmp_path: Path, call: Call
) -> None:
    data = write_second(tmp_path / "v2", val=1, test=1)
    spread(data / "tiny_train_v2.json")
    request = PlanRequest(
        method="supervised", dataset="tinyvirat-v2", backbone="toynet", budget="smoke", size="32x32", sampling="4x1",
        settings=("method.batch=3", "method.epochs=1"), holdout=0.34,
    )  # fmt: skip
    plan, cache = resolve_plan(toy_catalog, request), tmp_path / "cache"
    run(plan, toy_catalog, RunContext(data=data, out=tmp_path / "run", cache=cache, reporter=Silent(), device="cpu"))
    other = write_first(tmp_path / "first", train=3, test=2)
    spread(other / "tiny_train.json")
    told = json.loads(call(tmp_path / "run", "--data", other, "--dataset", "tinyvirat", "--json")[1])
    assert (told["dataset"], told["clips"]) == ("tinyvirat", 2)


def test_a_dataset_with_other_classes_is_refused(call: Call, folder: Path, data: Path) -> None:
    line = refused(call(folder, "--dataset", "toy"))
    assert line.startswith(f"the recognizer in {folder} has 26 classes (first: Opening)")
    assert "dataset 'toy'" in line
    assert "takes clips as recorded" in refused(call(folder, "--dataset", "virat-crops", "--data", data))
    assert "unknown dataset 'tinyvirrat'. Did you mean 'tinyvirat'" in refused(call(folder, "--dataset", "tinyvirrat"))


def test_an_oracle_predicts_high_views(toy_catalog: Catalog, tmp_path: Path, call: Call) -> None:
    settings = ("method.batch=12", "method.epochs=1")
    request = PlanRequest(
        method="teacher", dataset="toy", backbone="toynet", budget="smoke", size="24x32", settings=settings
    )
    plan = resolve_plan(toy_catalog, request)
    out = run(
        plan, toy_catalog, RunContext(data=None, out=tmp_path / "run", cache=tmp_path, reporter=Silent(), device="cpu")
    ).folder
    code, told, _ = call(out, "--json")
    assert code == 0 and json.loads(told)["scores"] == read_record(find_record(out))["scores"]


def test_a_drawn_dataset_needs_no_folder(toy_catalog: Catalog, toy_plan: Any, tmp_path: Path, call: Call) -> None:
    out = run(
        toy_plan,
        toy_catalog,
        RunContext(data=None, out=tmp_path / "run", cache=tmp_path / "c", reporter=Silent(), device="cpu"),
    ).folder
    index = toy_catalog.datasets["toy"].read_index(None, "one", toy_plan.options("dataset"))
    assert isinstance(index.clips[0].source, Drawn)
    code, told, _ = call(out, "--json")
    assert code == 0 and json.loads(told)["scores"] == read_record(find_record(out))["scores"]
    assert "'toy' lists no unlabelled clips; pass --split test" in refused(call(out, "--split", "pool"))
    assert "reads no folder" in refused(call(out, "--data", tmp_path, "--split", "test"))
