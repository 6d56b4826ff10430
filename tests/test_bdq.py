"""BDQ: modules and losses against values worked out by hand, turns, labels, and runs that share an encoder."""

from __future__ import annotations

import math
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from benchmark_core.specs import defaults
from benchmark_core.specs.index import Clip, Drawn
from benchmark_core.weights_file import add_enhancer_weights
from elrbench_plugins.bdq import elr_enhancers
from elrbench_plugins.bdq.encoder import Blur, Encoder, Quantise, build, difference
from elrbench_plugins.bdq.fit import Adversaries, cosine, encoded
from elrbench_plugins.bdq.labels import labels_of
from elrbench_plugins.bdq.losses import encoder_loss, entropy, privacy_loss

OPTIONS = defaults(elr_enhancers()[0])

# -- blur


def test_the_kernel_is_a_normalised_gaussian() -> None:
    side = math.exp(-0.5)  # of sigma 1, one pixel away; 1 + 2 * side = 2.2131
    weights = [side / (1 + 2 * side), 1 / (1 + 2 * side), side / (1 + 2 * side)]
    blur = Blur(3, 1.0, learn=True)
    assert blur.weights().tolist() == pytest.approx(weights)
    assert weights == pytest.approx([0.2741, 0.4519, 0.2741], abs=1e-4)
    picture = torch.zeros(1, 3, 5, 5)
    picture[0, 1, 2, 2] = 1
    made = blur(picture)[0]
    assert made[1, 1:4, 1:4].tolist() == [pytest.approx([a * b for b in weights]) for a in weights]
    assert made[0].abs().max() == 0 and made.sum().item() == pytest.approx(1)


def test_borders_repeat_and_sigma_is_learnt_unless_fixed() -> None:
    flat = torch.full((2, 3, 4, 6), 0.3)
    assert torch.allclose(Blur(5, 3.0, learn=True)(flat), flat)
    assert [name for name, _ in Blur(5, 3.0, learn=True).named_parameters()] == ["log_sigma"]
    assert list(Blur(5, 3.0, learn=False).parameters()) == []
    assert Blur(5, 3.0, learn=False).state_dict()["log_sigma"].item() == pytest.approx(math.log(3))


# -- difference


def test_a_frame_minus_the_one_before() -> None:
    video = torch.tensor([0.1, 0.4, 0.2, 0.2]).reshape(1, 1, 4, 1, 1).expand(1, 3, 4, 2, 2)
    assert difference(video)[0, 0, :, 0, 0].tolist() == pytest.approx([0.3, 0.3, -0.2, 0.0], abs=1e-6)
    assert difference(video[:, :, :1]).abs().max() == 0


# -- quantisation


def gaps(*values: float) -> Tensor:
    """One item of one pixel per value, (1, 1, T, 1, 1)."""
    return torch.tensor(values).reshape(1, 1, -1, 1, 1)


def test_hard_steps_round_to_the_levels_between_least_and_most() -> None:
    made = Quantise(2, 1e4)(gaps(-1.0, -0.7, -0.6, 0.1, 1.0))  # levels -1, -1/3, 1/3, 1
    assert made.flatten().tolist() == pytest.approx([-1, -1, -1 / 3, 1 / 3, 1], abs=1e-3)


def test_soft_steps_are_a_sum_of_sigmoids() -> None:
    """k = 1: one threshold at 0.5. x = 0 and 1 / 1.0001; y = sigmoid(5 (x - 0.5))."""
    made = Quantise(1, 5.0)(gaps(0.0, 1.0)).flatten().tolist()
    assert made == pytest.approx([1 / (1 + math.exp(2.5)), 1 / (1 + math.exp(-5 * (1 / 1.0001 - 0.5)))], abs=1e-6)
    three = Quantise(2, 5.0)
    with torch.no_grad():
        three.thresholds.copy_(torch.tensor([0.0, 1.0, 3.0]))
    x = 3 * 0.25 / 1.0001  # of a range from 0 to 1
    y = sum(1 / (1 + math.exp(-5 * (x - threshold))) for threshold in (0.0, 1.0, 3.0))
    assert three(gaps(0.0, 0.25, 1.0)).flatten()[1].item() == pytest.approx(y / 3, abs=1e-6)


def test_an_item_does_not_depend_on_the_others() -> None:
    items = torch.rand(3, 3, 4, 2, 2) - 0.5
    quantise = Quantise(3, 5.0)
    assert torch.allclose(quantise(items), torch.cat([quantise(item[None]) for item in items]))


def test_thresholds_stay_in_range_and_in_order() -> None:
    quantise = Quantise(2, 5.0)
    assert quantise.thresholds.tolist() == [0.5, 1.5, 2.5]
    with torch.no_grad():
        quantise.thresholds.copy_(torch.tensor([2.0, -1.0, 9.0]))
    quantise.project()
    assert quantise.thresholds.tolist() == [0.0, 2.0, 3.0]


# -- the encoder


def test_a_still_scene_is_grey_and_gradients_reach_blur_and_thresholds() -> None:
    encoder = build((6, 8), (12, 16), OPTIONS)
    assert isinstance(encoder, Encoder)
    still = encoder(torch.rand(1, 3, 1, 6, 8).expand(2, 3, 16, 6, 8))
    assert still.shape == (2, 3, 16, 12, 16) and torch.allclose(still, torch.tensor(0.5), atol=1e-4)
    made = encoder(torch.rand(2, 3, 16, 6, 8))
    assert 0 <= made.min() < 0.5 < made.max() <= 1
    made.square().sum().backward()
    for parameter in encoder.parameters():
        assert parameter.grad is not None and (parameter.grad != 0).any()


def test_views_are_encoded_as_a_recognizer_does() -> None:
    encoder = build(None, (6, 8), OPTIONS)
    low = torch.rand(2, 3, 3, 32, 6, 8)  # 3 intervals of 32 frames, of which 20 are used
    made = encoded(encoder, low, 20)
    assert made.shape == (2, 3, 3, 20, 6, 8)
    both = torch.cat([encoder(low[1, 2, None, :, :16]), encoder(low[1, 2, None, :, 16:])], 2)[0]
    assert torch.allclose(made[1, 2], both[:, 6:26])
    assert torch.allclose(encoded(encoder, list(low), 20), made)


# -- losses


def test_losses() -> None:
    assert entropy(torch.zeros(5, 4)).item() == pytest.approx(math.log(4))
    assert entropy(torch.tensor([[50.0, 0.0], [0.0, 0.0]])).item() == pytest.approx(math.log(2) / 2)
    actions, people = torch.zeros(3, 2), torch.zeros(3, 4)
    labels = torch.tensor([0, 1, 1])
    assert encoder_loss(actions, people, labels, 2.0).item() == pytest.approx(math.log(2) - 2 * math.log(4))
    assert privacy_loss(people, labels).item() == pytest.approx(math.log(4))
    certain = torch.tensor([[3.0, 0.0]])
    assert privacy_loss(certain, torch.tensor([0])).item() == pytest.approx(math.log(1 + math.exp(-3)))


class Linear(nn.Module):
    """In place of a network: logits of the mean frame."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * 6 * 8, classes)

    def forward(self, view: Tensor, mask: Tensor, box: Tensor | None) -> Tensor:
        logits: Tensor = self.linear(view.std((1, 3)).flatten(1))
        return logits


def test_each_network_moves_in_its_turn_alone() -> None:
    torch.manual_seed(0)
    encoder, action, person = build((6, 8), (6, 8), OPTIONS), Linear(2), Linear(4)
    parts = {"encoder": encoder, "action": action, "person": person}
    moved: list[set[str]] = []

    def step(optimizer: torch.optim.Optimizer) -> None:
        before = {name: [p.detach().clone() for p in part.parameters()] for name, part in parts.items()}
        optimizer.step()
        moved.append(
            {
                name
                for name, part in parts.items()
                if not all(torch.equal(a, b) for a, b in zip(before[name], part.parameters(), strict=True))
            }
        )

    training: Any = SimpleNamespace(options=OPTIONS, step=step, autocast=nullcontext)
    adversaries = Adversaries(training, encoder, action, person, 16)  # type: ignore[arg-type]
    batch: Any = SimpleNamespace(low=torch.rand(4, 1, 3, 16, 6, 8), mask=torch.ones(4, 1), box=None)
    labels = torch.tensor([0, 1, 0, 1]), torch.tensor([0, 1, 2, 3])
    rows = [adversaries.step(batch, *labels) for _ in range(5)]
    assert moved == [{"encoder", "action"}, {"person"}] * 5
    assert rows[0].keys() == {"loss", "entropy", "privacy", "action_top1", "person_top1"}
    adversaries.set_rate(0.125)
    groups = (*adversaries.protector.param_groups, *adversaries.attacker.param_groups)
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [(0.125, 0.0), (0.125, 1e-5), (0.125, 1e-5)]


def test_the_rate_falls_by_a_cosine() -> None:
    assert [cosine(0.01, epoch, 4) for epoch in (0, 2)] == pytest.approx([0.01, 0.005], rel=1e-4)
    assert cosine(0.01, 1, 4) == pytest.approx(1e-7 + (0.01 - 1e-7) * (1 + math.sqrt(0.5)) / 2)


# -- labels


def clip(name: str, **fields: Any) -> Clip:
    return Clip(id=name, source=Drawn("", name), **fields)


def test_labels_of_a_dataset_of_actions_and_of_one_of_people_are_the_same() -> None:
    acts = [("a", 5, "bo"), ("b", 2, "al"), ("c", 5, "al")]
    actions = labels_of([clip(name, target=act, group=who) for name, act, who in acts], "acts")
    named = labels_of(
        [clip(name, target=["al", "bo"].index(who), group="tape", action=f"act {act}") for name, act, who in acts],
        "who",
    )
    assert actions == named
    assert actions.numbers == {"a": (1, 1), "b": (0, 0), "c": (1, 0)} and actions.actions == actions.people == 2
    batch: Any = SimpleNamespace(ids=("c", "a"), target=torch.zeros(2))
    assert [labels.tolist() for labels in actions.of(batch)] == [[1, 1], [0, 1]]


@pytest.mark.parametrize(
    ("people", "acts", "missing"),
    [((None, None), (0, 1), "people"), (("al", "al"), (0, 1), "people"), (("al", "bo"), (1, 1), "actions")],
)
def test_two_people_and_two_actions_are_needed(people: Any, acts: Any, missing: str) -> None:
    clips = [
        clip(str(number), target=act, group=who) for number, (who, act) in enumerate(zip(people, acts, strict=True))
    ]
    with pytest.raises(ElrError, match=f"'acts' do not name two {missing}; .*--enhancer-weights FILE"):
        labels_of(clips, "acts")


# -- plans and runs


def asked(**fields: Any) -> PlanRequest:
    settings = ("method.batch=12", "method.epochs=1", "enhancer.batch=12", *fields.pop("settings", ()))
    usual = {"method": "supervised", "dataset": "toy", "backbone": "toynet", "budget": "smoke", "size": "24x32"}
    return PlanRequest(**{**usual, "enhancer": "bdq", "degradation": "average-6x8", "settings": settings, **fields})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"settings": ("enhancer.kernel=4",)}, "set enhancer.kernel to an odd number"),
        ({"modality": "flow"}, "enhancer 'bdq' has parameters to train"),  # flow would pass by the encoder
        ({"dataset": "tiny-puppets", "degradation": None}, "'tiny-puppets' is multi-label; .*--enhancer-weights FILE"),
    ],
)
def test_plans_that_are_refused(toy_catalog: Catalog, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ElrError, match=message):
        resolve_plan(toy_catalog, asked(**fields))


def test_the_encoder_of_a_run_is_the_front_end_of_another(toy_catalog: Catalog, tmp_path: Path) -> None:
    def result(catalog: Catalog, name: str, **fields: Any) -> tuple[Any, Any]:
        plan = resolve_plan(catalog, asked(**fields))
        record = run(plan, catalog, RunContext(out=tmp_path / name, cache=tmp_path / "cache")).record
        tensors = load_file(tmp_path / name / "recognizer.safetensors")
        return record, {key: value for key, value in tensors.items() if key.startswith("enhancer.")}

    first, trained = result(toy_catalog, "protector")
    assert list(first["updates"]) == ["bdq", "student"]
    assert not torch.equal(trained["enhancer.quantise.thresholds"], torch.arange(15) + 0.5)
    assert any("of the people of training clips (chance 4.2 %)" in note for note in first["notes"])  # 24 clips

    file = tmp_path / "protector" / "recognizer.safetensors"
    catalog, weights = add_enhancer_weights(toy_catalog, str(file))
    second, loaded = result(catalog, "attacker", enhancer_weights=weights, seed=1)
    assert list(second["updates"]) == ["student"]
    assert all(torch.equal(trained[key], loaded[key]) for key in trained) and trained.keys() == loaded.keys()
    assert any("2 of 2 tensors" in note for note in second["notes"])

    with pytest.raises(ElrError, match="quantise.thresholds"):
        result(catalog, "other", enhancer_weights=weights, settings=("enhancer.bits=3",))
