"""Records: sealed, checked, written whole, published."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_records import bits, make_cost, make_record, put

from benchmark_core.cli.run import summary
from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import Plan
from benchmark_core.records import (
    add_checksum,
    publish,
    read_cost,
    read_record,
    verify_checksum,
    write_cost,
    write_record,
)
from benchmark_core.records.clip_results import clip_hits
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.files import run_files, track_path
from benchmark_core.records.record import find_record, record_name, without_top5
from benchmark_core.scoring.predictions import write_predictions
from benchmark_core.scoring.scores import score


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    record = make_record(bits(0, 3, n=11), method="mine:a+b", seed=3)
    path = write_record(tmp_path / "new", record)
    assert path == tmp_path / "new" / f"mine-a-b-{record['digest']}.json"
    assert read_record(path) == record
    assert np.flatnonzero(clip_hits(read_record(path))).tolist() == [0, 3]
    assert [file.name for file in path.parent.iterdir()] == [path.name]  # no temporary file is left
    assert path.read_bytes().endswith(b"}\n") and b"\r" not in path.read_bytes()


def test_the_plan_of_a_record_is_what_a_plan_writes() -> None:
    plan = Plan(**{**make_record()["plan"], "size": (96, 128)})
    record = make_record(**plan.to_json())
    assert record["digest"] == plan.digest and Plan.from_json(record["plan"]) == plan


def test_scores_go_into_a_record_as_they_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    single = score(rng.normal(size=(9, 2)), rng.integers(0, 2, 9), "ab").to_json()
    path = write_record(tmp_path, make_record(more=single))
    assert read_record(path)["scores"] == single["scores"]
    multi = score(rng.normal(size=(9, 2)), rng.integers(0, 2, (9, 2)), "ab").to_json()
    path = write_record(tmp_path, make_record(scores=multi["scores"], more=multi, seed=1))
    assert read_record(path)["primary"] == "f1_macro" and read_record(path)["hits"] is None


def test_a_checksum_detects_changes_but_not_reordering() -> None:
    record = make_record()
    verify_checksum(dict(reversed(record.items())))
    changed = {**record, "device": "other"}
    with pytest.raises(ElrError, match="checksum does not match"):
        verify_checksum(changed)
    verify_checksum(add_checksum(changed))


def test_a_number_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ElrError, match="not finite"):
        add_checksum({"timings": {"train_s": float("nan")}})


def _edited(record: dict[str, Any], *path: str, to: Any = None, drop: bool = False) -> dict[str, Any]:
    copy = json.loads(json.dumps(record))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    if drop:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return copy


@pytest.mark.parametrize(
    ("edit", "reseal", "message"),
    [
        ({"path": ["scores", "top1", "value"], "to": 0.9}, False, "checksum does not match"),
        ({"path": ["schema"], "to": 2}, True, r"newer elrbench \(schema 2, not 1\); update elrbench"),
        ({"path": ["schema"], "to": "1"}, True, "its schema is '1', not 1"),
        ({"path": ["kind"], "to": "cost"}, True, "not a run record"),
        ({"path": ["track"], "drop": True}, True, "'track' is missing"),
        ({"path": ["plan", "budget"], "drop": True}, True, "'plan.budget' is missing"),
        ({"path": ["plan", "seed"], "to": True}, True, "'plan.seed' is not an integer"),
        ({"path": ["scores", "top1", "low"], "to": "0"}, True, "'scores.top1.low' is not a number"),
        ({"path": ["stages"], "to": {}}, True, "'stages' is not a list"),
        ({"path": ["stages"], "to": [1]}, True, r"'stages\[0\]' is not an object"),
        ({"path": ["track", "task"], "to": "both"}, True, "'track.task' is not 'single-label' or 'multi-label'"),
        ({"path": ["track", "pooled"], "to": 1}, True, "'track.pooled' is not true or false"),
        ({"path": ["plan", "seed"], "to": 5}, True, "'digest' is [0-9a-f]{16}, but the digest of its plan is"),
        ({"path": ["track", "folds"], "to": ["2"]}, True, "'plan.fold' is '1', which is not in 'track.folds'"),
        ({"path": ["primary"], "to": "f1"}, True, "'primary' is 'f1', which is not in 'scores'"),
        ({"path": ["scores", "top1", "high"], "to": 41.0}, True, "'scores.top1.high' is 41.0; expected 1 or less"),
        ({"path": ["per_class", "n"], "to": [1]}, True, "'per_class' does not have the 2 classes"),
        ({"path": ["notes"], "to": "alone"}, True, "'notes' is not a list"),
        ({"path": ["notes"], "to": [1]}, True, r"'notes\[0\]' is not text"),
        ({"path": ["hits"], "to": "AAAA AAAA"}, True, "not base64"),
        ({"path": ["hits"], "to": "AA=="}, True, "1 bytes, which do not fit 20 clips"),
    ],
)
def test_a_bad_record_is_named_in_one_line(tmp_path: Path, edit: dict[str, Any], reseal: bool, message: str) -> None:
    record = _edited(make_record(), *edit["path"], to=edit.get("to"), drop=edit.get("drop", False))
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(add_checksum(record) if reseal else record))
    with pytest.raises(ElrError, match=message) as caught:
        read_record(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", '{"schema": 1, "kind": "run", "di', "NaN", "\x00", "[" * 100_000, "[1]", "null"])
def test_what_is_no_record_at_all_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(ElrError, match="not valid JSON|not a run record") as caught:
        read_record(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_more_keys_of_the_same_schema_are_no_error(tmp_path: Path) -> None:
    path = write_record(tmp_path, make_record(more={"note": "fused"}))
    assert read_record(path)["note"] == "fused"  # type: ignore[typeddict-item]


def test_a_wrong_record_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ElrError, match="'plan.budget' is missing"):
        write_record(tmp_path, _edited(make_record(), "plan", "budget", drop=True))
    assert not list(tmp_path.iterdir())


def test_names_of_any_script_survive(tmp_path: Path) -> None:
    clips = {"train": 1, "test": 20, "bad": ["größe/回.avi", "\udcff.avi"], "padded": 0}
    path = write_record(tmp_path, make_record(more={"clips": clips}))
    assert read_record(path)["clips"] == clips and "größe/回.avi" in path.read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ElrError, match="cannot be written"):
        write_record(tmp_path / "file" / "folder", make_record())


def test_a_write_that_fails_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_record(tmp_path, make_record())
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ElrError, match="No space left on device"):
        write_record(tmp_path, make_record(more={"device": "other"}))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_cost_records(tmp_path: Path) -> None:
    cost = make_cost("net18-bilinear", device="cuda: NVIDIA H100 80GB", ms=1.25)
    path = write_cost(tmp_path, cost)
    assert path.name == "net18-bilinear-cuda-NVIDIA-H100-80GB.json" and read_cost(path) == cost
    path.write_text(json.dumps(add_checksum(_edited(cost, "macs", "clip", drop=True))))
    with pytest.raises(ElrError, match="'macs.clip' is missing"):
        read_cost(path)
    with pytest.raises(ElrError, match="'latency.single' is missing"):
        write_cost(tmp_path, {**cost, "latency": {"ms": 1}})


def test_paths_are_made_of_safe_names_only() -> None:
    track = {"dataset": "../../etc", "protocol": "split:1+2", "degradation": "average-12x16,sigma_noise=4.0"}
    assert track_path(track).parts == ("-..-etc", "split-1-2", "average-12x16,sigma_noise=4.0")
    record = make_record(method="a/b:c")
    assert record_name(record) == f"a-b-c-{record['digest']}.json"


def test_records_are_listed_by_name_whatever_the_disk_says(tmp_path: Path) -> None:
    paths = put(tmp_path, *(make_record(method=name, dataset=data) for data in "ba" for name in ("z", "y")))
    (tmp_path / "records" / ".part.json").write_text("")
    assert run_files(tmp_path) == [paths[3], paths[2], paths[1], paths[0]]
    assert run_files(tmp_path / "nowhere") == []


def finished_run(folder: Path, logit: float = 1.0) -> RunRecord:
    """A run folder as a run leaves it."""
    record = make_record()
    predictions = write_predictions(
        folder / record["predictions"]["file"], "abc", np.array([0, 1, 0]), np.full((3, 2), logit), "ab"
    )
    record["predictions"]["sha256"] = hashlib.sha256(predictions.read_bytes()).hexdigest()
    (folder / "log.json").write_text('{"student": []}')
    (folder / "recognizer.safetensors").write_bytes(b"weights")
    write_cost(folder, make_cost(record["structure"]))
    return read_record(write_record(folder, record))


def test_publish_copies_record_predictions_and_cost_and_nothing_else(tmp_path: Path) -> None:
    run, board = tmp_path / "run", tmp_path / "board"
    record = finished_run(run)
    written = publish(run, board)
    stem = f"records/acts/split1/average-12x16/mine-{record['digest']}"
    names = [f"{stem}.predictions.csv.gz", "costs/net18-bilinear-cpu-test.json", f"{stem}.json"]
    assert [path.relative_to(board).as_posix() for path in written] == names
    assert sorted(path for path in board.rglob("*") if path.is_file()) == sorted(written)
    assert read_record(written[-1]) == record
    assert publish(run, board) == written  # again is no harm


def test_publish_says_that_it_replaces_a_measurement_of_cost(tmp_path: Path) -> None:
    run, board, said = tmp_path / "run", tmp_path / "board", list[str]()
    record = finished_run(run)
    _, cost, _ = publish(run, board, say=said.append)
    publish(run, board, say=said.append)
    assert said == []  # the same again
    write_cost(run, {**make_cost(record["structure"]), "peak_memory": 5.0})
    publish(run, board, say=said.append)
    assert len(said) == 1 and str(cost) in said[0] and "replaced" in said[0]
    other = {**make_cost(record["structure"]), "device": "cpu:test"}  # comes to the same file name
    write_cost(board / "costs", other)
    with pytest.raises(ElrError, match="device 'cpu:test', not of 'cpu: test'; move it away"):
        publish(run, board)


def test_publish_never_replaces_another_result(tmp_path: Path) -> None:
    finished_run(tmp_path / "one")
    record = finished_run(tmp_path / "two", logit=2.0)
    *_, published = publish(tmp_path / "one", tmp_path / "board")
    before = published.read_bytes()
    with pytest.raises(ElrError, match=f"{record['digest']}.json has a different result .* .predictions.*delete it"):
        publish(tmp_path / "two", tmp_path / "board")
    assert published.read_bytes() == before
    path = find_record(tmp_path / "one")  # the same predictions, scored otherwise
    write_record(tmp_path / "one", {**read_record(path), "updates": {"student": 41}})
    with pytest.raises(ElrError, match=f"{record['digest']}.json has a different result .* .updates.*delete it"):
        publish(tmp_path / "one", tmp_path / "board")
    assert published.read_bytes() == before


def test_a_broken_cost_in_the_leaderboards_stops_it_before_the_first_write(tmp_path: Path) -> None:
    record = finished_run(tmp_path / "run")
    broken = write_cost(tmp_path / "board" / "costs", make_cost(record["structure"]))
    broken.write_text("{")
    with pytest.raises(ElrError):
        publish(tmp_path / "run", tmp_path / "board")
    assert not (tmp_path / "board" / "records").exists()


def test_publish_refuses_what_is_not_one_whole_run(tmp_path: Path) -> None:
    board, run = tmp_path / "board", tmp_path / "run"
    with pytest.raises(ElrError, match="the run folder .* does not exist"):
        publish(run, board)
    run.mkdir()
    with pytest.raises(ElrError, match="holds 0 run records"):
        publish(run, board)
    record = finished_run(run)
    predictions = run / record["predictions"]["file"]
    predictions.write_bytes(b"other")
    with pytest.raises(ElrError, match="not the file that its record was scored from"):
        publish(run, board)
    predictions.unlink()
    with pytest.raises(ElrError, match="does not exist"):
        publish(run, board)
    write_record(run, make_record(seed=1))
    with pytest.raises(ElrError, match="holds 2 run records"):
        publish(run, board)
    assert not board.exists()


def test_publish_refuses_predictions_over_a_mebibyte(tmp_path: Path) -> None:
    record = make_record()
    big = tmp_path / record["predictions"]["file"]
    big.write_bytes(bytes((1 << 20) + 1))
    record["predictions"]["sha256"] = hashlib.sha256(big.read_bytes()).hexdigest()
    write_record(tmp_path, record)
    with pytest.raises(ElrError, match="1.00 MiB; the limit is 1 MiB"):
        publish(tmp_path, tmp_path / "board")


def test_publish_takes_no_path_from_a_record(tmp_path: Path) -> None:
    record = make_record()
    record["predictions"]["file"] = "../secret"
    (tmp_path / "secret").write_text("x")
    write_record(tmp_path / "run", record)
    with pytest.raises(ElrError, match="names a wrong predictions file, '../secret'"):
        publish(tmp_path / "run", tmp_path / "board")


@pytest.mark.parametrize(("classes", "primary", "shown"), [(9, "top1", False), (10, "top1", True), (9, "top5", True)])
def test_a_runs_summary_shows_top5_from_ten_classes(classes: int, primary: str, shown: bool) -> None:
    record = make_record(more={"dataset": {"manifest": "feed", "classes": classes}, "primary": primary})
    text = summary(record, Path("run"), [])
    assert "top1" in text and ("top5" in text) is shown


def test_top5_is_printed_from_ten_classes_on():
    scores = {"top1": 0.5, "top5": 0.9}
    assert list(without_top5(scores, 9, "top1")) == ["top1"]
    assert list(without_top5(scores, 10, "top1")) == ["top1", "top5"] == list(without_top5(scores, 9, "top5"))
