"""`elrbench predict`: test clips, unlabelled clips and single videos, and its errors."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_virat import spread, write_first, write_second

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Catalog, Section
from benchmark_core.cli import main
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

WEIGHTS = "recognizer.safetensors"
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The challenge's release: six clips each to train, to test and without labels, of 1 to 40 frames."""
    return write_second(tmp_path_factory.mktemp("v2"))


@pytest.fixture(scope="module")
def finished(toy_catalog: Catalog, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder, next to its `cache`."""
    folder = tmp_path_factory.mktemp("finished")
    settings = ("method.batch=3", "method.epochs=1")
    request = PlanRequest(
        method="supervised", dataset="tinyvirat-v2", backbone="toynet", budget="smoke", size="32x32", sampling="4x1",
        settings=settings,
    )  # fmt: skip
    plan = resolve_plan(toy_catalog, request)
    return run(
        plan,
        toy_catalog,
        RunContext(data=data, out=folder / "run", cache=folder / "cache", reporter=Silent(), device="cpu"),
    ).folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of the run folder, for tests that change it."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def call(
    toy_catalog: Catalog, finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Call:
    """`call(run folder, flags)` -> (exit code, stdout, stderr)."""
    monkeypatch.setattr(catalog_module, "load_catalog", lambda extra=(): toy_catalog)
    monkeypatch.delenv("ELRBENCH_DATA", raising=False)

    def predict(folder: Path, *flags: str | Path) -> tuple[int, str, str]:
        cache = finished.parent / "cache"
        with pytest.raises(SystemExit) as stopped:
            main(["predict", str(folder), "--cache", str(cache), "--device", "cpu", *map(str, flags)])
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return predict


def refused(answer: tuple[int, str, str], code: int = 2) -> str:
    """The one line of an error."""
    assert answer[0] == code
    line = answer[2].splitlines()[-1]
    assert line.startswith("elrbench: error: ") and "Traceback" not in answer[2]
    return line.removeprefix("elrbench: error: ")


def rebuilt(folder: Path, catalog: Catalog) -> LoadedRun:
    return load_run(folder, read_record(find_record(folder)), catalog)


def table(path: Path) -> list[list[str]]:
    """Rows of a predictions file, the header first."""
    with gzip.open(path, "rt", newline="") as file:
        return list(csv.reader(file))


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
    path, scores = write(spec, predicted, folder, tmp_path / "table.csv.gz")
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


# -- what stops it


def test_a_run_folder_without_a_run(call: Call, tmp_path: Path) -> None:
    line = refused(call(tmp_path / "gone"))
    assert line.startswith(f"'{tmp_path / 'gone'}' is neither a run folder nor a digest")
    assert f"{tmp_path} holds 0 run records" in refused(call(tmp_path))


def test_weights_of_another_structure(call: Call, folder: Path, data: Path) -> None:
    state = load_file(folder / WEIGHTS)
    head = next(name for name, value in state.items() if value.shape == (26, 8))
    save_file({**state, head: torch.zeros(12, 8)}, folder / WEIGHTS)
    line = refused(call(folder, "--data", data))
    assert f"do not match the structure of the record's plan: 1 of {len(state)} tensors" in line
    assert f"(first: {head}, found 12x8, expected 26x8); run the plan again" in line
    save_file({name: value for name, value in state.items() if name != head}, folder / WEIGHTS)
    assert f"first: {head}, found none, expected 26x8" in refused(call(folder, "--data", data))
    save_file({**state, "extra": torch.zeros(3)}, folder / WEIGHTS)
    assert "first: extra, found 3, expected none" in refused(call(folder, "--data", data))


def test_damaged_or_absent_weights(call: Call, folder: Path, data: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    for torn in (b"", content[:100], content[:-5]):
        (folder / WEIGHTS).write_bytes(torn)
        assert f"the weights {folder / WEIGHTS} cannot be read (" in refused(call(folder, "--data", data))
    (folder / WEIGHTS).unlink()
    assert f"the weights {folder / WEIGHTS} do not exist" in refused(call(folder, "--data", data))


def test_a_record_that_was_changed(call: Call, folder: Path, data: Path) -> None:
    path = find_record(folder)
    path.write_text(path.read_text().replace('"toynet"', '"resnet18"'))
    assert "checksum does not match" in refused(call(folder, "--data", data))


def test_an_absent_unlabelled_video(call: Call, folder: Path, data: Path, tmp_path: Path) -> None:
    """An absent test video is an error; absent labelled videos are not."""
    root = Path(shutil.copytree(data, tmp_path / "part"))
    shutil.rmtree(root / "videos" / "train")
    (root / "videos" / "test" / "00002.mp4").unlink()
    line = refused(call(folder, "--data", root, "--split", "pool"))
    assert (
        "1 of 6 clips cannot be decoded: 'test/00002'" in line
        and "No such file" in line
        and not (folder / "answer.txt").exists()
    )
    code, out, err = call(folder, "--data", root, "--split", "pool", "--bad-clips", "skip")
    assert code == 0 and "clip 'test/00002' is left out: No such file" in err
    assert "  1 more cannot be decoded and are left out (first: test/00002)" in out.splitlines()
    assert [line[:5] for line in (folder / "answer.txt").read_text().splitlines()] == [
        "00000", "00001", "00003", "00004", "00005",
    ]  # fmt: skip


def test_a_run_is_named_by_the_first_digits_of_its_digest(
    call: Call, folder: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = read_record(find_record(folder))["digest"]
    kept = tmp_path / "elrbench-runs" / digest
    kept.parent.mkdir()
    folder.rename(kept)
    monkeypatch.chdir(tmp_path)
    assert call(digest[:6], "--data", data)[0] == 0 and (kept / "predictions.csv.gz").is_file()  # type: ignore[arg-type]
    assert refused(call("ffff", "--data", data)).startswith("no run starts with 'ffff': ./elrbench-runs holds 1 other")  # type: ignore[arg-type]


def test_folders_that_cannot_be_read_or_written(call: Call, folder: Path, data: Path, tmp_path: Path) -> None:
    assert "pass --data DIR or set ELRBENCH_DATA" in refused(call(folder))
    assert "does not exist" in refused(call(folder, "--data", tmp_path / "gone"))
    assert refused(call(folder, "--data", data, "--out", tmp_path)).startswith(f"--out {tmp_path} is a folder")
    (tmp_path / "file").write_text("")
    assert "is a file" in refused(call(folder, "--data", data, "--out", tmp_path / "file" / "answer.txt"))


def test_any_folder_of_videos_can_be_predicted(
    toy_catalog: Catalog, toy_plan: Any, tmp_path: Path, call: Call, data: Path
) -> None:
    out = run(
        toy_plan,
        toy_catalog,
        RunContext(data=None, out=tmp_path / "run", cache=tmp_path / "c", reporter=Silent(), device="cpu"),
    ).folder
    code, told, _ = call(out, "--dataset", f"videos:{data / 'videos' / 'test'}", "--json")
    assert (code, json.loads(told)["split"], json.loads(told)["clips"]) == (0, "pool", 6)
    header, *rows = table(out / "predictions.csv.gz")
    assert header == ["id", "label", "probability", "left", "right", "moves"] and len(rows) == 6
    for row in rows:
        assert row[1] == header[3:][np.argmax(np.array(row[3:], float))] and 1 / 3 < float(row[2]) <= 1


def test_a_single_video_is_predicted(
    toy_catalog: Catalog, toy_plan: Any, tmp_path: Path, call: Call, data: Path, folder: Path
) -> None:
    video = data / "videos" / "test" / "00000.mp4"
    context = RunContext(out=tmp_path / "toy", cache=tmp_path / "c", device="cpu")
    single = run(toy_plan, toy_catalog, context).folder
    for out, label in ((single, r"  label: (left|right|moves) \(probability 0\.\d{4}\)"), (folder, "  label: ")):
        code, text, said = call(out, "--data", video)
        assert code == 0, said
        assert f"{video} is read as one unlabelled clip" in said
        assert re.match(label, text.splitlines()[1])
        _, row = table(out / "predictions.csv.gz")
        assert row[0] == "00000.mp4"
    notes = tmp_path / "notes.txt"
    notes.write_text("no clip")
    assert ".avi" in refused(call(single, "--data", notes)) and "not a video" in refused(call(single, "--data", notes))
    assert "does not exist" in refused(call(folder, "--data", data / "gone.mp4", "--dataset", "videos"))


def test_a_folder_without_the_runs_dataset_is_read_as_unlabelled_clips(
    toy_catalog: Catalog, toy_plan: Any, tmp_path: Path, call: Call, data: Path, folder: Path
) -> None:
    nested = tmp_path / "Some clips"
    shutil.copytree(data / "videos" / "test", nested / "deep" / "er")
    shutil.copy(nested / "deep" / "er" / "00000.mp4", nested)
    (nested / "notes.txt").write_text("no clip")
    drawn = run(
        toy_plan,
        toy_catalog,
        RunContext(data=None, out=tmp_path / "toy", cache=tmp_path / "c", reporter=Silent(), device="cpu"),
    ).folder
    for out, reason in (
        (drawn, "dataset 'toy' is drawn by code"),
        (folder, "it does not have the layout"),
    ):
        code, told, said = call(out, "--data", nested, "--json")
        assert code == 0, said
        found = json.loads(told)
        assert (code, found["dataset"], found["split"], found["clips"]) == (0, "videos:some-clips", "pool", 7)
        assert f"{nested} is read as a folder of unlabelled clips: {reason}" in said
        rows = {row[0]: row[1:] for row in table(out / "predictions.csv.gz")[1:]}
        assert rows["00000.mp4"] == rows["deep/er/00000.mp4"] and len(rows) == 7
    assert (
        json.loads(call(folder, "--data", data, "--json")[1])["dataset"] == "tinyvirat-v2"
    )  # the run's own dataset is recognised
    assert "expected" in refused(call(folder, "--data", nested, "--split", "test"))
    (tmp_path / "none").mkdir()
    assert "is empty" in refused(call(drawn, "--data", tmp_path / "none"))


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
