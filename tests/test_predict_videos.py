"""`elrbench predict` of one's own videos: a folder of them, or a single one."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from exported import refused
from predicting import Call, call, data, finished, folder, table

from benchmark_core.catalog import Catalog
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run

__all__ = ["call", "data", "finished", "folder"]  # fixtures


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
