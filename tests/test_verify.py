"""`elrbench verify`: valid records pass, and every kind of fault is named."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_records import put_scored

from benchmark_core.cli import main
from benchmark_core.records.checksum import add_checksum
from benchmark_core.records.record import read_record
from benchmark_core.records.verify import verify_record
from benchmark_core.scoring.fusion import fuse
from benchmark_core.scoring.predictions import read_predictions

TARGETS = np.arange(30) % 3
LOGITS = np.random.default_rng(0).normal(size=(30, 3)) + 2 * np.eye(3)[TARGETS]
LABELS = (np.random.default_rng(1).random((30, 3)) < 0.4).astype(int)
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """`call("--json")` -> (exit code, stdout, stderr)."""

    def verify(*argv: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["verify", *map(str, argv)])
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return verify


def edit(path: Path, change: Callable[[dict[str, Any]], object], *, sealed: bool = True) -> None:
    """Change the record in `path`, by default with a correct checksum."""
    record = json.loads(path.read_text())
    change(record)
    del record["seal"]
    path.write_text(json.dumps(add_checksum(record) if sealed else {**record, "seal": "0" * 64}))


def problems(path: Path, board: Path) -> list[str]:
    return list(verify_record(path, board).problems)


def test_records_that_hold(tmp_path: Path, call: Call) -> None:
    one = put_scored(tmp_path, TARGETS, LOGITS, method="one")
    put_scored(tmp_path, LABELS, LOGITS, dataset="several")
    put_scored(tmp_path, LABELS, LOGITS, dataset="older", decisions=False)
    code, out, err = call("--folder", tmp_path)
    assert code == 0 and err.startswith("verify: 3/3 records")
    assert out.startswith("3 of 3 records are valid")
    code, out, _ = call(one, "--json")
    told = json.loads(out)
    assert (code, told["records"], told["failed"]) == (0, 1, 0)
    digest = read_record(one)["digest"]
    assert told["results"] == [{"path": str(one), "digest": digest, "ok": True, "problems": [], "notes": []}]


def test_the_published_records_hold(call: Call) -> None:
    board = Path(__file__).parents[1] / "leaderboards"
    code, out, _ = call("--folder", board, "--json")
    told = json.loads(out)
    assert code == 0 and told["records"] >= 35
    assert {problem for each in told["results"] for problem in each["problems"]} == set()


def test_a_record_that_was_edited_by_hand_is_named_with_what_was_changed(tmp_path: Path, call: Call) -> None:
    path = put_scored(tmp_path, TARGETS, LOGITS)
    good = put_scored(tmp_path, TARGETS, LOGITS, method="good")
    value = read_record(path)["scores"]["top1"]["value"]
    path.write_text(path.read_text().replace(f'"value": {value}', '"value": 0.95', 1))
    code, out, err = call("--folder", tmp_path)
    assert code == 1 and err.startswith("verify: 2/2 records")
    first, second, last = out.splitlines()
    assert first.startswith(f"{path}: its checksum does not match")
    assert second == f"{path}: scores.top1.value is 0.95, but its predictions give {value:.6g}"
    assert last.startswith("1 of 2 records")
    assert problems(good, tmp_path) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda r: r["scores"]["top1"].update(value=0.5),
            "scores.top1.value is 0.5, but its predictions give 0.866667",
        ),
        (lambda r: r["scores"]["top1"].update(low=0.9), "the interval of scores.top1 is [0.9, 0.9"),
        (lambda r: r["scores"]["top1"].update(interval="bootstrap95"), "scores.top1.interval is bootstrap95"),
        (lambda r: r["scores"].update(top9=r["scores"]["top1"]), "'scores.top9' is not a score"),
        (lambda r: r["scores"]["top5"].update(n=29), "scores.top5.n is 29, but its predictions give 30"),
        (lambda r: r["per_class"]["value"].__setitem__(1, 0.1), "per_class.value of 'b' is 0.1"),
        (lambda r: r["per_class"]["value"].__setitem__(1, None), "per_class.value of 'b' is None"),
        (lambda r: r["per_class"]["n"].__setitem__(0, 9), "per_class.n of 'a' is 9, but its predictions give 10"),
        (lambda r: r.update(hits="AAAAAA=="), "'hits' do not match"),
        (lambda r: r["clips"].update(test=7), "'clips.test' is 7, but 30 clips"),
        (lambda r: r["predictions"].update(sha256="0" * 64), "is not the file that its record was scored from"),
        (lambda r: r["predictions"].update(file="../x"), "names a wrong predictions file, '../x'"),
        (lambda r: r["per_class"].update(classes=["a", "c", "b"]), "different classes than its record"),
        (lambda r: r["plan"].update(seed=4), ", but the digest of its plan is "),
        (lambda r: r["plan"].pop("seed"), "'plan.seed' is missing"),
    ],
)
def test_a_record_that_was_sealed_again_is_found_by_its_predictions(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    path = put_scored(tmp_path, TARGETS, LOGITS)
    edit(path, change)
    (found,) = problems(path, tmp_path)
    assert message in found and "\n" not in found


def test_a_multi_label_record(tmp_path: Path) -> None:
    path = put_scored(tmp_path, LABELS, LOGITS)
    assert problems(path, tmp_path) == []
    edit(path, lambda r: r["scores"]["map"].update(value=0.1234))
    assert problems(path, tmp_path)[0].startswith("scores.map.value is 0.1234, but its predictions give 0.")
    other = put_scored(tmp_path, LABELS, -LOGITS, seed=1)
    edit(other, lambda r: r.update(decisions={**r["decisions"], "predicted": "AAAA"}))
    assert "'decisions' do not match" in problems(other, tmp_path)[0]


def test_a_bootstrap_interval_of_another_numpy_is_said_and_an_edited_one_refused(tmp_path: Path) -> None:
    path = put_scored(tmp_path, LABELS, LOGITS)
    score = read_record(path)["scores"]["f1_macro"]
    low, high = score["low"], score["high"]

    def moved(by: float, numpy: str) -> None:
        def change(record: dict[str, Any]) -> None:
            record["scores"]["f1_macro"]["low"] = low + by * (high - low)
            record["versions"]["numpy"] = numpy

        edit(path, change)

    moved(0.05, np.__version__)
    assert problems(path, tmp_path) == [
        f"the interval of scores.f1_macro is [{low + 0.05 * (high - low):.6g}, {high:.6g}], but its predictions give "
        f"[{low:.6g}, {high:.6g}]"
    ]
    moved(0.05, "1.26.0")
    found = verify_record(path, tmp_path)
    assert found.problems == () and len(found.notes) == 1
    assert "the interval of f1_macro is" in found.notes[0] and "numpy 1.26.0" in found.notes[0]
    moved(0.4, "1.26.0")
    assert len(problems(path, tmp_path)) == 1


def test_a_score_that_records_did_not_hold_then_is_a_note(tmp_path: Path, call: Call) -> None:
    path = put_scored(tmp_path, LABELS, LOGITS)
    edit(path, lambda r: r["scores"].pop("map"))
    code, out, _ = call(path)
    assert code == 0
    assert out.splitlines()[0].startswith(f"{path}: note: it has no map")


def test_predictions_that_were_changed_or_are_gone(tmp_path: Path) -> None:
    path = put_scored(tmp_path, TARGETS, LOGITS)
    file = path.with_name(read_record(path)["predictions"]["file"])
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()) + b" "))
    assert problems(path, tmp_path)[0].startswith(f"{file} is not the file that its record was scored from")
    file.unlink()
    assert problems(path, tmp_path)[0].startswith(f"{file} does not exist")


def test_a_fused_record_is_the_mean_of_its_runs(tmp_path: Path) -> None:
    other = np.random.default_rng(5).normal(size=(30, 3))
    paths = [
        put_scored(tmp_path, TARGETS, logits, modality=modality)
        for modality, logits in (("rgb", LOGITS), ("flow", other))
    ]
    parts = [read_predictions(path.with_name(read_record(path)["predictions"]["file"])) for path in paths]
    more = {"fused": [read_record(path)["digest"] for path in paths]}
    good = put_scored(tmp_path, TARGETS, fuse(parts).logits, modality="rgb+flow", more=more)
    assert verify_record(good, tmp_path).problems == verify_record(good, tmp_path).notes == ()
    put_scored(tmp_path, TARGETS, LOGITS, modality="rgb+flow", more=more)
    assert problems(good, tmp_path) == ["its predictions are not the mean of the runs that it fuses"]
    paths[1].unlink()
    found = verify_record(good, tmp_path)
    assert found.problems == () and "was not checked" in found.notes[0]


def test_a_record_in_another_tracks_folder(tmp_path: Path, call: Call) -> None:
    path = put_scored(tmp_path, TARGETS, LOGITS)
    away = tmp_path / "records" / "other" / "split1" / "native"
    shutil.copytree(path.parent, away)
    code, out, _ = call("--folder", tmp_path)
    assert code == 1
    assert out.splitlines()[0].startswith(f"{away / path.name}: its content belongs at {path}")
    deep = tmp_path / "records" / "deep" / path.name
    deep.parent.mkdir()
    shutil.copy(path, deep)
    assert any("content belongs at" in problem for problem in problems(deep, tmp_path))
    renamed = path.rename(path.with_name("mine.json"))
    assert any(str(path) in problem for problem in problems(renamed, tmp_path / "elsewhere"))  # by its folders


def test_what_cannot_be_read_falls_short_and_the_rest_is_checked(tmp_path: Path, call: Call) -> None:
    path = put_scored(tmp_path, TARGETS, LOGITS)
    cut = put_scored(tmp_path, TARGETS, LOGITS, seed=1)
    cut.write_text(cut.read_text()[:200])
    odd = path.with_name("odd.json")
    odd.write_text("{}")
    code, out, _ = call("--folder", tmp_path)
    lines = out.splitlines()
    assert code == 1 and lines[-1].startswith("1 of 3 records")
    assert any(
        line.startswith(f"{cut}") and "not valid JSON" in line and line.count("/records/") == 1 for line in lines
    )
    assert f"{odd}: not a run record: its 'kind' is not 'run'; restore it or remove it" in lines


def test_a_run_folder_is_looked_through_for_its_record(tmp_path: Path, call: Call) -> None:
    board = tmp_path / "board"
    path = put_scored(board, TARGETS, LOGITS)
    run = tmp_path / "runs" / "one"
    shutil.copytree(path.parent, run)
    (run / "log.json").write_text("{}")
    (run / "cost.json").write_text('{"kind": "cost"}')
    code, out, _ = call(tmp_path / "runs", "--json")
    assert code == 0 and [each["path"] for each in json.loads(out)["results"]] == [str(run / path.name)]


def test_places_without_records(tmp_path: Path, call: Call) -> None:
    code, _, err = call(tmp_path / "gone")
    assert code == 2 and f"{tmp_path / 'gone'} does not exist" in err
    code, _, err = call(tmp_path)
    assert code == 2 and "holds no run record" in err


def test_no_torch_is_loaded(tmp_path: Path) -> None:
    put_scored(tmp_path, LABELS, LOGITS)
    code = (
        "import sys; from benchmark_core.cli import cli\n"
        f"cli.main(['verify', '--folder', {str(tmp_path)!r}], standalone_mode=False)\n"
        "print([name for name in ('torch', 'av', 'pandas') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "[]"
