"""STAT against its equations, its lists of rolling weights, and what it shares with CSTAT."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark_core.catalog import Catalog
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.prepare import prepare
from benchmark_core.training.training import Training, build_training
from elrbench_plugins.attention_transfer import rolling
from elrbench_plugins.attention_transfer.losses import spatial_distances, temporal_distances
from elrbench_plugins.cstat.losses import cosine_distance
from elrbench_plugins.frozen_norms import freeze_norms
from elrbench_plugins.stat.fit import distance_of
from elrbench_plugins.stat.losses import normalised_difference

OWNERS = dict.fromkeys(("dataset", "degradation", "enhancer", "backbone", "method"), "elrbench")
LEFT = torch.tensor([[1.0, 0.0], [1.0, 0.0], [3.0, 4.0], [1.0, 0.0]])
RIGHT = torch.tensor([[0.0, 2.0], [5.0, 0.0], [4.0, 3.0], [-1.0, 0.0]])


# -- eq. 2 and 3


@pytest.mark.parametrize(
    ("p", "distances"),
    [
        (1.0, [2.0, 0.0, 0.4, 2.0]),
        (2.0, [math.sqrt(2), 0.0, 0.2 * math.sqrt(2), 2.0]),
        (3.0, [2 ** (1 / 3), 0.0, 0.2 * 2 ** (1 / 3), 2.0]),
    ],
)
def test_normalised_difference_by_hand(p: float, distances: list[float]) -> None:
    assert normalised_difference(LEFT, RIGHT, p).tolist() == pytest.approx(distances, abs=1e-6)
    squares = [distance**2 for distance in distances]
    assert normalised_difference(LEFT, RIGHT, p, squared=True).tolist() == pytest.approx(squares, abs=1e-6)


def test_squared_it_is_twice_cstats_distance() -> None:
    torch.manual_seed(0)
    one, other = torch.randn(50, 9), torch.randn(50, 9)
    cosine = nn.functional.cosine_similarity(one, other)
    assert torch.allclose(normalised_difference(one, other, squared=True), 2 * (1 - cosine), atol=1e-6)
    assert torch.allclose(normalised_difference(one, other, squared=True), 2 * cosine_distance(one, other), atol=1e-6)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("squared", [False, True])
def test_equal_directions_are_at_distance_zero_with_a_finite_gradient(p: float, squared: bool) -> None:
    vector = torch.rand(4, 6, requires_grad=True)
    distance = normalised_difference(vector, 2 * vector.detach(), p, squared=squared)
    distance.sum().backward()
    assert distance.tolist() == pytest.approx([0] * 4, abs=1e-6)
    assert vector.grad is not None and bool(vector.grad.isfinite().all())


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_a_vector_without_direction_transfers_nothing(p: float) -> None:
    student = torch.zeros(1, 3, requires_grad=True)
    distance = normalised_difference(student, torch.ones(1, 3), p)
    distance.sum().backward()
    assert distance.item() == 0.0
    assert student.grad is not None and student.grad.tolist() == [[0.0, 0.0, 0.0]]


def test_eq2_is_of_attention_maps_by_interval() -> None:
    student = torch.tensor([[[[1.0, 0.0]]], [[[1.0, 1.0]]]])  # (B*K = 2, C = 1, 1, 2)
    teacher = torch.tensor([[[[0.0, 1.0]]], [[[1.0, 0.0]]]])
    apart = [math.sqrt(2), math.hypot(1 - 1 / math.sqrt(2), 1 / math.sqrt(2))]
    found = spatial_distances([student], [teacher], torch.ones(1, 2), distance=normalised_difference)
    assert found.tolist() == pytest.approx([sum(apart) / 2])
    maps = [torch.randn(2, 4, 3, 5), torch.randn(2, 8, 2, 2)]
    same = spatial_distances(maps, [3 * one for one in maps], torch.ones(1, 2), distance=normalised_difference)
    assert same.tolist() == pytest.approx([0, 0], abs=1e-6)


def test_eq3_is_of_both_layers() -> None:
    student = {"fc1": torch.tensor([[1.0, 0.0]]), "fc2": torch.tensor([[3.0, 4.0]])}
    teacher = {"fc1": torch.tensor([[0.0, 1.0]]), "fc2": torch.tensor([[4.0, 3.0]])}
    found = temporal_distances(student, teacher, torch.ones(1, 2), distance=normalised_difference)
    assert found.tolist() == pytest.approx([math.sqrt(2), 0.2 * math.sqrt(2)])


def test_the_options_choose_the_norm() -> None:
    assert distance_of({"norm_p": 1.0, "squared": False})(LEFT, RIGHT).tolist() == pytest.approx([2, 0, 0.4, 2])
    assert distance_of({"norm_p": 2.0, "squared": True})(LEFT, RIGHT).tolist() == pytest.approx(
        [2, 0, 0.08, 4], abs=1e-6
    )


# -- rolling weights


def weights(blocks: int, epochs: int) -> list[list[float]]:
    roll = functools.partial(rolling.weights, "stat", blocks, epochs=epochs, turns="fifths")
    return [roll(epoch=epoch) for epoch in range(epochs)]


def test_lists_change_every_10_epochs_of_50_as_printed() -> None:
    lists = [[0.4, 0.3, 0.2, 0.1], [0.3, 0.4, 0.2, 0.1], [0.2, 0.3, 0.4, 0.1], [0.1, 0.2, 0.3, 0.4]]
    assert weights(4, 50) == [row for row in [*lists, lists[0]] for _ in range(10)]
    shallow, deep = [2 / 3, 1 / 3], [1 / 3, 2 / 3]
    assert weights(2, 50) == [row for row in [shallow, deep, shallow, deep, shallow] for _ in range(10)]


def test_other_budgets_keep_the_fifths() -> None:
    assert [row.index(max(row)) for row in weights(4, 20)] == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4 + [0] * 4
    assert [row.index(max(row)) for row in weights(4, 2)] == [0, 2]
    assert [rolling.stage_in_turn(epoch, 5, 2) for epoch in range(5)] == [0, 1, 0, 1, 0]


@pytest.mark.parametrize("blocks", [2, 4])
def test_each_list_sums_to_1(blocks: int) -> None:
    assert [sum(row) for row in weights(blocks, 50)] == pytest.approx([1] * 50)


def test_equal_stages_are_the_other_reading() -> None:
    rows = [rolling.weights("stat", 4, epoch=epoch, epochs=8, turns="once") for epoch in range(8)]
    assert [row.index(max(row)) for row in rows] == [0, 0, 1, 1, 2, 2, 3, 3]


# -- frozen normalisation


def test_all_but_the_first_normalisation_stand_still() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Sequential(nn.BatchNorm3d(4), nn.GroupNorm(2, 4)))
    freeze_norms(network, "none")
    assert all(parameter.requires_grad for parameter in network.parameters())
    freeze_norms(network, "all-but-first")
    still = [name for name, parameter in network.named_parameters() if not parameter.requires_grad]
    assert still == ["2.0.weight", "2.0.bias"]


# -- the spec


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ("stat", {"w_ce": 1 / 3, "w_sat": 1 / 3, "w_tat": 1 / 3, "rolling": "none", "squared": False}),
        ("stat:ce", {"w_ce": 1.0, "w_sat": 0.0, "w_tat": 0.0}),
        ("stat:sat", {"w_ce": 0.5, "w_sat": 0.5, "w_tat": 0.0}),
        ("stat:tat", {"w_ce": 0.5, "w_sat": 0.0, "w_tat": 0.5}),
        ("stat:rc", {"rolling": "stat", "rolling_turns": "fifths"}),
        ("stat:squared", {"squared": True, "norm_p": 2.0}),
    ],
)
def test_variants_are_the_rows_of_table_3(catalog: Catalog, asked: str, numbers: Mapping[str, object]) -> None:
    plan = resolve_plan(catalog, PlanRequest(method=asked, dataset="puppets", budget="paper"))
    options = plan.options("method")
    assert plan.method == asked and {key: options[key] for key in numbers} == numbers
    assert (options["freeze_bn"], options["epochs"], options["joint_epochs"]) == ("all-but-first", 50, 50)


def test_every_option_of_cstat_that_it_shares_has_cstats_default_but_for_three(catalog: Catalog) -> None:
    stat, cstat = (catalog.methods[name].options for name in ("stat", "cstat"))
    differ = {key for key in stat.keys() & cstat.keys() if stat[key].default != cstat[key].default}
    assert differ == {"rolling_turns", "freeze_bn", "joint_clip_norm"}
    assert stat.keys() - cstat.keys() == {"norm_p", "squared"}


def test_what_the_paper_leaves_open_is_listed(catalog: Catalog) -> None:
    listed = "\n".join(catalog.methods["stat"].unspecified)
    for open_question in ("initial weights", "frozen", "clipped norm", "squared", "last 10 of 50", "unlabelled"):
        assert open_question in listed


# -- through the harness: 24 clips, one epoch a stage


def fitted(catalog: Catalog, cache: Path, method: str, *settings: str) -> tuple[Training, Any, dict[str, Any]]:
    """The training, what it deploys, and the state that each stage left."""
    request = PlanRequest(
        method=method, dataset="toy", backbone="toynet", budget="smoke", size="24x32",
        settings=("method.epochs=1", "method.joint_epochs=1", "method.batch=12", *settings),
    )  # fmt: skip
    plan = resolve_plan(catalog, request)
    components = components_of(catalog, plan)
    data = prepare(plan, components, RunContext(out=cache, cache=cache))
    training = build_training(
        plan=plan, components=components, inputs=data.stage_inputs(OWNERS), make_views=data.training_views,
        device=torch.device("cpu"), cache=cache, reporter=Silent(),
    )  # fmt: skip
    kept: dict[str, Any] = {}
    stage = training.stage

    def watched(name: str, *args: Any, **kwargs: Any) -> Any:
        module = stage(name, *args, **kwargs)
        kept[name] = {key: value.clone() for key, value in module.state_dict().items()}
        return module

    training.stage = watched  # type: ignore[method-assign]
    return training, components.method.load(components.method.fit)(training), kept


def moved(kept: Mapping[str, Mapping[str, Tensor]], part: str) -> set[str]:
    """Numbers of the stages of the backbone in which the joint phase changed `part`."""
    names = [f"backbone.stages.{number}.{part}" for number in range(4)]
    return {name.split(".")[2] for name in names if not torch.equal(kept["student"][name], kept["joint"][name])}


def test_the_joint_phase_holds_all_normalisations_but_the_first(toy_catalog: Catalog, tmp_path: Path) -> None:
    _, model, kept = fitted(toy_catalog, tmp_path, "stat")
    assert model.head.fc2.weight.abs().max() > 0
    assert moved(kept, "0.weight") == {"0", "1", "2", "3"}  # convolutions
    for part in ("1.weight", "1.bias", "1.running_mean", "1.running_var"):
        assert moved(kept, part) == {"0"}, part
    _, _, free = fitted(toy_catalog, tmp_path, "stat", "method.freeze_bn=none")
    for part in ("1.weight", "1.bias", "1.running_mean", "1.running_var"):
        assert moved(free, part) == {"0", "1", "2", "3"}, part


def test_gradients_are_clipped_in_the_joint_phase(toy_catalog: Catalog, tmp_path: Path) -> None:
    sgd = ("method.optimiser=sgd", "method.lr=1.0", "method.weight_decay=0.0")
    _, _, clipped = fitted(toy_catalog, tmp_path, "stat", *sgd, "method.joint_clip_norm=1e-12")
    assert all(
        torch.allclose(clipped["joint"][name], value, atol=1e-9)
        for name, value in clipped["student"].items()
        if not name.startswith("backbone.stages.0.1.running") and "num_batches" not in name
    )
    _, _, free = fitted(toy_catalog, tmp_path, "stat", *sgd)
    assert moved(free, "0.weight") == {"0", "1", "2", "3"}


def test_its_first_stages_are_cstats(toy_catalog: Catalog, tmp_path: Path) -> None:
    fitted(toy_catalog, tmp_path, "cstat")
    training, _, _ = fitted(toy_catalog, tmp_path, "stat:rc+squared")
    reused = [(stage["name"], stage["reused"]) for stage in training.stages]
    assert reused == [("teacher-tam", True), ("student", True), ("joint", False)]


def test_the_joint_phase_logs_what_it_minimises(toy_catalog: Catalog, tmp_path: Path) -> None:
    """Squared, its terms are at most twice those of the cosine, whose range ends at 2."""
    for method, largest in (("stat", 2.0), ("stat:squared", 4.0)):
        training, _, _ = fitted(toy_catalog, tmp_path, method, "method.joint_epochs=2")
        last = training.stages[-1]["history"][-1]
        assert last["loss"] == pytest.approx((last["ce"] + last["sat"] + last["tat"]) / 3, abs=1e-4)
        assert last["sat"] == pytest.approx(sum(last[f"sat_{i}"] for i in range(1, 5)) / 4, abs=1e-5)
        assert 0 < last["sat"] < largest and not any(key.startswith("confidence") for key in last)


def test_ce_minimises_the_labels_loss_alone(toy_catalog: Catalog, tmp_path: Path) -> None:
    training, _, _ = fitted(toy_catalog, tmp_path, "stat:ce", "method.joint_epochs=2")
    for row in training.stages[-1]["history"]:
        assert row["loss"] == pytest.approx(row["ce"], abs=1e-6) and row["sat"] > 0


def test_a_default_cstat_freezes_and_clips_nothing(toy_catalog: Catalog, tmp_path: Path) -> None:
    _, _, kept = fitted(toy_catalog, tmp_path, "cstat")
    assert moved(kept, "1.running_mean") == moved(kept, "1.weight") == {"0", "1", "2", "3"}
