"""What `elrbench hub` refuses: runs that cannot be shared, and places that cannot be pulled to."""

from __future__ import annotations

import gzip
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
from exported import Call, refused
from safetensors.torch import load_file
from shared_models import FREE, call, finished, shared

from benchmark_core.canonical import digest_of
from benchmark_core.records.record import find_record, read_record, write_record
from elrbench_plugins.commands.hub.model_files import WEIGHTS

__all__ = ["call", "finished", "shared"]  # fixtures

pytest.importorskip("fsspec", reason="the extra 'hub' is not installed")


def test_a_folder_that_is_no_run(call: Call, finished: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "0 run records" in refused(call("hub", "push", tmp_path / "empty", tmp_path / "x", *FREE))
    assert "neither the folder of a finished run nor a digest" in refused(
        call("hub", "push", "nonsense/x", tmp_path / "x", *FREE)
    )
    (tmp_path / "file").touch()
    assert "neither a run folder nor a file" in refused(call("hub", "push", tmp_path / "file", tmp_path / "x", *FREE))
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    (run / WEIGHTS).write_bytes(pickle.dumps({"weight": [1.0]}))
    assert "not a safetensors file" in refused(call("hub", "push", run, tmp_path / "x", *FREE))
    (run / WEIGHTS).unlink()
    assert "do not exist" in refused(call("hub", "push", run, tmp_path / "x", *FREE))
    assert not (tmp_path / "x").exists()


def test_predictions_of_another_run_are_not_shared(call: Call, finished: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    (path,) = run.glob("*.predictions.csv.gz")
    path.write_bytes(gzip.compress(b"id,target\n"))
    assert "is not the file that its record was scored from" in refused(call("hub", "push", run, tmp_path / "x", *FREE))


@pytest.mark.parametrize("flags", [("--public",), ("--message", "hello")])
def test_options_of_hugging_face_are_refused_for_folders(
    call: Call, finished: Path, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    text = refused(call("hub", "push", finished, tmp_path / "x", *FREE, *flags))
    assert flags[0] in text and "hf://OWNER/NAME" in text and not (tmp_path / "x").exists()


def test_a_run_of_two_streams_is_shared_in_parts(call: Call, finished: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    path = find_record(folder)
    record = dict(read_record(path))
    del record["seal"]
    path.unlink()
    plan: dict[str, Any] = {**record["plan"], "modality": "rgb+flow"}  # type: ignore[dict-item]
    parts = [digest_of({**plan, "modality": stream}) for stream in ("rgb", "flow")]
    predictions = {"file": f"supervised-{digest_of(plan)}.predictions.csv.gz", "sha256": "0" * 64}
    write_record(
        folder, {**record, "plan": plan, "digest": digest_of(plan), "fused": parts, "predictions": predictions}
    )
    text = refused(call("hub", "push", folder, tmp_path / "x", *FREE))
    assert "is the mean of two runs" in text and all(part in text for part in parts)


def test_where_to_pull_to(shared: Path, call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "is a file" in refused(call("hub", "pull", shared, "--out", tmp_path / "file"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    assert "already holds something else (mine" in refused(call("hub", "pull", shared, "--out", tmp_path / "full"))
    (tmp_path / "empty").mkdir()
    assert call("hub", "pull", shared, "--out", tmp_path / "empty")[0] == 0
    assert load_file(tmp_path / "empty" / WEIGHTS)
    assert "does not exist or is empty" in refused(call("hub", "pull", tmp_path / "absent", "--out", tmp_path / "x"))
    assert "--out" in refused(call("hub", "pull", shared))


def test_a_full_disk_is_noticed_first(
    shared: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 90, 10))
    assert "less is free" in refused(call("hub", "pull", shared, "--out", tmp_path / "model"))
