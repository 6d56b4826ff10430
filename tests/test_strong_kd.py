"""Distillation with today's habits: aligned augmentation and the average by hand, and what of a run they change."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import BUILTINS, TOY
from safetensors.torch import load_file
from test_kd import go, same, scored, stages, toy, training_of
from torch import Tensor, nn

from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.networks.heads import MeanLogits
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.runs.time_estimate import estimate_times
from benchmark_core.training.average import Average
from benchmark_core.training.keys import StageInputs
from elrbench_plugins.interpolation.interpolation import Interpolation
from elrbench_plugins.strong_kd import aligned, fit
from elrbench_plugins.strong_kd.aligned import Draw

OWNERS = dict.fromkeys(("dataset", "degradation", "enhancer", "backbone", "method"), "elrbench")
INPUTS = StageInputs(clips="c", low="l", high="h", crop="after", owners=OWNERS)
GREY = torch.full((3,), 0.5)


def drawn(clips: int, **changes: Any) -> Draw:
    """What changes nothing, but for `changes`, by clip."""
    ones = torch.ones(clips)
    fields: dict[str, Any] = {"brightness": ones, "contrast": ones, "saturation": ones, "own": ones,
                              "rectangle": torch.zeros(clips, 4), "partner": torch.arange(clips)}  # fmt: skip
    return Draw(**{**fields, **{key: torch.as_tensor(value) for key, value in changes.items()}})


# -- augmentation


def test_nothing_drawn_changes_nothing() -> None:
    view = torch.rand(2, 3, 3, 1, 4, 6)
    assert torch.allclose(aligned.change(view, drawn(2), GREY), view, atol=1e-6)
    flow = torch.rand(2, 3, 2, 5, 4, 6) * 2 - 1
    colours = drawn(2, brightness=[0.1, 2.0], contrast=[0.1, 2.0])
    assert torch.equal(aligned.change(flow, colours, torch.zeros(2)), flow)  # flow has no colours


def test_colours_by_hand() -> None:
    """Red of 0.8: grey is 0.299 * 0.8 = 0.2392."""
    view = torch.tensor([0.8, 0.0, 0.0]).reshape(1, 1, 3, 1, 1, 1)

    def seen(**factors: list[float]) -> list[float]:
        return aligned.coloured(view, drawn(1, **factors)).flatten().tolist()

    assert seen(saturation=[0.5]) == pytest.approx([0.5196, 0.1196, 0.1196])
    assert seen(contrast=[0.5]) == pytest.approx([0.65, 0.25, 0.25])
    assert seen(brightness=[0.5]) == pytest.approx([0.4, 0, 0])
    assert seen(brightness=[1.5]) == pytest.approx([1, 0, 0])  # clipped
    assert seen(saturation=[0.5], contrast=[0.5], brightness=[0.9]) == pytest.approx([0.45882, 0.27882, 0.27882])


def test_a_rectangle_is_erased_in_all_frames_of_its_clip_alone() -> None:
    view = torch.rand(2, 2, 3, 3, 4, 8)
    rectangle = [[0.0, 0.25, 0.5, 0.75], [0.0, 0.0, 0.0, 0.0]]  # rows 0 and 1, columns 2 to 5
    seen = aligned.change(view, drawn(2, rectangle=rectangle), torch.tensor([0.1, 0.2, 0.3]))
    inside = torch.zeros(4, 8, dtype=torch.bool)
    inside[:2, 2:6] = True
    for channel, value in enumerate((0.1, 0.2, 0.3)):
        assert (seen[0, :, channel][..., inside] == value).all()
    assert torch.allclose(seen[0][..., ~inside], view[0][..., ~inside], atol=1e-6)
    assert torch.allclose(seen[1], view[1], atol=1e-6)


def test_a_mixture_and_its_label_by_hand() -> None:
    view = torch.tensor([0.2, 0.6, 1.0]).reshape(3, 1, 1, 1, 1, 1).expand(3, 2, 3, 1, 2, 2)
    how = drawn(3, own=[0.75, 0.5, 1.0], partner=[1, 2, 0])
    assert aligned.change(view, how, GREY)[:, 0, 0, 0, 0, 0].tolist() == pytest.approx([0.3, 0.8, 1.0])
    shares = aligned.mixed(torch.tensor([0, 2, 1]), how, 4)
    assert shares.tolist() == [[0.75, 0, 0.25, 0], [0, 0.5, 0.5, 0], [0, 1, 0, 0]]
    several = aligned.mixed(torch.tensor([[1.0, 1], [0, 1], [0, 0]]), how, 2)
    assert several.tolist() == [[0.75, 1], [0, 0.5], [0, 0]]


def test_a_view_and_its_average_stay_one() -> None:
    """What is drawn for both commutes with averaging by 4: nothing is clipped, and a rectangle's sides are low's."""
    high = torch.rand(3, 2, 3, 1, 16, 24) * 0.4 + 0.3
    how = drawn(3, brightness=[0.9, 1.1, 1.0], contrast=[1.2, 0.8, 1.0], saturation=[0.7, 1.3, 1.0],
                rectangle=[[0.25, 0.5, 0.75, 1.0], [0.0] * 4, [0.0, 0.0, 0.5, 0.5]],
                own=[0.6, 0.9, 0.3], partner=[2, 0, 1])  # fmt: skip

    def average(view: Tensor) -> Tensor:
        return view.unflatten(-2, (4, 4)).unflatten(-1, (6, 4)).mean((-3, -1))

    one, other = average(aligned.change(high, how, GREY)), aligned.change(average(high), how, GREY)
    assert torch.allclose(one, other, atol=1e-6) and (one - average(high)).abs().max() > 0.05


def test_what_is_drawn_keeps_to_its_bounds_and_follows_the_generator() -> None:
    def draw(seed: int, **strength: float) -> Draw:
        return aligned.draw(
            np.random.default_rng(seed), 500, **{"jitter": 0.3, "erase": 0.25, "mixup": 0.4, **strength}
        )

    one, again, other = draw(1), draw(1), draw(2)
    assert torch.equal(one.rectangle, again.rectangle) and torch.equal(one.own, again.own)
    assert not torch.equal(one.own, other.own)
    for factor in (one.brightness, one.contrast, one.saturation):
        assert 0.7 <= factor.min() < 0.75 and 1.25 < factor.max() <= 1.3
    top, left, bottom, right = one.rectangle[one.rectangle.any(1)].T
    assert 90 < len(top) < 160  # a quarter of 500, with six standard deviations
    area = (bottom - top) * (right - left)
    assert area.min() > 0.0199 and area.max() < 0.2001 and min(top.min(), left.min()) >= 0
    assert max(bottom.max(), right.max()) <= 1 + 1e-6
    assert one.own.min() >= 0 and one.own.max() <= 1 and sorted(one.partner.tolist()) == list(range(500))
    # the variance of Beta(a, a) is 1 / (4 (2 a + 1))
    assert one.own.mean().item() == pytest.approx(0.5, abs=0.06) and one.own.var().item() == pytest.approx(
        1 / 7.2, abs=0.02
    )
    plain = draw(1, jitter=0.0, erase=0.0, mixup=0.0)
    assert (plain.own == 1).all() and not plain.rectangle.any() and (plain.contrast == 1).all()


class Tiny(nn.Module):
    """A backbone of one convolution."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.conv = (nn.Conv2d if dims == 2 else nn.Conv3d)(3, 4, 3, padding=1)

    def forward_features(self, image: Tensor) -> list[Tensor]:
        return [self.conv(image)]

    def pool(self, stage: Tensor) -> Tensor:
        return stage.flatten(2).mean(2)


@pytest.mark.parametrize(("dims", "frames"), [(2, 1), (3, 5)])
@pytest.mark.parametrize("sizes", ["one", "mixed"])
def test_where_nothing_is_drawn_the_answer_is_the_networks(dims: int, frames: int, sizes: str) -> None:
    network = Recognizer(enhancer=Interpolation((12, 16), "bilinear"), backbone=Tiny(dims),
                         head=MeanLogits(nn.Linear(4, 3)), dims=dims, mean=(0.4, 0.5, 0.6), std=(0.2,) * 3,
                         frames=frames)  # fmt: skip
    mask, box = torch.ones(2, 3), torch.tensor([[0.0, 0.25, 0.75, 0.75, 1.0], [0.0, 0.0, 1.0, 1.0, 0.0]])
    low: Any = torch.rand(2, 3, 3, frames, 6, 8)
    if sizes == "mixed":
        low = [torch.rand(3, 3, frames, 6, 8), torch.rand(3, 3, frames, 20, 9)]
    usual = network(low, mask, box)
    assert usual.shape == (2, 3)
    assert torch.allclose(fit.answer(network, low, mask, box, drawn(2)), usual, atol=1e-5)
    whole = drawn(2, rectangle=[[0.0, 0.0, 1.0, 1.0], [0.0] * 4])  # what is erased is 0 once it is normalised
    erased = fit.answer(network, low, mask, box, whole)
    bias = network.head.shared[0](network.backbone.conv.bias)
    assert torch.allclose(erased[0], bias, atol=1e-5) and torch.allclose(erased[1], usual[1], atol=1e-5)


def test_student_and_teacher_see_the_same_change(toy_catalog: Catalog, tmp_path: Path) -> None:
    """The low view enlarged and the high one: what is drawn is one, and comes after box and enhancer."""
    plan = toy(toy_catalog, "strong-kd", "method.epochs=1", "method.joint_epochs=1")
    seen: list[tuple[Draw, Tensor]] = []
    change = aligned.change

    def watched(view: Tensor, how: Draw, fill: Tensor, *more: aligned.Whole) -> Tensor:
        seen.append((how, view.detach()))
        return change(view, how, fill, *more)

    training = training_of(toy_catalog, plan, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aligned, "change", watched)
        fit.fit(training)
    assert len(seen) == 2 * 2 * 2  # two epochs of two batches, student and teacher
    for (ours, low), (theirs, high) in zip(seen[::2], seen[1::2], strict=True):
        assert ours is theirs and low.shape == high.shape == (12, 2, 3, 1, 24, 32)
        near = [(view - view.mean((2, 3, 4, 5), keepdim=True)).flatten(1) for view in (low, high)]
        assert torch.cosine_similarity(*near).median() > 0.9  # cut and flipped alike; some boxes hold noise alone
    assert not torch.equal(seen[0][0].own, seen[2][0].own)


# -- the average


class Two(nn.Module):
    """A weight that is trained, one that stands still, and whole and real buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.moves = nn.Parameter(torch.tensor([1.0]))
        self.stands = nn.Parameter(torch.rand(5))
        self.register_buffer("statistics", torch.tensor([0.0]))
        self.register_buffer("count", torch.tensor(0))


def test_the_average_by_hand() -> None:
    net = Two()
    average, still = Average(net, 0.15), net.stands.detach().clone()
    for value in (3.0, 5.0, -1.0):
        net.moves.data.fill_(value)
        net.statistics.fill_(10 * value)
        net.count += 1
        average.update(net)
    first = 0.1 * 1 + 0.9 * 3  # 1/10 < 0.15
    second = 0.15 * first + 0.85 * 5  # 2/11 is above
    assert average.network.moves.item() == pytest.approx(0.15 * second + 0.85 * -1)
    moved = 0.15 * (0.15 * (0.9 * 30) + 0.85 * 50) + 0.85 * -10
    assert average.network.statistics.item() == pytest.approx(moved)
    assert average.network.count.item() == 3 and torch.equal(average.network.stands, still)  # to the bit
    assert net.moves.item() == -1  # the network goes its own way
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    average.into(net)
    assert torch.equal(net.moves, average.network.moves) and net.moves.requires_grad


def test_the_averages_state_is_whole() -> None:
    net, other = Two(), Two()
    average, again = Average(net, 0.999), Average(other, 0.999)
    for value in (3.0, 5.0):
        net.moves.data.fill_(value)
        average.update(net)
    again.load_state_dict(average.state_dict())
    for one in (average, again):
        one.update(net)
    assert same(average.network.state_dict(), again.network.state_dict())
    assert average.state_dict()["updates"] == again.updates == 3


def test_no_decay_is_the_network_itself_to_the_bit(toy_catalog: Catalog, tmp_path: Path) -> None:
    results: dict[str, tuple[dict[str, Tensor], dict[str, Tensor]]] = {}
    into = Average.into
    for variant in ("no-ema", ""):
        last: list[dict[str, Tensor]] = []

        def watched(self: Average, network: nn.Module, last: list[dict[str, Tensor]] = last) -> None:
            last.append({name: value.clone() for name, value in network.state_dict().items()})
            into(self, network)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Average, "into", watched)
            result = go(toy_catalog, toy(toy_catalog, f"strong-kd{variant and ':'}{variant}"), tmp_path)
        results[variant] = last[0], scored(result)
    assert same(*results["no-ema"]) and not same(*results[""])
    assert same(results["no-ema"][0], results[""][0])  # what is averaged does not change what is trained


# -- recipe


def test_the_students_rate_warms_up_and_falls_as_a_cosine(toy_catalog: Catalog, tmp_path: Path) -> None:
    plan = toy(toy_catalog, "strong-kd", "method.student_lr=0.01", "method.student_warmup_epochs=2")
    training = training_of(toy_catalog, plan, tmp_path)
    student = training.recognizer()
    recipe = fit.student_recipe(training, student, training.views("train"), 10)
    assert isinstance(recipe.optimiser, torch.optim.AdamW)
    assert [group["weight_decay"] for group in recipe.optimiser.param_groups] == [0.05, 0.0]
    rates = []
    for epoch in range(11):
        recipe.updates = epoch * recipe.steps
        rates.append(recipe.lr)
    expected = [0.0, 0.005, *(0.005 * (1 + math.cos(math.pi * (epoch - 2) / 8)) for epoch in range(2, 11))]
    assert rates == pytest.approx(expected, abs=1e-7)


def test_normalisation_stands_still_and_gradients_are_clipped_where_asked(toy_catalog: Catalog, tmp_path: Path) -> None:
    settings = ("method.student_freeze_bn=all-but-first", "method.student_clip_norm=0.25")
    plan = toy(toy_catalog, "strong-kd", *settings, backbone="resnet18")
    training = training_of(toy_catalog, plan, tmp_path)
    assert fit.student_recipe(training, training.recognizer(), training.views("train"), 2).clip == 0.25
    plain = toy(toy_catalog, "strong-kd", "method.clip_norm=3.0", backbone="resnet18")
    training = training_of(toy_catalog, plain, tmp_path)
    assert fit.student_recipe(training, training.recognizer(), training.views("train"), 2).clip == 3.0

    weights = scored(go(toy_catalog, plan, tmp_path))
    fresh = training.recognizer().state_dict()
    norms = [key.removesuffix(".running_mean") for key in fresh if key.endswith("running_mean")]
    assert len(norms) == 20 and norms[0] == "backbone.bn1"
    moved = {name for name in norms for part in ("weight", "bias", "running_mean", "running_var")
             if not torch.equal(weights[f"{name}.{part}"], fresh[f"{name}.{part}"])}  # fmt: skip
    assert moved == {"backbone.bn1"}
    assert not torch.equal(weights["backbone.layer4.1.conv2.weight"], fresh["backbone.layer4.1.conv2.weight"])


def test_it_takes_as_many_updates_as_supervised_matched(toy_catalog: Catalog, tmp_path: Path) -> None:
    def updates(method: str) -> int:
        done = go(toy_catalog, toy(toy_catalog, method, "method.joint_epochs=1"), tmp_path).record["updates"]
        return sum(count for name, count in done.items() if name != "teacher")

    assert updates("supervised:matched") == updates("strong-kd") == updates("strong-kd:from-student") == 6


def test_labels_are_smoothed_for_the_student_alone(toy_catalog: Catalog, tmp_path: Path) -> None:
    """At a rate of 0 the logged loss is that of the start, by hand; the teacher's stage is the plain one."""
    settings = ("method.student_lr=0.0", "method.batch=24", "method.epochs=1", "method.joint_epochs=1",
                "method.student_label_smoothing=0.3", "method.alpha=0.5")  # fmt: skip
    plan = toy(toy_catalog, "strong-kd:no-aug", *settings)
    training = training_of(toy_catalog, plan, tmp_path)
    seen: list[tuple[Tensor, Tensor]] = []
    mixed, answer = aligned.mixed, fit.answer
    logits: list[Tensor] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "answer", lambda *asked: (logits.append(answer(*asked)), logits[-1])[1])
        patch.setattr(aligned, "mixed", lambda *asked: (seen.append(asked[0]), mixed(*asked))[1])
        fit.fit(training)
    rows = training.stages[-1]["history"]
    assert len(rows) == len(seen) == 2
    for row, target, student in zip(rows, seen, logits[::2], strict=True):
        log = student.detach().log_softmax(1)
        hard = -log[torch.arange(24), target].mean().item()
        assert row["task"] == pytest.approx(0.7 * hard + 0.3 * -log.mean().item(), abs=1e-5)
        assert row["loss"] == pytest.approx(0.5 * row["task"] + 0.5 * row["soft"], abs=2e-6)


@pytest.mark.parametrize("start", ["teacher", "student"])
def test_what_the_student_starts_from(toy_catalog: Catalog, tmp_path: Path, start: str) -> None:
    """At a rate of 0 weights stay where they were."""
    plan = toy(toy_catalog, f"strong-kd:from-{start}", "method.student_lr=0.0")
    result = go(toy_catalog, plan, tmp_path)
    assert list(stages(result)) == (["teacher", "student"] if start == "teacher" else ["teacher", "student", "joint"])
    (path,) = (tmp_path / "cache" / "stages").glob(f"{start}-*/module.safetensors")
    held, weights = load_file(path), scored(result)
    trained = [name for name in held if name.endswith("weight") or name.endswith("bias")]
    assert len(trained) == 18 and all(torch.equal(held[name], weights[name]) for name in trained)


def test_each_variant_changes_what_is_trained(toy_catalog: Catalog, tmp_path: Path) -> None:
    found = [scored(go(toy_catalog, toy(toy_catalog, "strong-kd"), tmp_path))]
    for variant in toy_catalog.methods["strong-kd"].variants:
        found.append(scored(go(toy_catalog, toy(toy_catalog, f"strong-kd:{variant}"), tmp_path)))
        assert not any(same(found[-1], other) for other in found[:-1]), variant


# -- partners


@pytest.fixture(scope="module")
def learnt_catalog() -> Catalog:
    plugins = [*(f"elrbench_plugins.{name}" for name in BUILTINS), str(TOY), str(TOY.with_name("learnt.py"))]
    return load_catalog(plugins, entry_points=False)


@pytest.mark.parametrize("train", ["false", "true"])
def test_a_learnt_enhancer_stands_still_or_learns_with_the_student(
    learnt_catalog: Catalog, tmp_path: Path, train: str
) -> None:
    """Standing still, its frames come from the store; what the average makes of it is itself, to the bit."""
    plan = toy(learnt_catalog, "strong-kd", f"enhancer.train={train}", enhancer="framewise")
    result = go(learnt_catalog, plan, tmp_path)
    fitted = next(path for path in (tmp_path / "cache" / "stages").iterdir() if path.name.split("-")[0] not in (
        "teacher", "student"))  # fmt: skip
    before, after = load_file(fitted / "module.safetensors"), scored(result)
    still = [torch.equal(value, after[f"enhancer.{name}"]) for name, value in before.items()]
    assert still and all(still) == (train == "false")


def test_optical_flow(toy_catalog: Catalog, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    plan = toy(toy_catalog, "strong-kd", "method.epochs=1", "method.joint_epochs=1", modality="flow")
    assert go(toy_catalog, plan, tmp_path).record["scores"]["top1"]["n"] == 12


def test_an_estimate_names_its_stages(toy_catalog: Catalog, tmp_path: Path) -> None:
    for method, names in (("kd", ["teacher", "student", "joint"]), ("strong-kd", ["teacher", "student"])):
        plan = resolve_plan(toy_catalog, PlanRequest(method=method, dataset="toy", backbone="toynet", budget="smoke"))
        seconds = estimate_times(plan, components_of(toy_catalog, plan), clips=24, inputs=INPUTS,
                           device=torch.device("cpu"), cache=tmp_path)  # fmt: skip
        assert list(seconds) == names and all(value > 0 for value in seconds.values())
