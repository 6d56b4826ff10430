"""Scores against cases worked by hand and against torchmetrics; predictions files."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.scoring.hits import pack_hits, unpack_hits
from benchmark_core.scoring.predictions import read_predictions, write_predictions
from benchmark_core.scoring.scores import score
from benchmark_core.scoring.statistics import bootstrap, wilson

SIX = ("a", "b", "c", "d", "e", "f")


def test_top1_and_top5_by_hand() -> None:
    logits = np.array(
        [
            [6.0, 5, 4, 3, 2, 1],  # target 0: first
            [6.0, 5, 4, 3, 2, 1],  # target 4: fifth
            [6.0, 5, 4, 3, 2, 1],  # target 5: sixth, outside the five
            [1.0, 9, 2, 3, 4, 5],  # target 1: first
        ]
    )
    found = score(logits, np.array([0, 4, 5, 1]), SIX)
    assert found.scores["top1"].value == 0.5
    assert found.scores["top5"].value == 0.75
    assert found.hits is not None and found.hits.tolist() == [True, False, False, True]
    assert found.per_class.n == (1, 1, 0, 0, 1, 1)
    assert found.per_class.value == (1.0, 1.0, None, None, 0.0, 0.0)
    low, high = wilson(0.5, 4)
    top1 = found.scores["top1"]
    assert (top1.low, top1.high, top1.n, top1.interval) == (low, high, 4, "wilson95")


def test_equal_logits_favour_the_lower_class_number_as_argmax_does() -> None:
    logits = np.zeros((6, 6))
    found = score(logits, np.arange(6), SIX)
    assert found.hits is not None and found.hits.tolist() == [True, False, False, False, False, False]
    assert found.scores["top5"].value == 5 / 6  # the sixth of equals is outside


def test_top5_of_fewer_than_five_classes_looks_at_all_of_them() -> None:
    assert score(np.array([[3.0, 1, 2], [3, 1, 2]]), np.array([1, 2]), "abc").scores["top5"].value == 1.0


def test_multi_label_by_hand() -> None:
    truth = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]])
    logits = np.array([[2.0, 1, -3, -1], [-1, 3, -2, -2], [-2, -1, 1, -3]])
    # predicted:        a b                b             c
    found = score(logits, truth, "abcd")
    # a: TP 1 FN 1 -> 2/3; b: TP 1 FP 1 -> 2/3; c: FP 1 -> 0; d: nothing, counted as 0
    assert found.per_class.value == pytest.approx((2 / 3, 2 / 3, 0.0, None))
    assert found.per_class.n == (2, 1, 0, 0)
    assert found.scores["f1_macro"].value == pytest.approx((2 / 3 + 2 / 3 + 0 + 0) / 4)
    assert found.scores["f1_micro"].value == pytest.approx(2 * 2 / (2 * 2 + 2 + 1))
    # clips: {a} vs {a, b} -> 2/3; {a, b} vs {b} -> 2/3; {} vs {c} -> 0
    assert found.scores["f1_samples"].value == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    # a falls 2 (clip 0, right), -1 (clip 1, right): AP 1; b falls 3 (right): AP 1; c and d have no positives
    assert found.scores["map"].value == 1.0
    assert found.hits is None


def test_average_precision_takes_equal_logits_together() -> None:
    truth = np.array([[0], [1], [1], [0]])
    logits = np.array([[3.0], [2], [1], [1]])
    # at 2: P = 1/2, R = 1/2; at 1 (two clips at once): P = 2/4, R = 1 -> 1/2 * 1/2 + 1/2 * 1/2
    assert score(logits, truth, "a").scores["map"].value == pytest.approx(0.5)


def test_the_threshold_is_the_sigmoid_at_one_half_and_strict() -> None:
    truth = np.array([[1, 1]])
    assert score(np.array([[0.0, 0.4]]), truth, "ab").per_class.value == (0.0, 1.0)  # sigmoid(0) = 0.5 predicts nothing


def test_a_logit_taken_for_a_probability_by_hand() -> None:
    """TinyVIRAT's test code: a class is predicted where the logit itself is above 0.5."""
    truth = np.array([[1, 1, 0], [0, 1, 0]])
    logits = np.array([[0.4, 0.6, -1.0], [0.5, 0.7, 0.3]])
    found = score(logits, truth, "abc").scores
    # sigmoid: {a, b} vs {a, b}, {a, b, c} vs {b}; a 2/3, b 1, c 0; clips 1 and 2/4
    assert found["f1_macro"].value == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert found["f1_samples"].value == pytest.approx((1 + 1 / 2) / 2)
    # logit: {b} vs {a, b}, {b} vs {b} (0.5 is not above 0.5); a 0, b 1, c 0; clips 2/3 and 1
    assert found["f1_macro_logit0.5"].value == pytest.approx((0 + 1 + 0) / 3)
    assert found["f1_samples_logit0.5"].value == pytest.approx((2 / 3 + 1) / 2)


def test_a_logit_of_one_half_is_a_sigmoid_of_0_6225() -> None:
    rng = np.random.default_rng(6)
    truth = (rng.random((40, 5)) < 0.4).astype(np.int64)
    logits = rng.normal(size=(40, 5)) + truth
    sigmoid, threshold = 1 / (1 + np.exp(-logits)), 1 / (1 + np.exp(-0.5))
    assert threshold == pytest.approx(0.6225, abs=1e-4)
    shifted = score(np.where(sigmoid > threshold, 1.0, -1.0), truth, "abcde").scores
    found = score(logits, truth, "abcde").scores
    for average in ("macro", "samples"):
        assert found[f"f1_{average}_logit0.5"] == shifted[f"f1_{average}"]
        assert found[f"f1_{average}_logit0.5"] != found[f"f1_{average}"]


def test_multi_label_agrees_with_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("torchmetrics.functional.classification")
    rng = np.random.default_rng(3)
    truth = (rng.random((60, 7)) < 0.3).astype(np.int64)
    truth[:, 6] = 0  # a class without positives
    truth[4] = 0  # a clip without labels
    logits = np.round(rng.normal(size=(60, 7)) + truth, 1)  # rounded, so that logits tie
    logits[:, 5] = -1.0  # a class that is never predicted
    found = score(logits, truth, "abcdefg").scores
    to, at = torch.from_numpy(logits), torch.from_numpy(truth)
    for name, average in (("f1_macro", "macro"), ("f1_micro", "micro")):
        expected = metrics.multilabel_f1_score(to, at, 7, average=average).item()
        assert found[name].value == pytest.approx(expected, abs=1e-6)
    to3, at3 = to[..., None], at[..., None]
    samples = metrics.multilabel_f1_score(to3, at3, 7, average="micro", multidim_average="samplewise")
    assert found["f1_samples"].value == pytest.approx(samples.mean().item(), abs=1e-6)
    each = metrics.multilabel_average_precision(to[:, :6], at[:, :6], 6, average="macro")
    assert found["map"].value == pytest.approx(each.item(), abs=1e-6)


def test_single_label_agrees_with_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("torchmetrics.functional.classification")
    rng = np.random.default_rng(4)
    logits, targets = rng.normal(size=(80, 9)), rng.integers(0, 9, 80)
    found = score(logits, targets, "abcdefghi")
    to, at = torch.from_numpy(logits), torch.from_numpy(targets)
    for name, k in (("top1", 1), ("top5", 5)):
        expected = metrics.multiclass_accuracy(to, at, 9, average="micro", top_k=k).item()
        assert found.scores[name].value == pytest.approx(expected, abs=1e-6)
    recall = metrics.multiclass_accuracy(to, at, 9, average=None)
    assert found.per_class.value == pytest.approx(recall.tolist(), abs=1e-6)


def test_bootstrapped_f1_equals_a_bootstrap_that_repeats_clips() -> None:
    rng = np.random.default_rng(5)
    truth = (rng.random((30, 3)) < 0.4).astype(np.int64)
    logits = rng.normal(size=(30, 3)) + truth
    found = score(logits, truth, "abc").scores

    def repeated(name: str, weights: np.ndarray) -> np.ndarray:
        rows = [np.repeat(np.arange(30), row.astype(int)) for row in weights]
        both = [(truth[r] * (logits[r] > 0)) for r in rows]
        either = [truth[r] + (logits[r] > 0) for r in rows]
        if name == "f1_macro":
            return np.array([np.mean(2 * b.sum(0) / e.sum(0)) for b, e in zip(both, either, strict=True)])
        return np.array([2 * b.sum() / e.sum() for b, e in zip(both, either, strict=True)])

    for name in ("f1_macro", "f1_micro"):
        low, high = bootstrap(lambda weights, name=name: repeated(name, weights), 30)
        assert (found[name].low, found[name].high) == pytest.approx((low, high), abs=1e-12)
    for each in found.values():
        assert 0 <= each.low <= each.value <= each.high <= 1 and each.low < each.high


def test_logits_that_are_not_finite_are_refused() -> None:
    with pytest.raises(RunFailed, match="1 of 2 test clips have logits that are not finite"):
        score(np.array([[0.0, np.nan], [0, 1]]), np.array([0, 1]), "ab")


def test_hits_survive_packing() -> None:
    hits = np.random.default_rng(0).random(13) < 0.5
    text = pack_hits(hits)
    assert (unpack_hits(text, 13) == hits).all() and len(text) == 4
    assert pack_hits(np.array([True] + [False] * 7)) == "gA=="
    with pytest.raises(ElrError, match="do not fit 17 clips"):
        unpack_hits(text, 17)
    with pytest.raises(ElrError, match="do not fit 3 clips"):
        unpack_hits("gAA=", 3)
    with pytest.raises(ElrError, match="do not fit 3 clips"):
        unpack_hits("/w==", 3)  # bits set behind the last clip
    with pytest.raises(ElrError, match="not base64"):
        unpack_hits("!", 3)


ODD = ("plain", 'comma, "quote"', "line\nbreak", "carriage\rreturn", "ünï", "=1+1", "\udcff.avi")


def test_predictions_survive_and_are_sorted_by_id(tmp_path: Path) -> None:
    logits = np.random.default_rng(0).normal(size=(7, 2)) * 100
    path = write_predictions(tmp_path / "p.csv.gz", ODD, np.array([0, 1, 0, 1, 0, 1, 0]), logits, ("a|b", "c,d"))
    back = read_predictions(path)
    order = sorted(range(7), key=lambda row: ODD[row])
    assert back.ids == tuple(ODD[row] for row in order) and back.classes == ("a|b", "c,d")
    assert back.targets.tolist() == [[0, 1, 0, 1, 0, 1, 0][row] for row in order]
    np.testing.assert_allclose(back.logits, logits[order], rtol=5e-4)


def test_predictions_as_text(tmp_path: Path) -> None:
    logits = np.array([[0.0, 12.34567], [-1e-9, 3]])
    path = write_predictions(tmp_path / "p", ["y", "x"], np.array([1, 0]), logits, "ab")
    assert gzip.decompress(path.read_bytes()).decode() == "id,target,a,b\r\nx,0,-1e-09,3\r\ny,1,0,12.35\r\n"
    multi = write_predictions(tmp_path / "m", "xy", np.array([[1, 1], [0, 0]]), np.array([[1, 2], [3, 4]]), "ab")
    assert gzip.decompress(multi.read_bytes()).decode() == "id,targets,a,b\r\nx,0;1,1,2\r\ny,,3,4\r\n"
    assert read_predictions(multi).targets.tolist() == [[1, 1], [0, 0]]


def test_same_predictions_same_bytes_and_nothing_left_beside(tmp_path: Path) -> None:
    logits = np.random.default_rng(1).normal(size=(50, 4))
    ids = [f"clip {n}" for n in range(50)]
    one = write_predictions(tmp_path / "one.csv.gz", ids, np.arange(50) % 4, logits, "abcd")
    two = write_predictions(tmp_path / "two.csv.gz", ids[::-1], (np.arange(50) % 4)[::-1], logits[::-1], "abcd")
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes()[4:8] == bytes(4)  # gzip's time
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.csv.gz", "two.csv.gz"]


def test_scores_of_the_file_are_those_of_what_it_says(tmp_path: Path) -> None:
    truth = np.array([[1, 0], [0, 1], [1, 1]])
    logits = np.array([[1e-7, -2], [-1e-9, 1], [3, -0.1]])  # 4 decimals would lose the signs
    path = write_predictions(tmp_path / "p", "xyz", truth, logits, "ab")
    assert read_predictions(path).scored().scores["f1_macro"] == score(logits, truth, "ab").scores["f1_macro"]


def test_an_id_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ElrError, match="1 test clips share an id"):
        write_predictions(tmp_path / "p", ["x", "x"], np.array([0, 1]), np.zeros((2, 2)), "ab")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read as predictions"),
        ("a,b,c\n1,2,3\n", "not a predictions file"),
        ("id,target,a,b\n", "not a predictions file"),
        ("id,target,a,b\nx,0,1\n", "row 2: 3 cells, not 4"),
        ("id,target,a,b\nx,0,1,z\n", "row 2: could not convert"),
        ("id,target,a,b\nx,2,1,1\n", "row 2: '2' is not a target among 2 classes"),
        ("id,target,a,b\nx,0;1,1,1\n", "row 2: '0;1' is not a target among 2 classes"),
        ("id,target,a,b\ny,0,1,1\nx,0,1,1\n", "not sorted"),
    ],
)
def test_a_bad_predictions_file_is_named_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "p.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    with pytest.raises(ElrError, match=message) as caught:
        read_predictions(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_truncated_predictions_file_is_named(tmp_path: Path) -> None:
    path = write_predictions(tmp_path / "p.csv.gz", "xyz", np.array([0, 1, 0]), np.ones((3, 2)), "ab")
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(ElrError, match="cannot be read as predictions"):
        read_predictions(path)
    with pytest.raises(ElrError, match="cannot be read as predictions"):
        read_predictions(tmp_path / "absent")
