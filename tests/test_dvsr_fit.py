"""How TinyVIRAT's enhancers are fitted: growth, what is shared, kills in the middle of a step, natively low clips."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmark_core.catalog import Catalog
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.prepare import prepare
from benchmark_core.runs.runner import RunResult, run
from benchmark_core.runs.time_estimate import estimate_times
from benchmark_core.training.keys import StageInputs
from benchmark_core.training.training import Training, build_training
from elrbench_plugins.dvsr import elr_enhancers, fit
from elrbench_plugins.dvsr.network import Dvsr

OWNERS = dict.fromkeys(("dataset", "degradation", "enhancer", "backbone", "method"), "elrbench")
SPECS = {spec.name: spec for spec in elr_enhancers()}
NAMES = tuple(SPECS)
STEPS = 2  # updates an epoch: 4 clips in batches of 2


def asked(catalog: Catalog, enhancer: str, *settings: str, **fields: Any) -> Plan:
    """From 2x2 by 8 to 16x16, every phase of the smoke budget an epoch."""
    usual = {"method": "supervised", "dataset": "toy", "backbone": "toynet", "budget": "smoke", "size": "16x16"}
    clips = ("dataset.train=4", "dataset.test=2", "method.batch=2", "method.epochs=1", "enhancer.batch=2")
    request = {**usual, "enhancer": enhancer, "degradation": "average-2x2", **fields}
    return resolve_plan(catalog, PlanRequest(**request, settings=(*clips, *settings)))


def training_of(catalog: Catalog, plan: Plan, clips: Path, cache: Path) -> Training:
    components = components_of(catalog, plan)
    data = prepare(plan, components, RunContext(out=clips, cache=clips))
    return build_training(
        plan=plan,
        components=components,
        inputs=data.stage_inputs(OWNERS),
        make_views=data.training_views,
        device=torch.device("cpu"),
        cache=cache,
        reporter=Silent(),
    )


Fitted = Callable[..., tuple[nn.Module, Training]]


@pytest.fixture
def fitted(toy_catalog: Catalog, tmp_path: Path) -> Fitted:
    """`fitted(enhancer, *settings, cache="a")`: the enhancer of a fresh recognizer, and the training it is from."""

    def make(enhancer: str, *settings: str, cache: str = "a", die_at: tuple[int, int, int] | None = None) -> Any:
        plan = asked(toy_catalog, enhancer, *settings)
        training = training_of(toy_catalog, plan, tmp_path / "clips", tmp_path / cache)
        if die_at is not None:
            die_in(training, *die_at)
        return training.recognizer().enhancer, training

    return make


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one: nn.Module, other: nn.Module) -> bool:
    left, right = state(one), state(other)
    return left.keys() == right.keys() and all(torch.equal(value, right[name]) for name, value in left.items())


# -- growth


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int | None, float, bool]]:
    """(step, alpha, whether gradients are kept) of every pass of a network."""
    seen: list[tuple[int | None, float, bool]] = []
    whole = Dvsr.with_features

    def told(self: Dvsr, x: Tensor, step: int | None = None, alpha: float = 1.0) -> Any:
        seen.append((step, alpha, torch.is_grad_enabled()))
        return whole(self, x, step, alpha)

    monkeypatch.setattr(Dvsr, "with_features", told)
    return seen


def test_it_grows_step_by_step_each_faded_in(fitted: Fitted, passes: list[Any]) -> None:
    _, training = fitted("prog-dvsr", "enhancer.fade_step=0.25", "enhancer.epochs_between=3", "enhancer.epochs_last=2")
    alphas = [0.25 * update for update in range(6)]
    due = [(1, 1.0), (1, 1.0), *((2, min(1.0, alpha)) for alpha in alphas), *((3, alpha) for alpha in alphas[:4])]
    assert passes == [(*one, True) for one in due]
    (stage,) = training.stages
    assert stage["name"] == "prog-dvsr" and stage["updates"] == len(due)
    assert [row["alpha"] for row in stage["history"]] == [1.0, 0.125, 0.625, 1.0, 0.125, 0.625]
    assert all(row["psnr"] > 0 and row["loss"] > 0 for row in stage["history"])
    assert training.notes == []


def test_code_fades_linearly_over_two_epochs(fitted: Fitted, passes: list[Any]) -> None:
    _, training = fitted("prog-dvsr:code", "enhancer.epochs_between=3", "enhancer.epochs_last=1")
    alphas = [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]  # 2 of its epochs are 4 updates
    assert passes == [(1, 1.0, True)] * 2 + [(2, alpha, True) for alpha in alphas] + [(3, 0.0, True), (3, 0.25, True)]
    (note,) = training.notes
    for part in ("prog-dvsr: ", "by 8", "alpha 0.50", "8 times", "alpha 1", "more epochs", "fade"):
        assert part in note, part


def test_end_to_end_all_steps_are_learnt_at_once(fitted: Fitted, passes: list[Any]) -> None:
    module, training = fitted("dvsr", "enhancer.epochs=2")
    assert passes == [(None, 1.0, True)] * 4 and [stage["name"] for stage in training.stages] == ["dvsr"]
    fresh, _ = fitted("dvsr", "enhancer.lr=0.0", cache="b")
    moved = {name for name, value in state(module).items() if not torch.equal(value, state(fresh)[name])}
    still = {name for name in state(module) if "rgb_proj.0" in name or "rgb_proj.1" in name}
    assert moved == set(state(module)) - still


# -- stages


def test_attention_goes_on_from_the_stage_that_progressive_fits(fitted: Fitted) -> None:
    plain, first = fitted("prog-dvsr")
    attended, second = fitted("prog-dvsr-att")
    assert [(stage["name"], stage["reused"]) for stage in second.stages] == [
        ("prog-dvsr", True),
        ("prog-dvsr-att", False),
    ]
    assert second.stages[0]["key"] == first.stages[0]["key"]
    assert not same(plain, attended.super_resolution)  # trained on
    logged = second.stages[1]["history"][0]
    assert {"loss", "rec", "att", "attention", "classifier", "psnr", "psnr_att"} < logged.keys()
    again, third = fitted("prog-dvsr-att")
    assert [stage["reused"] for stage in third.stages] == [True, True] and same(again, attended)


@pytest.mark.parametrize(
    ("setting", "reused"),
    [
        ("enhancer.checkpoint=true", True),
        ("enhancer.train=true", True),
        ("enhancer.keep=true", True),
        ("method.lr=0.5", True),
        ("enhancer.epochs_last=2", False),
        ("enhancer.micro_batch=2", False),
        ("enhancer.growth_frames=linear", False),
    ],
)
def test_a_stage_is_anew_where_a_number_that_it_reads_is(
    toy_catalog: Catalog, tmp_path: Path, setting: str, reused: bool
) -> None:
    """Keys alone: nothing is fitted."""
    keys = []
    for more in ((), (setting,)):
        plan = asked(toy_catalog, "prog-dvsr", *more)
        training = training_of(toy_catalog, plan, tmp_path / "clips", tmp_path / "a")
        fake(training, keys)
        training.recognizer()
    assert (keys[0] == keys[1]) is reused


def fake(training: Training, keys: list[str]) -> None:
    """Stages that fit nothing, and the keys that they would have."""

    def stage(name: str, fn: Any, module: nn.Module, *, needs: Any = (), revision: int = 1) -> nn.Module:
        key = training._key(name, fn, module, needs, revision).digest
        keys.append(key)
        training._trained.add(module, key)
        return module

    training.stage = stage  # type: ignore[method-assign]


def test_the_backbone_is_no_part_of_reconstruction_but_of_attention(toy_catalog: Catalog, tmp_path: Path) -> None:
    keys: dict[str, list[str]] = {}
    for backbone in ("toynet", "resnet18"):
        plan = asked(toy_catalog, "prog-dvsr-att", backbone=backbone)
        fake(
            training := training_of(toy_catalog, plan, tmp_path / "clips", tmp_path / "a"),
            keys.setdefault(backbone, []),
        )
        training.recognizer()
    (first, joint), (other, another) = keys.values()
    assert first == other and joint != another


# -- killed


class Killed(Exception):
    """Stands for a kill."""


def die_in(training: Training, loop: int, epoch: int, update: int) -> None:
    """Before that update of that epoch of that loop, each from 0."""
    epochs, loops = training.epochs, itertools.count()

    def dying(*given: Any, **named: Any) -> Iterator[Any]:
        number, updates = next(loops), itertools.count()
        for batch in epochs(*given, **named):
            if (number, next(updates) - batch.epoch * STEPS) == (loop, update) and batch.epoch == epoch:
                raise Killed
            yield batch

    training.epochs = dying  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("enhancer", "settings", "die_at"),
    [
        ("prog-dvsr", ("epochs_between=3", "epochs_last=2", "fade_step=0.2"), (1, 1, 1)),
        ("prog-dvsr", ("epochs_last=3", "fade_step=0.2"), (2, 2, 1)),
        ("prog-dvsr:code", ("epochs_last=3",), (2, 1, 1)),
        ("dvsr", ("epochs=2",), (0, 1, 0)),
        ("prog-dvsr-att", ("joint_epochs=2",), (3, 1, 1)),
    ],
    ids=["fading-in-the-second", "fading-in-the-third", "code", "end-to-end", "joint"],
)
def test_a_kill_within_a_step_changes_nothing(
    fitted: Fitted,
    enhancer: str,
    settings: tuple[str, ...],
    die_at: tuple[int, int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Weights, the optimiser's moments and alpha have gone on from the checkpoint when the kill comes."""
    numbers = [f"enhancer.{text}" for text in settings]
    whole, straight = fitted(enhancer, *numbers, cache="whole")
    with pytest.raises(Killed):
        fitted(enhancer, *numbers, cache="broken", die_at=die_at)
    said: list[str] = []
    monkeypatch.setattr(Silent, "say", lambda self, text: said.append(text))
    resumed, broken = fitted(enhancer, *numbers, cache="broken")
    name = broken.stages[-1]["name"]
    assert any(line.startswith(f"{name}: ") and line.endswith(f"epoch {die_at[1] + 1}") for line in said)
    assert same(whole, resumed)
    for one, other in zip(straight.stages, broken.stages, strict=True):
        assert (one["updates"], one["history"], one["key"]) == (other["updates"], other["history"], other["key"])


# -- whole runs


def go(catalog: Catalog, plan: Plan, work: Path) -> RunResult:
    return run(plan, catalog, RunContext(data=None, out=work / "out", cache=work / "cache", reporter=Silent()))


@pytest.mark.parametrize("enhancer", NAMES)
def test_a_run_deploys_what_was_fitted(toy_catalog: Catalog, tmp_path: Path, enhancer: str) -> None:
    result = go(toy_catalog, asked(toy_catalog, enhancer), tmp_path)
    due = {"dvsr": ["dvsr"], "prog-dvsr": ["prog-dvsr"], "prog-dvsr-att": ["prog-dvsr", "prog-dvsr-att"]}[enhancer]
    assert [stage["name"] for stage in result.record["stages"]] == [*due, "student"]
    deployed = load_file(result.folder / "recognizer.safetensors")
    (weights,) = (tmp_path / "cache" / "stages").glob(f"{due[-1]}-????????????????/*.safetensors")
    for name, value in load_file(weights).items():
        assert torch.equal(deployed[f"enhancer.{name}"], value), name
    assert result.record["scores"]


def test_another_method_and_backbone_share_it(toy_catalog: Catalog, tmp_path: Path) -> None:
    go(toy_catalog, asked(toy_catalog, "prog-dvsr"), tmp_path)
    other = asked(
        toy_catalog, "prog-dvsr", "method.joint_epochs=1", method="cstat:sat", backbone="resnet18", sampling="1x1"
    )
    stages = go(toy_catalog, other, tmp_path).record["stages"]
    assert {stage["name"]: stage["reused"] for stage in stages}["prog-dvsr"] is True


@pytest.mark.parametrize("enhancer", NAMES)
def test_natively_low_clips_have_a_network_by_4_and_one_by_8(
    toy_catalog: Catalog, tmp_path: Path, enhancer: str
) -> None:
    """Of 10 to 128 pixels, several labels each; they are brought to 2x2 and 4x4, and enlarged to 16x16."""
    plan = asked(toy_catalog, enhancer, dataset="tiny-puppets", degradation="native", size="16x16", sampling="2x1")
    result = go(toy_catalog, plan, tmp_path)
    assert plan.high_source == "self"
    logged = [row for each in json.loads((result.folder / "log.json").read_text()).values() for row in each]
    assert all(1 <= row["pairs"] <= 2 for row in logged if "psnr" in row)
    deployed = load_file(result.folder / "recognizer.safetensors")
    assert {name.split("networks.")[1].split(".")[0] for name in deployed if "networks." in name} == {"x4", "x8"}
    loops = {"dvsr": 2, "prog-dvsr": 2 + 3, "prog-dvsr-att": 2 + 3}[enhancer]
    assert result.record["updates"][result.record["stages"][0]["name"]] == loops * STEPS


@pytest.mark.parametrize("enhancer", NAMES)
def test_it_can_go_on_with_the_recognizer(toy_catalog: Catalog, tmp_path: Path, enhancer: str) -> None:
    result = go(toy_catalog, asked(toy_catalog, enhancer, "enhancer.train=true"), tmp_path)
    deployed = load_file(result.folder / "recognizer.safetensors")
    (weights,) = (tmp_path / "cache" / "stages").glob(f"{enhancer}-????????????????/*.safetensors")
    moved = {name for name, value in load_file(weights).items() if not torch.equal(deployed[f"enhancer.{name}"], value)}
    assert any("res_hall" in name for name in moved) and not any("saliency" in name for name in moved)


def test_an_estimate_reckons_every_step(toy_catalog: Catalog, tmp_path: Path) -> None:
    plan = asked(toy_catalog, "prog-dvsr-att")
    components = components_of(toy_catalog, plan)
    data = prepare(plan, components, RunContext(out=tmp_path, cache=tmp_path))
    seconds = estimate_times(
        plan,
        components,
        clips=4,
        inputs=data.stage_inputs(OWNERS),
        device=torch.device("cpu"),
        cache=tmp_path,
    )
    assert list(seconds) == ["prog-dvsr", "prog-dvsr-att", "student"] and min(seconds.values()) > 0


@pytest.mark.parametrize("method", ["kd", "strong-kd", "stat", "st-mhsa"])
def test_it_goes_with_any_method(toy_catalog: Catalog, tmp_path: Path, method: str) -> None:
    plan = asked(toy_catalog, "prog-dvsr", method=method, sampling="2x1")
    inputs = StageInputs(clips="c", low="l", high="h", crop="after", owners=OWNERS)
    given = {"inputs": inputs, "device": torch.device("cpu"), "cache": tmp_path}
    seconds = estimate_times(plan, components_of(toy_catalog, plan), clips=4, **given)
    assert "prog-dvsr" in seconds and min(seconds.values()) > 0 and len(seconds) > 2


def test_few_pairs_an_update_are_said() -> None:
    (note,) = told(pairs=[1.0, 2.0])
    for part in ("1.5 of 2 clips", "larger batch", "enhancer.pair_least", "--high-source"):
        assert part in note, part
    assert told(pairs=[2.0, 2.0]) == [] == told(pairs=[])


def told(pairs: list[float]) -> list[str]:
    """What is noted of a stage with that history."""
    notes: list[str] = []
    training: Any = SimpleNamespace(options={"batch": 2}, history=[{"pairs": one} for one in pairs], note=notes.append)
    fit.note_few_pairs(training)
    return notes


# -- specs


def test_specs_share_what_they_share() -> None:
    """Options of one name are one option, so that equal numbers are one stage."""
    grown, attended = SPECS["prog-dvsr"].options, SPECS["prog-dvsr-att"].options
    assert grown.items() <= attended.items()
    assert {fit.COMMON} == {tuple(key for key in grown if key in fit.COMMON)}
    for name, spec in SPECS.items():
        assert spec.frames == 16 and spec.needs_high and "code" in spec.variants
        paper = {key: option.default for key, option in spec.options.items()}
        assert (paper["lr"], paper["beta1"], paper["beta2"]) == (2e-4, 0.5, 0.9), name
    paper = {key: option.default for key, option in attended.items()}
    assert (paper["lambda_rec"], paper["lambda_att"], paper["sparsity"]) == (1.0, 0.5, 5e-4)
    assert (paper["fade"], paper["fade_step"]) == ("updates", 5e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_budget_names_options_that_the_enhancer_has(catalog: Catalog, name: str) -> None:
    for budget in ("paper", "small", "smoke"):
        plan = resolve_plan(
            catalog, PlanRequest(method="supervised", dataset="puppets", budget=budget, enhancer=name, size="96x128")
        )
        assert set(SPECS[name].budgets[budget]) <= set(plan.settings)
    assert plan.settings["enhancer.batch"] == 4
