"""The SVM head: pooling and scaling by hand, and predictions equal to scikit-learn's on the same features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC, LinearSVC
from torch import Tensor

from elrbench import ElrError
from elrbench_plugins.svm_head import kernels, memory
from elrbench_plugins.svm_head.classifiers import train
from elrbench_plugins.svm_head.head import SvmHead
from elrbench_plugins.svm_head.kernels import chi_square, squared_distances
from elrbench_plugins.svm_head.options import options
from elrbench_plugins.svm_head.pooling import hellinger, pyramid, unit_length

FEATURES = 6


def settings(**asked: Any) -> dict[str, Any]:
    usual = {key: option.default for key, option in options(head="rbf-svm", scaling="none").items()}
    return {**usual, "vectors": 3, **asked}


def clips(classes: list[int], seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features (N, 1, FEATURES) around a centre of each class, overlapping; and targets."""
    rng = np.random.default_rng(seed)
    target = rng.choice(classes, 90)
    centres = np.random.default_rng(7).normal(size=(10, FEATURES))
    return torch.tensor(rng.normal(size=(90, 1, FEATURES)) + centres[target][:, None]).float().abs(), torch.tensor(
        target
    )


def trained(target: Tensor, features: Tensor, classes: int, one_vs_one: bool = True, **asked: Any) -> SvmHead:
    numbers = settings(**asked)
    head = SvmHead(features=FEATURES, classes=classes, options=numbers, one_vs_one=one_vs_one)
    train(head, features, torch.ones(features.shape[:2]), target, numbers)
    return head


def logits(head: SvmHead, features: Tensor) -> np.ndarray:
    with torch.no_grad():
        return head(features, torch.ones(features.shape[:2])).numpy()


@pytest.mark.parametrize("present", [[0, 1, 2, 3], [0, 1], [1, 4], [0, 2, 4]])
@pytest.mark.parametrize("gamma", [0.0, 0.3])
def test_one_vs_one_is_sklearns_decision_function(present: list[int], gamma: float) -> None:
    seen, target = clips(present)
    head = trained(target, seen, 5, gamma=gamma)
    machine = SVC(C=10, gamma=gamma or "scale", break_ties=True).fit(seen[:, 0].numpy(), target.numpy())
    new, _ = clips(present, seed=1)
    found = logits(head, new)
    assert (found.argmax(1) == machine.predict(new[:, 0].numpy())).all()
    absent = [number for number in range(5) if number not in present]
    assert (found[:, absent] == -1).all()
    if len(present) > 2:
        assert found[:, present] == pytest.approx(machine.decision_function(new[:, 0].numpy()), abs=1e-3)
    assert len(head.vectors) == len(machine.support_) < len(seen)


@pytest.mark.parametrize("kind", ["linear-svm", "logistic"])
@pytest.mark.parametrize("present", [[0, 1, 3], [0, 3]])
def test_a_linear_head_predicts_as_sklearn(kind: str, present: list[int]) -> None:
    seen, target = clips(present)
    head = trained(target, seen, 4, head=kind, c=1.0)
    made = LinearSVC(C=1.0, dual="auto", max_iter=100_000, random_state=0)
    machine = (made if kind == "linear-svm" else LogisticRegression(C=1.0, max_iter=10_000)).fit(
        seen[:, 0].numpy(), target.numpy()
    )
    new, _ = clips(present, seed=1)
    assert (logits(head, new).argmax(1) == machine.predict(new[:, 0].numpy())).all()


def test_logistic_probabilities_of_two_classes() -> None:
    seen, target = clips([0, 1])
    head = trained(target, seen, 2, head="logistic", c=1.0)
    machine = LogisticRegression(C=1.0, max_iter=10_000).fit(seen[:, 0].numpy(), target.numpy())
    found = torch.tensor(logits(head, seen)).softmax(1).numpy()
    assert found == pytest.approx(machine.predict_proba(seen[:, 0].numpy()), abs=1e-4)


@pytest.mark.parametrize("kind", ["rbf-svm", "linear-svm", "logistic"])
def test_several_labels_are_one_machine_each(kind: str) -> None:
    seen, number = clips([0, 1, 2])
    target = torch.stack([number == 0, number != 1, torch.zeros(90), torch.ones(90)], 1).float()
    head = trained(target, seen, 4, one_vs_one=False, head=kind)
    found = logits(head, seen)
    made = {
        "rbf-svm": SVC(C=10),
        "linear-svm": LinearSVC(C=10, dual="auto", max_iter=100_000, random_state=0),
        "logistic": LogisticRegression(C=10, max_iter=10_000),
    }[kind]
    for label in (0, 1):
        machine = made.fit(seen[:, 0].numpy(), target[:, label].numpy())
        assert found[:, label] == pytest.approx(machine.decision_function(seen[:, 0].numpy()), abs=2e-3)
    assert (found[:, 2] < 0).all() and (found[:, 3] > 0).all()  # none, all


def test_chi_square_head_is_the_svm_on_that_kernel() -> None:
    seen, target = clips([0, 1, 2])
    numbers = settings(head="chi2-svm")
    head = SvmHead(features=FEATURES, classes=3, options=numbers, group_sizes=(3, 3))
    train(head, seen, torch.ones(90, 1), target, numbers)
    x = seen[:, 0].double().numpy()
    apart = np.stack(
        [
            ((x[:, None, g] - x[None, :, g]) ** 2 / (x[:, None, g] + x[None, :, g])).sum(-1) / 2
            for g in ([0, 1, 2], [3, 4, 5])
        ]
    )
    kernel = np.exp(-sum(each / each.mean() for each in apart) / 10)
    machine = SVC(C=10, kernel="precomputed", break_ties=True).fit(kernel, target.numpy())
    assert (logits(head, seen).argmax(1) == machine.predict(kernel)).all()


def test_distances_by_hand() -> None:
    a, b = torch.tensor([[1.0, 2.0, 0.0, 1.0]]), torch.tensor([[3.0, 2.0, 0.0, 0.0], [1.0, 2.0, 0.0, 1.0]])
    assert squared_distances(a, b).tolist() == [[5, 0]]
    assert chi_square(a, b, (2, 2)).tolist() == [[[0.5, 0.5], [0, 0]]]  # (1-3)^2/4/2, 1^2/1/2; 0/0 counts as 0


def test_pyramid_by_hand() -> None:
    features = torch.tensor([[[0.0], [2.0], [4.0], [99.0]], [[1.0], [99.0], [99.0], [99.0]]])
    mask = torch.tensor([[1.0, 1, 1, 0], [1, 0, 0, 0]])
    # The halves of 3 intervals share the middle one; one interval is all parts.
    assert pyramid(features, mask, 2).tolist() == [[2, 1, 3], [1, 1, 1]]


def test_scalings_by_hand() -> None:
    assert unit_length(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist() == [
        [pytest.approx(0.6), pytest.approx(0.8)],
        [0, 0],
    ]
    # A grid of one cell, then one of two; histograms of 2 bins and of 1.
    votes = torch.tensor([[1.0, 3.0, 5.0, 2.0, 0.0, 0.0, 4.0, 2.0, 0.0]])
    found = hellinger(votes, (2, 1), (1, 2))[0].tolist()
    assert found == pytest.approx([0.5, 0.75**0.5, 1, 0.5, 0, 0, 0.5**0.5, 0.5, 0])


def test_standardised_with_a_constant_feature() -> None:
    seen, target = clips([0, 1, 2])
    seen[:, :, 0] = 5.0
    head = trained(target, seen, 3, scaling="standardise")
    x = head.scaled(head.pooled(seen, torch.ones(90, 1)))
    assert x.mean(0) == pytest.approx(np.zeros(FEATURES), abs=1e-5)
    assert x.std(0, unbiased=False) == pytest.approx([0, 1, 1, 1, 1, 1], abs=1e-4)


def test_weights_of_another_length_are_loaded_and_others_refused() -> None:
    seen, target = clips([0, 1, 2])
    head = trained(target, seen, 3)
    new = SvmHead(features=FEATURES, classes=3, options=settings(vectors=500))
    new.load_state_dict(head.state_dict())
    assert (logits(new, seen) == logits(head, seen)).all()
    for changed in ({"features": 7}, {"classes": 4}):
        other = SvmHead(**{"features": FEATURES, "classes": 3, "options": settings(), **changed})
        with pytest.raises(RuntimeError, match="size mismatch"):
            other.load_state_dict(head.state_dict())


def test_a_chi_square_kernel_takes_no_negative_features() -> None:
    seen, target = clips([0, 1, 2])
    seen[4, 0, 2] = -0.1
    with pytest.raises(ElrError, match="takes no negative features, but the backbone has some; use e.g. ") as caught:
        trained(target, seen, 3, head="chi2-svm")
    assert "\n" not in str(caught.value)


def test_a_kernel_larger_than_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory.needed(1000, 50, 8) == 1000 * 1000 * (2 * 4 * 8 + 4 + 8) + 3 * 1000 * 50 * 4
    monkeypatch.setattr(memory, "installed", lambda device: memory.needed(89, FEATURES, 1))
    head = SvmHead(features=FEATURES, classes=3, options=settings(head="chi2-svm"))
    cpu = torch.device("cpu")
    with pytest.raises(
        ElrError, match="of 90 training vectors takes .* GiB, but the device 'cpu' has .* use fewer"
    ) as caught:
        memory.check_memory(head, 90, cpu, fewer="fewer training clips")
    assert "\n" not in str(caught.value)
    memory.check_memory(head, 89, cpu, fewer="fewer training clips")
    memory.check_memory(SvmHead(features=FEATURES, classes=3, options=settings()), 90, cpu, fewer="")  # another kernel


def test_each_part_of_a_pyramid_has_its_own_groups() -> None:
    """Two groups of two features, over a whole and its two halves: a difference in one value is in one group."""
    head = SvmHead(features=4, classes=2, options=settings(head="chi2-svm", pyramid=2), group_sizes=(1, 3))
    assert head.group_sizes == (1, 3) * 3 and head.spread.shape == (6,)
    one = torch.ones(1, 2, 4)
    other = one.clone()
    other[0, 1, 0] = 3  # of the first group, in the second half: 2 in the whole
    mask = torch.ones(1, 2)
    apart = chi_square(head.pooled(one, mask), head.pooled(other, mask), head.group_sizes)[0, 0]
    assert apart.tolist() == pytest.approx([1 / 3 / 2, 0, 0, 0, 4 / 4 / 2, 0])


def test_chunks_of_a_kernel_are_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = torch.rand(7, 6), torch.rand(5, 6)
    whole = chi_square(a, b, (2, 4))
    for most in (1, 13, 40):
        monkeypatch.setattr(kernels, "AT_ONCE", most)
        assert torch.equal(chi_square(a, b, (2, 4)), whole)
