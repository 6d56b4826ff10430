"""isr: pool, entropy, Metropolis-Hastings and the selector's decisions, each against a case worked out by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from test_lr_transforms import batch
from torch.nn import functional as F

from benchmark_core.errors import ElrError
from elrbench_plugins.isr.chosen import Chosen, drawn_of
from elrbench_plugins.isr.descriptors import describe, descriptor, enlarged, made_views
from elrbench_plugins.isr.entropy import entropy, most_uncertain
from elrbench_plugins.isr.grid import Pool, outside, pool_of, sampled
from elrbench_plugins.isr.metropolis import Proposals, acceptance, disagreement, search
from elrbench_plugins.isr.options import OPTIONS
from elrbench_plugins.isr.selector import Selector, split
from elrbench_plugins.lr_transforms.transforms import _affine, transform

USUAL = {key: option.default for key, option in OPTIONS.items()}


def pool(**numbers: Any) -> Pool:
    return pool_of({**USUAL, **numbers})


def one(shift: tuple[float, float] = (0.0, 0.0), scale: float = 1.0, angle: float = 0.0) -> Pool:
    return Pool(shift=np.array([shift]), scale=np.array([scale]), angle=np.array([angle]), steps=np.zeros((1, 4)))


def seen(picture: list[list[float]], how: Pool) -> torch.Tensor:
    """A picture of 2x2 low pixels under one transform."""
    view = torch.tensor(picture).reshape(1, 1, 1, 1, 2, 2)
    return transform(view, drawn_of(how, (2, 2)))[0, 0, 0, 0]


# -- the pool


def test_a_pool_holds_all_combinations_once_and_begins_with_the_identity() -> None:
    usual = pool()
    assert len(usual) == 3 * 3 * 3 * 3 and usual.name(0) == "shift (0, 0) scale 1 angle 0"
    assert usual.name(1) == "shift (-0.5, -0.5) scale 0.9524 angle -3"
    rows = np.column_stack([usual.shift, usual.scale, usual.angle])
    assert len(np.unique(rows, axis=0)) == 81 and set(usual.angle) == {-3, 0, 3}
    five = pool(pool_shifts=5, pool_scales=1, pool_angles=1)
    assert set(five.shift[:, 0]) == {-0.5, -0.25, 0, 0.25, 0.5} and len(five) == 25
    assert len(pool(transform_shift=0.0)) == 9 and len(pool(transform_scale=1.0, transform_angle=0.0)) == 9
    assert sorted(set(pool(pool_scales=5, transform_scale=1.21).scale)) == pytest.approx(
        [1 / 1.21, 1 / 1.1, 1, 1.1, 1.21]
    )
    assert usual.take([3, 0]).angle.tolist() == [usual.angle[3], 0]


def test_distances_are_in_steps() -> None:
    """Of shifts of 0, left and right: one step, or two between left and right; a scale more is at the root of 2."""
    five = pool(pool_scales=1, pool_angles=1)
    apart, shift = five.distances(), five.shift.tolist()
    left, right, corner = shift.index([0, -0.5]), shift.index([0, 0.5]), shift.index([0.5, 0.5])
    assert (apart[0, left], apart[left, right], apart[0, corner]) == pytest.approx((1, 2, math.sqrt(2)))


def test_where_a_low_pixel_is_sampled_by_hand() -> None:
    """Two low pixels along each axis have their centres at -1/2 and 1/2, down and right."""
    assert sampled(one(), (2, 2))[0].tolist() == [[[-0.5, -0.5], [-0.5, 0.5]], [[0.5, -0.5], [0.5, 0.5]]]
    assert sampled(one(scale=2.0), (2, 2))[0, 0, 1].tolist() == [-0.25, 0.25]
    assert sampled(one(shift=(0.25, -1.0)), (2, 2))[0, 1, 0].tolist() == [0.25, 0.5]
    quarter = sampled(one(angle=90.0), (2, 2))[0]
    assert quarter[0, 0] == pytest.approx([-0.5, 0.5])  # the top left shows the top right
    both = sampled(one(shift=(1.0, 0.0), scale=0.5, angle=90.0), (2, 2))[0]
    assert both[0, 1] == pytest.approx([1.0 - 1.0, 1.0])  # (-1/2, 1/2) -> (1/2, 1/2) -> (1, 1) -> (0, 1)


def test_a_tiny_picture_under_each_kind_of_transform() -> None:
    picture = [[1.0, 2], [3, 4]]
    assert seen(picture, one(angle=90.0)).flatten().tolist() == pytest.approx([2, 4, 1, 3])
    # half a pixel to the right: the left border, and the mean of both columns
    assert seen(picture, one(shift=(0.0, 0.5))).flatten().tolist() == pytest.approx([1, 1.5, 3, 3.5])
    # twice as large: positions at a quarter, 3/4 of the nearer pixel along each axis
    assert seen(picture, one(scale=2.0)).flatten().tolist() == pytest.approx([1.75, 2.25, 2.75, 3.25])


def test_the_pool_s_positions_are_those_of_the_transform() -> None:
    low, every = (6, 8), pool(transform_angle=20.0, transform_scale=1.5)
    theta = _affine(drawn_of(every, low), low[0] / low[1], 1).squeeze(1)
    grid = F.affine_grid(theta, [len(every), 1, *low], align_corners=False) * torch.tensor([4.0, 3.0])  # right, down
    assert grid.flip(-1).numpy() == pytest.approx(sampled(every, low), abs=1e-5)


def test_the_share_outside_by_hand() -> None:
    """Of four rows, a shift by half a pixel moves a centre to the edge; by one, a row is outside."""
    found = [outside(one(shift=(down, 0.0)), (4, 4))[0] for down in (0.0, 0.5, 1.0, 2.0, 4.0)]
    assert found == [0, 0, 0.25, 0.5, 1]
    assert outside(one(shift=(1.0, 1.0)), (4, 4))[0] == 7 / 16
    assert outside(one(scale=0.7), (4, 4))[0] == 12 / 16  # centres at 1.5 / 0.7 = 2.14
    assert outside(one(angle=45.0), (2, 2))[0] == 0 and outside(one(angle=45.0), (4, 4))[0] == 4 / 16  # the corners


# -- entropy


def test_entropy_by_hand() -> None:
    assert entropy(torch.tensor([[0.5, 0.5, 0.0], [1.0, 0, 0]])).tolist() == pytest.approx([math.log(2), 0])
    assert entropy(torch.tensor([0.25, 0.75])).item() == pytest.approx(0.25 * math.log(4) + 0.75 * math.log(4 / 3))
    several = entropy(torch.tensor([0.5, 1.0, 0.25]), labels=True).item()  # three labels, each yes or no
    assert several == pytest.approx(math.log(2) + 0 + 0.25 * math.log(4) + 0.75 * math.log(4 / 3))


def test_the_least_certain_transform_is_added_and_the_classifier_trained_again() -> None:
    """Two clips and transforms 0 to 3: trained on 0, the order is 1, 2, 3; trained on 0 and 1, 3 is less certain."""
    asked: list[tuple[list[int], list[int]]] = []
    sure = {1: [(0.5, 0.5, 0.9, 0.5), (1.0, 0.9, 0.6, 1.0)], 2: [(0.5,) * 4, (0.5, 0.6, 0.7, 0.5)]}

    def decide(chosen: Sequence[int], under: Sequence[int]) -> torch.Tensor:
        asked.append((list(chosen), list(under)))
        yes = torch.tensor(sure[len(chosen)])  # (A, P)
        return torch.stack([yes, 1 - yes], 2)

    chosen, worth = most_uncertain(decide, 4, 3)
    of_nine = 0.9 * math.log(10 / 9) + 0.1 * math.log(10)
    assert chosen == [0, 1, 3]
    assert worth == pytest.approx([(math.log(2) + of_nine) / 2, math.log(2)])
    assert asked == [([0], [0, 1, 2, 3]), ([0, 1], [0, 1, 2, 3])]
    assert most_uncertain(decide, 4, 1) == ([0], [])


# -- the decision boundary


def test_disagreement_by_hand() -> None:
    one_, other = torch.tensor([[0.6, 0.4, 0.0], [0.2, 0.3, 0.5]]), torch.tensor([[0.4, 0.6, 0.0], [0.1, 0.2, 0.7]])
    assert disagreement(one_, other, distance="labels") == 1  # the first clip
    assert disagreement(one_, other, distance="probabilities") == pytest.approx(0.2 + 0.2)
    assert disagreement(one_, one_, distance="labels") == 0
    assert disagreement(one_, other, distance="labels", labels=True) == pytest.approx(2 / 3 + 1 / 3)
    assert disagreement(one_, other, distance="probabilities", labels=True) == pytest.approx(0.4 / 3 + 0.4 / 3)


def test_acceptance_by_hand() -> None:
    """A better set is accepted; one worse by 2 with exp(-2); a proposal that is harder to undo counts less."""
    assert acceptance(3.0, 1.0, 0.5, 0.5, 1.0) == 1
    assert acceptance(1.0, 3.0, 0.5, 0.5, 1.0) == pytest.approx(math.exp(-2))
    assert acceptance(1.0, 3.0, 0.5, 0.25, 1.0) == pytest.approx(math.exp(-2) / 2)
    assert acceptance(1.0, 3.0, 0.1, 0.8, 1.0) == 1  # 8 exp(-2) is above 1
    assert acceptance(1.0, 3.0, 0.5, 0.5, 0.25) == pytest.approx(math.exp(-0.5))
    assert acceptance(1.0, 1e6, 0.5, 0.5, 1.0) == 0


LINE = np.abs(np.subtract.outer(np.arange(4.0), np.arange(4.0)))  # four transforms in a row, the identity first


def test_proposals_by_hand() -> None:
    """The set {1} may become {2}, at distance 1, or {3}, at distance 2; {2} has 1 and 3 at distance 1."""
    near, far = math.exp(-1 / 2), math.exp(-4 / 2)
    gaussian = Proposals(distances=LINE, width=1.0)
    assert gaussian.probability(frozenset({1}), frozenset({2})) == pytest.approx(near / (near + far))
    assert gaussian.probability(frozenset({2}), frozenset({1})) == pytest.approx(0.5)
    assert gaussian.probability(frozenset({1, 2}), frozenset({1, 3})) == pytest.approx(0.5)  # two members, one outside
    uniform = Proposals(distances=LINE, width=0.0)
    assert uniform.probability(frozenset({1}), frozenset({2})) == uniform.probability(frozenset({1}), frozenset({3}))
    rng = np.random.default_rng(0)
    drawn = [gaussian.draw(rng, frozenset({1})) for _ in range(2000)]
    assert set(drawn) == {frozenset({2}), frozenset({3})}
    assert drawn.count(frozenset({2})) / 2000 == pytest.approx(near / (near + far), abs=0.03)


@pytest.mark.parametrize("width", [0.0, 0.7, 2.0])
def test_the_walk_is_balanced(width: float) -> None:
    """π(S) q(S, S') a(S, S') = π(S') q(S', S) a(S', S) for all pairs that differ in one transform."""
    distances = np.abs(np.subtract.outer(np.array([0, 1, 2.5, 4, 4.5]), np.array([0, 1, 2.5, 4, 4.5])))
    proposals, sharpness = Proposals(distances=distances, width=width), 0.8
    states = [frozenset(pair) for pair in itertools.combinations(range(1, 5), 2)]
    energy = {state: float(number) for number, state in enumerate(states)}
    for one_, other in itertools.permutations(states, 2):
        if len(one_ - other) != 1:
            continue
        flows = []
        for here, there in ((one_, other), (other, one_)):
            forward, backward = proposals.probability(here, there), proposals.probability(there, here)
            accepted = acceptance(energy[here], energy[there], forward, backward, sharpness)
            flows.append(math.exp(-sharpness * energy[here]) * forward * accepted)
        assert flows[0] == pytest.approx(flows[1])


def test_the_search_finds_the_best_set_and_evaluates_each_once() -> None:
    asked: list[frozenset[int]] = []

    def energy(state: frozenset[int]) -> float:
        asked.append(state)
        return float(sum((number - 2.5) ** 2 for number in state))

    line = np.abs(np.subtract.outer(np.arange(8.0), np.arange(8.0)))
    proposals = Proposals(distances=line, width=1.0)
    walk = search(np.random.default_rng(1), energy, proposals, 3, steps=300, sharpness=1.0)
    assert walk.best == {2, 3} and walk.energy == pytest.approx(0.5) and 0 < walk.accepted < 1
    assert len(asked) == len(set(asked)) and all(len(state) == 2 and 0 not in state for state in asked)
    again = search(np.random.default_rng(1), energy, proposals, 3, steps=300, sharpness=1.0)
    assert again == walk
    assert search(np.random.default_rng(1), energy, proposals, 8, steps=9, sharpness=1.0).best == set(range(1, 8))
    assert search(np.random.default_rng(1), energy, proposals, 1, steps=9, sharpness=1.0).best == frozenset()


# -- the selector


def test_clips_are_split_by_class_and_id_alone() -> None:
    target = torch.tensor([0] * 8 + [1] * 4)
    ids = [f"clip{number}" for number in range(12)]
    learnt, decided = split(target, ids, 0.25)
    assert sorted(learnt + decided) == list(range(12)) and target[decided].tolist() == [0, 0, 1]
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0)).tolist()
    again = split(target[order], [ids[row] for row in order], 0.25)
    assert sorted(order[row] for row in again[1]) == sorted(decided)
    labels = torch.tensor([[1, 0], [1, 0], [0, 1], [0, 1]])
    assert [labels[row].tolist() for row in split(labels, ids[:4], 0.5)[1]] == [[0, 1], [1, 0]]


def clouds(kind: str = "logistic") -> Selector:
    """Two classes, apart along one number: positive for class 1 as they are, negative under transform 1."""
    rng = np.random.default_rng(0)
    target = torch.arange(40) % 2
    plain = torch.tensor(rng.normal(size=(40, 4))).float() * 0.3
    plain[:, 0] += 2.0 * target - 1
    moved = plain.clone()
    moved[:, 0] = -moved[:, 0]
    descriptors = torch.stack([plain, moved], 1) + 3  # not negative
    return Selector(
        descriptors, target, list(map(str, range(40))), classes=2, kind=kind, share=0.25, group_sizes=(2, 2)
    )


@pytest.mark.parametrize("kind", ["logistic", "linear-svm", "rbf-svm", "chi2-svm"])
def test_decisions_depend_on_what_was_trained_on_and_what_is_seen(kind: str) -> None:
    selector = clouds(kind)
    found = selector.decide([0], [0, 1])
    assert found.shape == (10, 2, 2) and found.sum(2).numpy() == pytest.approx(1)
    target = selector.target[selector.decided]
    assert (found[:, 0].argmax(1) == target).all() and (found[:, 1].argmax(1) != target).all()
    assert (selector.decide([1], [1])[:, 0].argmax(1) == target).all()


def test_a_classifier_of_contradictions_is_less_certain() -> None:
    selector = clouds()
    assert entropy(selector.decide([0, 1], [0])).mean() > entropy(selector.decide([0], [0])).mean()


def test_several_labels_have_probabilities_of_their_own() -> None:
    target = torch.stack([torch.arange(12) % 2, torch.ones(12)], 1).float()
    descriptors = torch.rand(12, 2, 3) + target[:, None, :1]
    selector = Selector(
        descriptors, target, list(map(str, range(12))), classes=2, kind="logistic", share=0.25, group_sizes=(3,)
    )
    found = selector.decide([0, 1], [0])
    assert selector.labels and (found[..., 1] > 0.7).all() and not torch.allclose(found.sum(-1), torch.ones(1).double())


def test_too_few_classes_are_one_error() -> None:
    with pytest.raises(ElrError, match="of 1 classes, which is too few; raise method.selection_clips") as caught:
        Selector(
            torch.rand(8, 2, 3),
            torch.zeros(8),
            list("abcdefgh"),
            classes=2,
            kind="logistic",
            share=0.25,
            group_sizes=(3,),
        )
    assert "\n" not in str(caught.value)


# -- descriptors and the chosen set


def test_the_selector_s_descriptors() -> None:
    network = descriptor()
    assert network.num_features == 2 * 4 * 3 * 9 * 8 == 1728
    assert enlarged(torch.rand(2, 3, 5, 12, 16)).shape == (2, 3, 5, 48, 64)
    assert enlarged(torch.rand(1, 3, 2, 14, 14)).shape == (1, 3, 2, 56, 56)
    assert enlarged(torch.rand(1, 3, 2, 60, 80)).shape == (1, 3, 2, 60, 80)


def test_made_views_are_the_same_in_any_order() -> None:
    """The noise of a clip's low views follows its id; the first view is the stored one."""
    how = drawn_of(pool(pool_scales=1, pool_angles=1), (12, 16))
    high, low = torch.rand(1, 1, 3, 4, 48, 64), torch.rand(1, 1, 3, 4, 12, 16)

    def degrade(view: torch.Tensor) -> torch.Tensor:
        return view[..., ::4, ::4] + 0.01 * torch.randn(view[..., ::4, ::4].shape)

    def clip(name: str) -> Any:
        whole = batch(high.repeat(2, 1, 1, 1, 1, 1), low)
        return type(whole)(low=low, high=high, mask=torch.ones(1, 1), box=None, target=torch.zeros(1), ids=(name,))

    views = made_views(degrade, how, clip("a"))
    assert len(views) == 9 and torch.equal(views[0], low) and views[8].shape == low.shape
    found = describe(degrade, how, descriptor(), clip("a"))
    torch.rand(7)
    assert found.shape == (1, 9, 1728) and torch.equal(found, describe(degrade, how, descriptor(), clip("a")))
    assert not torch.equal(found, describe(degrade, how, descriptor(), clip("b")))
    assert torch.equal(found[:, 0], describe(degrade, how, descriptor(), clip("b"))[:, 0])


def test_a_chosen_set_becomes_numbers_of_views() -> None:
    module = Chosen(3)
    assert not module.drawn().shift.any() and (module.drawn().scale == 1).all()
    usual = pool()
    module.set(usual, [0, 1, 80], (12, 16))
    drawn = module.drawn()
    assert module.number.tolist() == [0, 1, 80]
    assert drawn.shift[1:].tolist() == [pytest.approx([s * 0.5 / 12, s * 0.5 / 16]) for s in (-1, 1)]
    assert drawn.scale.tolist() == pytest.approx([1, 1 / 1.05, 1.05])
    assert torch.rad2deg(drawn.angle).tolist() == pytest.approx([0, -3, 3])
