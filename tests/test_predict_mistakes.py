"""What stops `elrbench predict`: run folders, weights, videos and paths that cannot be read, each in one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from exported import refused
from predicting import Call, call, data, finished, folder
from safetensors.torch import load_file, save_file

from benchmark_core.records.record import find_record, read_record

__all__ = ["call", "data", "finished", "folder"]  # fixtures

WEIGHTS = "recognizer.safetensors"


def test_a_run_folder_without_a_run(call: Call, tmp_path: Path) -> None:
    line = refused(call(tmp_path / "gone"))
    assert line.startswith(f"'{tmp_path / 'gone'}' is neither the folder of a finished run nor a digest")
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
    assert f"--data {tmp_path / 'gone'} does not exist; pass a folder" in refused(
        call(folder, "--data", tmp_path / "gone")
    )
    assert refused(call(folder, "--data", data, "--out", tmp_path)).startswith(f"--out {tmp_path} is a folder")
    (tmp_path / "file").write_text("")
    assert "is a file" in refused(call(folder, "--data", data, "--out", tmp_path / "file" / "answer.txt"))
