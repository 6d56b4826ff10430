"""Decisions of multi-label records: packed, checked, and sufficient for paired intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_records import make_record, put_scored

from benchmark_core.errors import ElrError
from benchmark_core.records.checksum import add_checksum
from benchmark_core.records.clip_results import clip_decisions
from benchmark_core.records.consistency import check_record, check_result
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.record import read_record
from benchmark_core.records.stored import decisions_for
from benchmark_core.scoring.hits import pack_rows, unpack_rows
from benchmark_core.scoring.predictions import Predictions
from benchmark_core.scoring.scores import score
from benchmark_core.tables import compare, compare_groups
from benchmark_core.tables.ranking import RankedRow, track_table

RNG = np.random.default_rng(0)
TRUTH = (RNG.random((40, 3)) < 0.4).astype(int)


def noisy(wrong: float, seed: int = 0) -> np.ndarray:
    """Return logits of which this fraction has the wrong sign."""
    rng = np.random.default_rng([seed, int(1000 * wrong)])
    right = np.where(rng.random(TRUTH.shape) < wrong, 1 - TRUTH, TRUTH)
    return np.where(right > 0, 1.0, -1.0)


def lines(*paths: Path) -> tuple[RankedRow, ...]:
    """The ranked part of the table that the records in `paths` make."""
    return track_table([read_record(path) for path in paths], {}).competitors


@pytest.mark.parametrize("n", [1, 7, 8, 9, 40])
def test_packed_rows_of_bits_are_unpacked(n: int) -> None:
    bits = np.random.default_rng(n).random((3, n)) < 0.5
    assert np.array_equal(unpack_rows(pack_rows(bits), 3, n), bits)


def test_rows_of_bits_by_hand() -> None:
    # "clap" on the first of two clips, "wave" on both: 1000 0000, 1100 0000
    assert pack_rows(np.array([[True, False], [True, True]])) == "gMA="
    with pytest.raises(ElrError, match="not base64"):
        unpack_rows("g MA=", 2, 2)
    for text, classes, n in (("gMA=", 3, 2), ("gMA=", 2, 9), ("gMA=", 2, 1)):
        with pytest.raises(ElrError, match="packed bits have 2 bytes, which do not fit"):
            unpack_rows(text, classes, n)


@pytest.mark.parametrize(("primary", "threshold"), [("f1_macro", 0.0), ("f1_samples", 0.0), ("f1_macro_logit0.5", 0.5)])
def test_a_primary_f1_comes_with_its_decisions(primary: str, threshold: float) -> None:
    logits = np.array([[0.7, 0.2], [0.4, -1.0]])
    found = score(logits, np.array([[1, 0], [0, 1]]), "ab").to_json(primary)
    assert found["hits"] is None and found["decisions"]["threshold"] == threshold
    predicted = unpack_rows(found["decisions"]["predicted"], 2, 2).T
    assert np.array_equal(predicted, logits > threshold)


def test_other_primary_scores_have_no_decisions() -> None:
    assert "decisions" not in score(np.eye(2), np.array([0, 1]), "ab").to_json("top1")
    multi = score(np.eye(2), np.eye(2), "ab")
    assert "decisions" not in multi.to_json("map") and "decisions" not in multi.to_json()


def test_a_record_holds_the_decisions(tmp_path: Path) -> None:
    record = read_record(put_scored(tmp_path, TRUTH, noisy(0.2)))
    found = clip_decisions(record)
    assert np.array_equal(found.truth, TRUTH > 0) and np.array_equal(found.predicted, noisy(0.2) > 0)
    assert found.value("f1_macro") == record["scores"]["f1_macro"]["value"]
    with pytest.raises(ElrError, match="is single-label and has no per-clip decisions"):
        clip_decisions(check_record(make_record()))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            {"predicted": pack_rows((noisy(0.5) > 0).T)},
            "'decisions' give f1_macro 0.[0-9]+, but 'scores' has 0.[0-9]+",
        ),
        ({"predicted": "AAAA"}, "3 bytes, which do not fit 40 clips in 3 classes"),
        ({"threshold": 0.5}, "'decisions' do not belong to 'f1_macro' of a multi-label"),
        ({"threshold": "0"}, "'decisions.threshold' is not a number"),
        ({"truth": None}, "'decisions.truth' is not text"),
    ],
)
def test_decisions_must_give_the_recorded_score(tmp_path: Path, edit: dict[str, Any], message: str) -> None:
    record = read_record(put_scored(tmp_path, TRUTH, noisy(0.2)))
    with pytest.raises(ElrError, match=message):
        check_result(check_record(add_checksum({**record, "decisions": {**record["decisions"], **edit}})))


def test_swapped_classes_keep_the_score_and_are_refused(tmp_path: Path) -> None:
    record = read_record(put_scored(tmp_path, TRUTH, noisy(0.2)))
    turned = {key: pack_rows(bits.T[::-1]) for key, bits in vars(clip_decisions(record)).items() if key != "counts"}
    with pytest.raises(ElrError, match="'decisions' disagree with 'per_class.n'"):
        check_result(check_record(add_checksum({**record, "decisions": {**record["decisions"], **turned}})))


def test_hits_and_decisions_exclude_each_other() -> None:
    bits = {
        "threshold": 0.0,
        "predicted": pack_rows(np.zeros((2, 20), bool)),
        "truth": pack_rows(np.zeros((2, 20), bool)),
    }
    with pytest.raises(ElrError, match="'decisions' do not belong to 'top1' of a single-label"):
        check_result(check_record(make_record(more={"decisions": bits})))


# -- what tables make of them


def test_ranks_are_shared_by_a_paired_interval_of_f1(tmp_path: Path) -> None:
    rivals = (("a", 0.1), ("b", 0.15), ("c", 0.45))
    found = lines(*(put_scored(tmp_path, TRUTH, noisy(wrong), method=method) for method, wrong in rivals))
    assert [(line.row.first["plan"]["method"], line.rank) for line in found] == [("a", 1), ("b", 1), ("c", 3)]


def test_without_decisions_only_equal_values_share_a_rank(tmp_path: Path) -> None:
    rivals = (("a", 0.1), ("b", 0.11), ("c", 0.45))
    paths = [put_scored(tmp_path, TRUTH, noisy(wrong), method=name, decisions=name != "b") for name, wrong in rivals]
    assert [line.rank for line in lines(*paths)] == [1, 2, 3]


def test_the_gain_over_the_control_is_a_difference_of_f1(tmp_path: Path) -> None:
    paths = []
    for seed in (0, 1):
        paths.append(put_scored(tmp_path, TRUTH, noisy(0.1, seed), method="ours", seed=seed))
        paths.append(put_scored(tmp_path, TRUTH, noisy(0.4, seed), method="plain", seed=seed, more={"control": True}))
    ours, plain = lines(*paths)
    assert ours.gain is not None and ours.score is not None and plain.score is not None and plain.gain is None
    found = ours.gain.difference
    assert found.value == pytest.approx(ours.score.mean - plain.score.mean)
    assert 0 < found.low < found.value < found.high and ours.gain.b == "plain" and ours.gain.seeds == (0, 1)


# -- the interval, by brute force


def paired_by_hand(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """The same draws as the implementation, evaluated clip by clip."""
    rng = np.random.default_rng(0)
    gaps = []
    for counts in rng.multinomial(len(TRUTH), np.full(len(TRUTH), 1 / len(TRUTH)), size=1000):
        drawn = np.repeat(np.arange(len(TRUTH)), counts)
        gaps.append(macro(TRUTH[drawn] > 0, one[drawn] > 0) - macro(TRUTH[drawn] > 0, other[drawn] > 0))
    low, high = np.quantile(gaps, [0.025, 0.975])
    return float(low), float(high)


def macro(truth: np.ndarray, said: np.ndarray) -> float:
    scores = []
    for true, told in zip(truth.T, said.T, strict=True):
        both, either = int((true & told).sum()), int(true.sum() + told.sum())
        scores.append(2 * both / either if either else 0.0)
    return float(np.mean(scores))


def read(path: Path) -> RunRecord:
    return read_record(path)


def test_a_paired_bootstrap_draws_the_same_clips_for_both(tmp_path: Path) -> None:
    a, b = noisy(0.2), noisy(0.3)
    one, other = read(put_scored(tmp_path, TRUTH, a, method="a")), read(put_scored(tmp_path, TRUTH, b, method="b"))
    found = compare(one, other)
    assert found.difference.value == pytest.approx(macro(TRUTH > 0, a > 0) - macro(TRUTH > 0, b > 0))
    assert (found.difference.low, found.difference.high) == pytest.approx(paired_by_hand(a, b), abs=1e-9)
    assert (found.p, found.only_right, found.metric, found.difference.n) == ((), (), "f1_macro", 40)
    assert "McNemar" not in found.text()
    assert found.smallest is not None and found.discordant is None


def test_the_difference_of_equal_decisions_is_zero(tmp_path: Path) -> None:
    one, other = (read(put_scored(tmp_path, TRUTH, noisy(0.2), method=name)) for name in "ab")
    found = compare(one, other)
    assert (found.difference.value, found.difference.low, found.difference.high) == (0.0, 0.0, 0.0)
    assert not found.difference.significant and found.smallest is None


def test_folds_have_equal_weight_and_are_resampled_separately(tmp_path: Path) -> None:
    sides = []
    for name, wrong in (("a", 0.1), ("b", 0.3)):
        folds = []
        for fold, part in (("1", slice(0, 30)), ("2", slice(30, 40))):
            track = {**make_record()["track"], "folds": ["1", "2"], "task": "multi-label"}
            path = put_scored(
                tmp_path,
                TRUTH[part],
                noisy(wrong)[part],
                method=name,
                fold=fold,
                folds=("1", "2"),
                more={"track": track},
            )
            folds.append(read(path))
        sides.append(folds)
    found = compare_groups(*sides)
    gaps = [
        macro(TRUTH[part] > 0, noisy(0.1)[part] > 0) - macro(TRUTH[part] > 0, noisy(0.3)[part] > 0)
        for part in (slice(0, 30), slice(30, 40))
    ]
    assert found.difference.value == pytest.approx(np.mean(gaps)) and found.difference.n == 40


def test_other_labels_of_the_same_clips_do_not_pair(tmp_path: Path) -> None:
    one = read(put_scored(tmp_path, TRUTH, noisy(0.2), method="a"))
    other = read(put_scored(tmp_path, np.roll(TRUTH, 1, axis=0), noisy(0.2), method="b"))
    with pytest.raises(ElrError, match="labels differ"):
        compare(one, other)


def test_only_an_f1_has_decisions() -> None:
    predictions = Predictions(("a",), np.array([[1, 0]]), np.array([[1.0, -1.0]]), ("x", "y"))
    assert decisions_for(predictions, "f1_micro").predicted.tolist() == [[True, False]]
    with pytest.raises(ElrError, match="'map' is not an F1"):
        decisions_for(predictions, "map")
