"""semi-coupled: the turns of its two networks, what they copy, what is refused, and whole runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from test_kd import Killed, go, same, scored, stages
from torch import nn

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.runs.time_estimate import estimate_times
from benchmark_core.training.training import Training
from elrbench_plugins.semi_coupled import fit
from elrbench_plugins.semi_coupled.fit import draw_frames, mirrored

RATIOS = {"conv1": 0.0, "conv2": 0.25, "conv3": 0.5, "fuse": 0.75, "fc1": 0.75, "fc2": 1.0}


def planned(catalog: Catalog, method: str = "semi-coupled", *settings: str, **changes: Any) -> Plan:
    numbers = ("method.batch=12", "method.epochs=4", "method.passes=2", "method.frames=2", *settings)
    fields = {"dataset": "toy", "budget": "smoke", "settings": numbers, **changes}
    return resolve_plan(catalog, PlanRequest(method=method, **fields))


# -- frames and mirrored clips


def test_frames_are_drawn_from_real_ones_and_none_twice() -> None:
    """Windows of 3, 0 and 2 real frames; a clip of one frame has it each time."""
    counts = torch.tensor([[3, 0, 2], [1, 0, 0]])
    window, frame = draw_frames(np.random.default_rng(0), counts, 5)
    assert sorted(zip(window[0].tolist(), frame[0].tolist(), strict=True)) == [(0, 0), (0, 1), (0, 2), (2, 0), (2, 1)]
    assert window[1].tolist() == frame[1].tolist() == [0] * 5
    few = [draw_frames(np.random.default_rng(seed), counts, 1) for seed in range(40)]
    assert {(int(window[0, 0]), int(frame[0, 0])) for window, frame in few} == {(0, 0), (0, 1), (0, 2), (2, 0), (2, 1)}


def test_a_mirrored_clip_by_hand() -> None:
    windows = torch.tensor([[1.0, 2], [3, 4], [5, 6]]).reshape(1, 1, 3, 1, 1, 2).expand(20, -1, -1, -1, -1, -1)
    for motion, right in ((False, [4.0, 3.0]), (True, [-4.0, -3.0])):
        seen = mirrored(windows, np.random.default_rng(0).random(20) < 0.5, motion=motion).reshape(20, 3, 2)
        changed = [row.tolist() for row in seen if row[0, 0] == 2]
        assert 4 < len(changed) < 16 and all(row == [[2, 1], right, [6, 5]] for row in changed)
        assert all(torch.equal(row, windows[0].reshape(3, 2)) for row in seen if row[0, 0] == 1)


# -- training


def watch(monkeypatch: pytest.MonkeyPatch, shares: list[dict[str, float]]) -> list[str]:
    """Record updates of the network on low and on high views, and copies from one to the other, with their ratios."""
    seen: list[str] = []
    names: dict[int, str] = {}
    loss, copy = fit.frame_loss, fit.copy_filters

    def losses(training: Training, network: Any, batch: Any, at: int) -> Any:
        names[id(network.backbone)] = ("low", "high")[at]
        seen.append(("low", "high")[at])
        return loss(training, network, batch, at)

    def copies(source: nn.Module, target: nn.Module, ratios: Any) -> None:
        assert ratios.keys() == RATIOS.keys() and source is not target
        shares.append(dict(ratios))
        seen.append(f"from {names[id(source)]}")
        copy(source, target, ratios)  # type: ignore[arg-type]

    monkeypatch.setattr(fit, "frame_loss", losses)
    monkeypatch.setattr(fit, "copy_filters", copies)
    return seen


@pytest.mark.parametrize(("first", "second"), [("low", "high"), ("high", "low")])
def test_the_networks_take_turns_and_copy_after_each(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    """24 clips are two updates a pass, and four an epoch of two passes."""
    shares: list[dict[str, float]] = []
    seen = watch(monkeypatch, shares)
    plan = planned(toy_catalog, "semi-coupled", f"method.first={first}")
    result = go(toy_catalog, plan, tmp_path)
    turn = [first] * 4 + [f"from {first}"] + [second] * 4 + [f"from {second}"]
    assert seen == turn * 2 and shares == [RATIOS] * 4
    assert stages(result) == {"student": False} and result.record["updates"] == {"student": 16}


def test_both_begin_with_equal_weights_and_end_with_the_shared_filters(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, Any] = {}
    learn = fit.learn

    def spy(training: Training, other: Any, student: Any) -> None:
        kept["before"] = {name: value.clone() for name, value in student.backbone.state_dict().items()}
        learn(training, other, student)
        kept["other"] = {name: value.clone() for name, value in other.backbone.state_dict().items()}

    monkeypatch.setattr(fit, "learn", spy)
    low = {
        key.removeprefix("backbone."): value
        for key, value in scored(go(toy_catalog, planned(toy_catalog), tmp_path)).items()
    }
    other = kept["other"]
    assert torch.equal(low["fc2.weight"], other["fc2.weight"]) and not torch.equal(low["fc2.bias"], other["fc2.bias"])
    for name, count in (("spatial.conv3", 64), ("temporal.conv2", 16), ("fc1", 96)):
        for kind in ("weight", "bias"):
            ours, theirs = low[f"{name}.{kind}"], other[f"{name}.{kind}"]
            assert torch.equal(ours[:count], theirs[:count]) and not torch.equal(ours[count:], theirs[count:])
    assert not torch.equal(low["spatial.conv1.weight"], other["spatial.conv1.weight"])
    moved = [
        name
        for name, value in kept["before"].items()
        if value.is_floating_point() and not torch.equal(value, low[name])
    ]
    assert set(moved) == {name for name, value in kept["before"].items() if value.is_floating_point()}


def test_the_control_trains_the_low_network_alone_and_as_long(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[dict[str, float]] = []
    seen = watch(monkeypatch, shares)
    plan = planned(toy_catalog, "semi-coupled:uncoupled")
    result = go(toy_catalog, plan, tmp_path)
    assert seen == ["low"] * 8 and not shares and result.record["updates"] == {"student": 8}
    coupled = planned(toy_catalog, "semi-coupled", *(f"method.ratio_{key}=0" for key in RATIOS))
    seen.clear()
    go(toy_catalog, coupled, tmp_path)
    assert seen.count("low") == seen.count("high") == 8 and seen.count("from high") == 2
    assert shares == [dict.fromkeys(RATIOS, 0.0)] * 4


def test_a_killed_run_continues_to_the_same_weights(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(toy_catalog)
    whole = scored(go(toy_catalog, plan, tmp_path / "whole"))
    loss, calls = fit.frame_loss, []

    def dies(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 10:  # in the third epoch, before its first pass is saved
            raise Killed
        return loss(*args)

    with monkeypatch.context() as patched:
        patched.setattr(fit, "frame_loss", dies)
        with pytest.raises(Killed):
            go(toy_catalog, plan, tmp_path / "killed")
    assert same(scored(go(toy_catalog, plan, tmp_path / "killed")), whole)


@pytest.mark.parametrize("variant", ["concat", "conv", "fc1-sum", "fc1-concat", "fc1-conv", "spatial", "temporal"])
def test_every_fusion_trains(toy_catalog: Catalog, tmp_path: Path, variant: str) -> None:
    plan = planned(toy_catalog, f"semi-coupled:{variant}")
    components = components_of(toy_catalog, plan)
    seconds = estimate_times(plan, components, clips=24, device=torch.device("cpu"), cache=tmp_path)
    assert list(seconds) == ["student", "inputs"] and all(value > 0 for value in seconds.values())


@pytest.mark.parametrize(
    "changes", [{"degradation": "grey-cubic-12x16"}, {"degradation": "bicubic-14x14"}, {"enhancer": "bilinear"}]
)
def test_other_views_are_stored_apart(toy_catalog: Catalog, tmp_path: Path, changes: dict[str, str]) -> None:
    usual = scored(go(toy_catalog, planned(toy_catalog), tmp_path))
    assert not same(scored(go(toy_catalog, planned(toy_catalog, **changes), tmp_path)), usual)  # in one cache


def test_natively_low_clips_train_the_control(catalog: Catalog, tmp_path: Path) -> None:
    few = ("dataset.train=12", "dataset.test=12")
    plan = planned(catalog, "semi-coupled:uncoupled", *few, dataset="tiny-puppets")
    assert stages(go(catalog, plan, tmp_path)) == {"student": False}


# -- budgets


def test_the_papers_schedule(catalog: Catalog) -> None:
    plan = planned_paper(catalog)
    assert (plan.backbone, plan.enhancer, plan.size, plan.sampling) == (
        "elr-two-stream",
        "cubic",
        (32, 32),
        "windows-40",
    )
    options = components_of(catalog, plan).options(plan, "method")
    assert {key: options[key] for key in ("epochs", "lr", "weight_decay", "momentum", "first")} == {
        "epochs": 40, "lr": 0.01, "weight_decay": 5e-4, "momentum": 0.9, "first": "low",
    }  # fmt: skip
    assert options["batch"] * options["frames"] == 256
    assert {key: options[f"ratio_{key}"] for key in RATIOS} == RATIOS
    from benchmark_core.training.recipe import schedule_of

    rate = schedule_of(options, 20)
    assert [0.01 * rate(epoch) for epoch in (0, 9.9, 10, 19.9)] == pytest.approx([0.01, 0.01, 0.005, 0.005])


ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["plugins/reported", "leaderboards"])
def test_an_epoch_of_the_papers_rows_has_each_frame_about_once(catalog: Catalog, name: str) -> None:
    """Clips of HMDB51 and IXMAS have about 100 frames."""
    frames = catalog.methods["semi-coupled"].options["frames"].default
    rows = [
        row
        for path in sorted((ROOT / name / "suites").glob("*.yaml"))
        for row in yaml.safe_load(path.read_text()).get("rows", ())
        if row.get("method") == "semi-coupled" and "figure" in row
    ]
    assert len(rows) >= 2
    for row in rows:
        assert row["sampling"] == "windows-100" and 90 <= row["set"]["method.passes"] * frames <= 110


def planned_paper(catalog: Catalog) -> Plan:
    return resolve_plan(catalog, PlanRequest(method="semi-coupled", dataset="hmdb51", budget="paper"))


# -- what is refused


@pytest.mark.parametrize(
    ("settings", "changes", "message"),
    [
        (("method.ratio_conv2=1.5",), {}, r"ratio_conv2=1.5 is above 1"),
        (("method.ratio_fc1=-0.1",), {}, r"ratio_fc1=-0.1 is below 0"),
        (("method.epochs=5",), {}, "method.epochs=5 is odd.*use an even number"),
        ((), {"modality": "rgb+flow"}, "takes pictures, not (flow|rgb.flow); use --modality rgb"),
        ((), {"dataset": "tiny-puppets"}, "'native' has no high views; use --method semi-coupled:uncoupled"),
        ((), {"backbone": "resnet18"}, "does not work with backbone 'resnet18'; use --backbone elr-two-stream"),
        ((), {"teacher_size": "64x64"}, "one structure and size; remove --teacher-backbone and --teacher-size"),
        ((), {"enhancer": "denoise-bilinear"}, "which must enlarge single frames without training"),
        ((), {"keep": "best", "holdout": "0.2"}, "no earlier epoch can be kept; remove --keep"),
        (("backbone.fusion=mean",), {}, "'mean' is not one of sum, concat, conv"),
    ],
)
def test_refused(toy_catalog: Catalog, settings: tuple[str, ...], changes: dict[str, str], message: str) -> None:
    with pytest.raises(ElrError, match=message) as caught:
        planned(toy_catalog, "semi-coupled", *settings, **changes)
    assert "\n" not in str(caught.value)


def test_without_opencv_it_names_the_extra(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "cv2" else find(name, *rest))
    with pytest.raises(ElrError, match=r"method 'semi-coupled' needs .*flow") as caught:
        go(toy_catalog, planned(toy_catalog), tmp_path)
    assert "\n" not in str(caught.value)
