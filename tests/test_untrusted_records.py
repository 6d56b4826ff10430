"""Records, costs and predictions from elsewhere: a bad file is refused by name, and the others are used."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_records import make_cost, make_record, put, put_scored

from benchmark_core.canonical import digest_of
from benchmark_core.cli import main
from benchmark_core.errors import ElrError
from benchmark_core.records.checksum import add_checksum, read_json
from benchmark_core.records.cost_record import read_cost
from benchmark_core.records.record import read_record, record_name

TARGETS = np.arange(30) % 3
LOGITS = np.random.default_rng(0).normal(size=(30, 3)) + 2 * np.eye(3)[TARGETS]
Call = Callable[..., tuple[int, str]]
KINDS = ("FIFO", "socket", "folder", "device")


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """`call("verify", "--folder", board)` -> (exit code, stdout and stderr)."""

    def run(*argv: str | Path) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stopped:
            main(list(map(str, argv)))
        return int(stopped.value.code or 0), "".join(capsys.readouterr())

    return run


def place(kind: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Something that is no regular file at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "socket":
        monkeypatch.chdir(path.parent)  # the address of a socket is short
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    return path


def edited(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the record in `path` as a forger does: with correct digests and checksum."""
    record = json.loads(path.read_text())
    change(record)
    record["digest"] = digest_of(record["plan"])
    path.write_text(json.dumps(add_checksum({key: value for key, value in record.items() if key != "seal"})))


# -- what is no regular file


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_that_is_no_regular_file_is_named_and_the_others_are_used(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    good = put_scored(tmp_path, TARGETS, LOGITS)
    bad = place(kind, good.with_name("x.json"), monkeypatch)
    code, text = call("verify", "--folder", tmp_path)
    assert code == 1 and f"{bad}: {bad} is a {kind}" in text.replace("is an", "is a") or f"{bad}: is a {kind}" in text
    assert "1 of 2 records are valid" in text
    code, text = call("verify", bad, "--folder", tmp_path)
    assert code != 0 and f"a {kind}" in text or "holds no run record" in text
    code, text = call("leaderboard", "--folder", tmp_path)
    assert code == 1 and f"left out: {bad} is a {kind}" in text
    assert (tmp_path / "tables/acts/split1/average-12x16.csv").read_text().count("\n") == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_cost_that_is_no_regular_file_is_named(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    put(tmp_path, make_record(), make_cost("net18-bilinear"))
    bad = place(kind, tmp_path / "costs/x.json", monkeypatch)
    code, text = call("leaderboard", "--folder", tmp_path)
    assert code == 1 and f"left out: {bad} is a {kind}" in text
    assert "net18-bilinear" in (tmp_path / "tables/costs.csv").read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_that_are_no_regular_file_are_named(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = put_scored(tmp_path, TARGETS, LOGITS)
    predictions = path.with_name(read_record(path)["predictions"]["file"])
    predictions.unlink()
    place(kind, predictions, monkeypatch)
    code, text = call("verify", "--folder", tmp_path)
    assert code == 1 and f"{predictions} is a {kind}" in text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", [("run", "--plan"), ("suite", "show")])
def test_a_plan_or_suite_that_is_no_regular_file_is_named(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch, kind: str, command: tuple[str, ...]
) -> None:
    bad = place(kind, tmp_path / "plan.yaml", monkeypatch)
    code, text = call(*command, bad)
    assert code == 2 and f"{bad} is a {kind}" in text and text.count("\n") == 1


# -- JSON that no record holds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (r'{"kind": "run", "note": "\ud800"}', "U+D800"),
        (r'{"\udfff": 1}', "U+DFFF"),
        (r'{"kind": ["\u0000"]}', "U+0000"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "the same key twice"),
        ('{"a":' * 60 + "1" + "}" * 60, "nested more than"),
        ("[" * 100_000 + "]" * 100_000, "recursion"),
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "Infinity"),
        (f'{{"a": {"9" * 5000}}}', "5000 digits"),
    ],
)
def test_json_that_no_record_holds(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ElrError) as caught:
        read_json(path)
    assert str(path) in str(caught.value) and words in str(caught.value) and "\n" not in str(caught.value)


def test_names_of_files_that_are_not_utf_8_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(r'{"bad": ["\udcff.avi", "\ud83d\ude00"]}')
    assert read_json(path) == {"bad": ["\udcff.avi", "\U0001f600"]}


@pytest.mark.parametrize("odd", ["\ud800", "\udcff", "\x1b[31m", "\u202e", "\r"], ids=ascii)
@pytest.mark.parametrize(
    "field", [("plan", "method"), ("plan", "fold"), ("primary",), ("track", "degradation"), ("device",)]
)
def test_odd_text_in_one_record_stops_no_command(tmp_path: Path, call: Call, odd: str, field: tuple[str, ...]) -> None:
    put_scored(tmp_path, TARGETS, LOGITS, method="good")
    bad = put_scored(tmp_path, TARGETS, LOGITS, method="bad")

    def change(record: dict[str, Any]) -> None:
        inner = record
        for key in field[:-1]:
            inner = inner[key]
        inner[field[-1]] += odd

    edited(bad, change)
    for command in ("leaderboard", "verify", "site"):
        code, text = call(command, "--folder", tmp_path, *(("--out", tmp_path / "site") if command == "site" else ()))
        assert odd not in text and (odd != "\ud800" or (code == 1 and str(bad) in text and "U+D800" in text))
    assert "good" in (tmp_path / "tables/acts/split1/average-12x16.md").read_text()
    assert odd == "\r" or odd not in (tmp_path / "tables/README.md").read_text(
        encoding="utf-8", errors="surrogateescape"
    )
    call("compare", bad, bad)


# -- numbers out of range


def run_fields(value: float) -> list[tuple[str, Any]]:
    """(dotted field, value) of every number of a run record that may not be `value`."""
    return [
        ("plan.seed", value), ("plan.size", [96, value]), ("plan.holdout", value), ("scores.top1.value", value),
        ("scores.top1.low", value), ("scores.top1.n", value), ("per_class.n", [value, 10, 10]),
        ("per_class.value", [value, 1.0, 1.0]), ("clips.train", value), ("clips.test", value), ("clips.padded", value),
        ("dataset.classes", value), ("updates", {"student": value}), ("timings", {"train_s": value}),
        ("stages", [{"name": "student", "key": "k", "reused": False, "seconds": value}]),
        ("unlabelled", {"name": "u", "clips": value, "manifest": "m", "tested": 0, "bad": []}),
    ]  # fmt: skip


@pytest.mark.parametrize("value", [-1, 10**299, 1e200], ids=["negative", "huge", "fraction"])
@pytest.mark.parametrize("number", range(len(run_fields(0))))
def test_a_run_record_with_a_number_out_of_range_is_refused(
    tmp_path: Path, call: Call, number: int, value: float
) -> None:
    field, wrong = run_fields(value)[number]
    path = put_scored(tmp_path, TARGETS, LOGITS)

    def change(record: dict[str, Any]) -> None:
        *outer, last = field.split(".")
        for key in outer:
            record = record[key]
        record[last] = wrong

    edited(path, change)
    record = json.loads(path.read_text())
    if field.startswith("plan."):
        path = path.rename(path.with_name(record_name(record)))
    code, text = call("verify", "--folder", tmp_path)
    assert code == 1 and field.partition(".")[0] in text and ("expected" in text or "is not an integer" in text)


@pytest.mark.parametrize("value", [-1, -0.5])
@pytest.mark.parametrize(
    "field",
    ["params.total", "params.head", "macs.view", "macs.clip", "macs.enhancer", "peak_memory", "kinds.convolution",
     "uncounted.aten::add", "latency.single.median", "latency.single.q1"],
)  # fmt: skip
def test_a_cost_with_a_number_out_of_range_is_refused(tmp_path: Path, call: Call, field: str, value: float) -> None:
    (path,) = put(tmp_path, make_cost("net18-bilinear", ms=1.0, device="cuda: x", kinds={"convolution": 1.0}))
    cost = json.loads(path.read_text())
    inner = cost
    *outer, last = field.split(".")
    for key in outer:
        inner = inner[key]
    inner[last] = value
    del cost["seal"]
    path.write_text(json.dumps(add_checksum(cost)))
    with pytest.raises(ElrError, match=f"'{field}' is"):
        read_cost(path)
    code, text = call("leaderboard", "--folder", tmp_path)
    assert code == 1 and str(path) in text


# -- predictions that unpack to much more than their clips


def packed_zeros(head: bytes, size: int) -> bytes:
    return gzip.compress(head + bytes(size), compresslevel=9)


def test_predictions_that_unpack_to_a_gibibyte_are_refused_by_their_number_of_clips(tmp_path: Path, call: Call) -> None:
    path = put_scored(tmp_path, TARGETS, LOGITS)
    predictions = path.with_name(read_record(path)["predictions"]["file"])
    predictions.write_bytes(packed_zeros(b"id,target,a,b,c\n", 64 << 20))
    sha256 = hashlib.sha256(predictions.read_bytes()).hexdigest()
    edited(path, lambda record: record["predictions"].update(sha256=sha256))
    code, text = call("verify", "--folder", tmp_path)
    assert code == 1 and str(predictions) in text and "unpacks to more than" in text

    def lie(record: dict[str, Any]) -> None:
        for score in record["scores"].values():
            score["n"] = 10**9

    edited(path, lie)  # the bits of `hits` say how many clips there are
    code, text = call("verify", "--folder", tmp_path)
    assert code == 1 and "unpacks to more than" in text


def test_long_ids_and_many_classes_are_read(tmp_path: Path, call: Call) -> None:
    classes = [f"class {number} {'x' * 100}" for number in range(300)]
    targets = np.arange(40) % 300
    put_scored(tmp_path, targets, np.eye(300)[targets], classes=classes)
    code, _ = call("verify", "--folder", tmp_path)
    assert code == 0


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("plan.size", []), ("plan.size", [1, 2, 3]), ("per_class.n", []), ("per_class.value", []), ("primary", "f9")],
)
def test_lists_of_another_length_are_named(tmp_path: Path, call: Call, field: str, wrong: Any) -> None:
    path = put_scored(tmp_path, TARGETS, LOGITS)
    *outer, last = field.split(".")
    edited(path, lambda record: (record[outer[0]] if outer else record).update({last: wrong}))
    for command in ("verify", "leaderboard"):
        code, text = call(command, "--folder", tmp_path)
        assert code == 1 and field.partition(".")[0] in text and str(path) in text


def test_a_predictions_file_with_a_name_too_long(tmp_path: Path, call: Call) -> None:
    path = put_scored(tmp_path, TARGETS, LOGITS)
    edited(path, lambda record: record["predictions"].update(file="x" * 5000))
    assert call("compare", path, path)[0] == 0
    assert call("verify", "--folder", tmp_path)[0] == 1
