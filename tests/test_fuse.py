"""`elrbench fuse`: means of probabilities and of scaled logits of rows, of seeds of a row, and of single runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_records import make_record, put_scored

from benchmark_core.cli import main
from benchmark_core.records.record import read_record
from elrbench_plugins.commands.fuse.scaled import scaled

TARGETS = np.array([0, 0, 1, 1])
TRACK = ("--track", "acts/split1/average-12x16")
# Margins of class a over class b. Right: clips 0 and 2; clips 1, 2 and 3. The mean has all four right: clip 0 by
# (0.881 + 0.269) / 2 = 0.575 for a, clip 3 by (0.622 + 0.119) / 2 = 0.371.
ONE, TWO = (2.0, -1.0, -3.0, 0.5), (-1.0, 2.0, -1.0, -2.0)
Call = Callable[..., tuple[int, str, str]]


def logits(margins: tuple[float, ...]) -> np.ndarray:
    return np.stack([np.array(margins), np.zeros(len(margins))], axis=1)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    def fuse(*argv: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["fuse", *map(str, argv), "--folder", str(tmp_path)])
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return fuse


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    def scored(margins: tuple[float, ...], targets: np.ndarray = TARGETS, **plan: Any) -> Path:
        return put_scored(tmp_path, targets, logits(margins), classes="ab", **plan)

    return scored


def told(answer: tuple[int, str, str]) -> dict[str, Any]:
    assert answer[0] == 0, answer
    found: dict[str, Any] = json.loads(answer[1])
    return found


def refused(answer: tuple[int, str, str]) -> str:
    code, out, err = answer
    assert (code, out) == (2, "") and err.startswith("elrbench: error: ") and err.count("\n") == 1
    return err


EXPECTED = """\
mean of 2 in top1: 100.00 %, n = 4 clips, 1 seed
each part, and mean − part in points (paired bootstrap over clips, 95 %; * excludes zero):
  ours   top1 50.00 %  +50.00 [+0.00, +100.00]  {a}
  plain  top1 75.00 %  +25.00 [+0.00, +75.00]   {b}
"""


@pytest.mark.parametrize("rows", [True, False])
def test_the_mean_of_two(put: Callable[..., Path], call: Call, rows: bool) -> None:
    paths = put(ONE, method="ours"), put(TWO, method="plain")
    a, b = (read_record(path)["digest"][:8] for path in paths)
    found = call("ours", "plain", *TRACK) if rows else call(*paths)
    assert found == (0, EXPECTED.format(a=a, b=b), "")


def test_the_seeds_of_one_row(put: Callable[..., Path], call: Call) -> None:
    for seed, margins in enumerate((ONE, TWO)):
        put(margins, method="ours", seed=seed)
    found = told(call("ours", *TRACK, "--json"))
    assert [(part["name"], part["score"], part["gain"]["value"]) for part in found["parts"]] == [
        ("seed 0", 0.5, 0.5),
        ("seed 1", 0.75, 0.25),
    ]
    assert (found["score"], found["std"], found["seeds"], found["n"]) == (1.0, None, [], 4)


def test_rows_are_averaged_seed_by_seed(put: Callable[..., Path], call: Call) -> None:
    """Seed 1 has twice the same margins, so that the mean is no better; seed 2 is not common."""
    for seed, (one, two) in enumerate(((ONE, TWO), (TWO, TWO))):
        put(one, method="ours", seed=seed)
        put(two, method="plain", seed=seed)
    put(ONE, method="ours", seed=2)
    found = told(call("ours", "plain", *TRACK, "--json"))
    assert found["score"] == pytest.approx(0.875) and found["std"] == pytest.approx(0.25 / 2**0.5)
    assert found["seeds"] == [0, 1]
    assert [part["score"] for part in found["parts"]] == [0.625, 0.75]
    assert [part["gain"]["value"] for part in found["parts"]] == pytest.approx([0.25, 0.125])


@pytest.mark.parametrize(("pooled", "score"), [(False, 0.75), (True, 5 / 6)])
def test_folds_have_equal_weights_unless_the_protocol_pools_them(
    put: Callable[..., Path], call: Call, pooled: bool, score: float
) -> None:
    for method, margins in (("ours", ONE), ("plain", TWO)):
        for fold, given, targets in (
            ("1", margins, TARGETS),
            ("2", (2.0, 1.0), np.array([0, 1])),
        ):  # fold 2: one of two
            track = make_record(method=method, fold=fold, folds=("1", "2"))["track"] | {"pooled": pooled}
            put(given, targets, method=method, fold=fold, folds=("1", "2"), more={"track": track})
    found = told(call("ours", "plain", *TRACK, "--json"))
    assert (found["score"], found["folds"], found["n"]) == (pytest.approx(score), 2, 6)


def test_scaled_logits_keep_a_part_of_larger_margins_from_deciding_alone(put: Callable[..., Path], call: Call) -> None:
    put(tuple(100 * margin for margin in ONE), method="svm")
    put(TWO, method="plain")
    # Clip 1 is a. Probabilities: (0 + 0.881) / 2 = 0.44 for a. Scaled margins: -1 / 1.887 + 2 / 1.581 = 0.735.
    assert told(call("svm", "plain", *TRACK, "--json"))["score"] == 0.5
    assert told(call("svm", "plain", *TRACK, "--json", "--scale"))["score"] == 1.0
    assert call("svm", "plain", *TRACK, "--scale")[1].startswith("scaled mean of 2 in top1: 100.00 %")


def test_scaled_logits_by_hand() -> None:
    given = np.array([[3.0, 1.0], [0.0, 4.0]])
    root = 2.5**0.5  # centred: 1, -1, -2, 2; mean square (1 + 1 + 4 + 4) / 4
    assert scaled(given, multi_label=False) == pytest.approx(np.array([[1, -1], [-2, 2]]) / root)
    assert scaled(given, multi_label=True) == pytest.approx(given / 6.5**0.5)  # (9 + 1 + 0 + 16) / 4
    assert (scaled(np.zeros((2, 2)), multi_label=False) == 0).all()


@pytest.mark.parametrize("decisions", [True, False])
def test_several_labels(tmp_path: Path, call: Call, decisions: bool) -> None:
    labels = np.array([[1, 0], [1, 1], [0, 1]])
    one = np.array([[2.0, -2.0], [-1.0, 2.0], [-2.0, 2.0]])  # misses the first class of clip 1
    two = np.array([[2.0, -2.0], [3.0, 2.0], [-2.0, -1.0]])  # misses the second class of clip 2
    for method, given in (("ours", one), ("plain", two)):
        put_scored(tmp_path, labels, given, classes="ab", method=method, decisions=decisions)
    for more in ((), ("--scale",)):
        found = told(call("ours", "plain", *TRACK, "--json", *more))
        assert (found["metric"], found["score"]) == ("f1_macro", 1.0)
        # F1 of a class with one of two labels found: 2 / 3
        assert [part["gain"]["value"] for part in found["parts"]] == pytest.approx([1 / 6, 1 / 6])


def test_a_run_next_to_a_row_is_averaged_with_the_same_seed_of_the_row(put: Callable[..., Path], call: Call) -> None:
    put(TWO, method="plain", seed=0)
    put(ONE, method="plain", seed=1)
    found = told(call(put(ONE, method="ours", seed=1), "plain", *TRACK, "--json"))
    assert (found["seeds"], found["score"]) == ([1], 0.5)


def test_runs_of_different_seeds_have_no_common_seed(put: Callable[..., Path], call: Call) -> None:
    paths = put(ONE, method="ours", seed=0), put(TWO, method="ours", seed=1)
    assert told(call(*paths, "--json"))["seeds"] == []
    assert call(*paths)[1].startswith("mean of 2 in top1: 100.00 %, n = 4 clips\n")


def test_the_common_seed_need_not_be_the_one_with_the_most_folds(put: Callable[..., Path], call: Call) -> None:
    for method, seed, folds in (("a", 0, "12"), ("a", 1, "1"), ("b", 0, "12"), ("b", 1, "1"), ("c", 1, "1")):
        for fold in folds:
            put(TWO, method=method, seed=seed, fold=fold, folds=("1", "2"))
    found = told(call("a", "b", "c", *TRACK, "--json"))
    assert (found["seeds"], found["folds"], len(found["parts"])) == ([1], 1, 3)


def test_what_cannot_be_averaged(put: Callable[..., Path], call: Call) -> None:
    path = put(ONE, method="ours")
    digest = read_record(path)["digest"]
    assert "'ours' has no two seeds with the same folds" in refused(call("ours", *TRACK))
    assert f"{digest} is a single run; name a second one, or a row with --track" in refused(call(path))
    assert f"run {digest} is named twice" in refused(call(path, path))
    put(TWO, method="plain", seed=1)
    assert "no seed has the same folds in all rows ('ours' [0]; 'plain' [1])" in refused(call("ours", "plain", *TRACK))
    put(TWO, method="mine", seed=0)
    put(TWO, method="mine", seed=1)
    put(ONE, method="third", seed=0)
    put(ONE, method="fourth", seed=1)
    assert "('mine' [0, 1]; 'third' [0]; 'fourth' [1])" in refused(call("mine", "third", "fourth", *TRACK))
    predictions = path.parent / read_record(path)["predictions"]["file"]
    predictions.unlink()
    assert f"{predictions.name} is not next to the record" in refused(call("ours", "third", *TRACK))
    assert "Did you mean 'third'" in refused(call("thrid", "ours", *TRACK))


def test_a_score_without_results_per_clip_is_refused(tmp_path: Path, call: Call) -> None:
    for method, margins in (("ours", ONE), ("plain", TWO)):
        put_scored(tmp_path, TARGETS, logits(margins), classes="ab", primary="top5", method=method)
    assert "runs scored by top5 cannot be fused" in refused(call("ours", "plain", *TRACK))
