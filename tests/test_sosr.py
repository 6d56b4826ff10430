"""sosr and tosr: whole runs, what their recognizers see, budgets, files, costs, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_kd import go, same, scored, stages
from torch import nn

from benchmark_core.catalog import Catalog
from benchmark_core.cli.show import as_text, describe
from benchmark_core.cost.streams import costs_of_plan
from benchmark_core.errors import ElrError
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.loaded_run import load_run, predict_clips
from benchmark_core.runs.time_estimate import estimate_times
from benchmark_core.scoring.predictions import read_predictions
from benchmark_core.weights_file import add_weights
from elrbench_plugins.commands.suite.estimate import Estimator
from elrbench_plugins.resnet.resnet import resnet18
from elrbench_plugins.sosr.check import check
from elrbench_plugins.sosr.network import FlowOfFrames

CPU = torch.device("cpu")
QUICK = ("dataset.train=6", "dataset.test=3", "method.batch=3", "method.epochs=1", "enhancer.batch=3")


def planned(catalog: Catalog, method: str, *settings: str, **changes: Any) -> Plan:
    fields = {"dataset": "toy", "budget": "smoke", "settings": (*QUICK, *settings), **changes}
    return resolve_plan(catalog, PlanRequest(method=method, **fields))


# -- runs


@pytest.mark.parametrize(
    ("method", "names"),
    [
        ("sosr", ["rrdb", "student"]),
        ("sosr:mse", ["rrdb", "student"]),
        ("sosr:adversarial", ["rrdb", "rrdb-later", "student"]),
    ],
)
def test_it_runs(toy_catalog: Catalog, tmp_path: Path, method: str, names: list[str]) -> None:
    plan = planned(toy_catalog, method, backbone="toynet")
    assert plan.size == (48, 64) and plan.degradation == "average-12x16"
    result = go(toy_catalog, plan, tmp_path)
    assert list(stages(result)) == names


def test_the_recognizers_of_pictures_share_the_stage_of_supervised(toy_catalog: Catalog, tmp_path: Path) -> None:
    ours = go(toy_catalog, planned(toy_catalog, "sosr", backbone="toynet"), tmp_path)
    plain = planned(toy_catalog, "supervised", enhancer="rrdb-s:sosr", size="48x64", sampling="2x1", backbone="toynet")
    assert stages(go(toy_catalog, plain, tmp_path)) == {"rrdb": True, "student": True}
    assert same(scored(ours), scored(go(toy_catalog, plain, tmp_path)))


def test_the_perceptual_variant_starts_from_a_file(toy_catalog: Catalog, tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(resnet18(10).state_dict(), tmp_path / "resnet18.pth")
    catalog, name = add_weights(toy_catalog, str(tmp_path / "resnet18.pth"))
    plan = planned(catalog, "sosr:perceptual", weights=name)
    result = go(catalog, plan, tmp_path)
    assert result.record["updates"] == {"rrdb": 2, "rrdb-later": 2, "student": 2}


# -- what tosr's recognizer sees


def temporal(catalog: Catalog) -> tuple[Plan, Any]:
    plan = planned(catalog, "tosr")
    torch.manual_seed(0)
    return plan, recognizer_of(plan, components_of(catalog, plan)).eval()


def test_it_reads_the_flow_of_super_resolved_frames(toy_catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    _, network = temporal(toy_catalog)
    assert isinstance(network.backbone, FlowOfFrames)
    seen: list[torch.Tensor] = []
    inner = network.backbone.temporal.forward_features
    monkeypatch.setattr(network.backbone.temporal, "forward_features", lambda x: (seen.append(x), inner(x))[1])
    low = torch.rand(2, 1, 3, 16, 12, 16)
    with torch.no_grad():
        logits = network(low)
        pictures, _ = network.enhance_and_crop(low)
        due = network.backbone.flow(network.backbone_input(pictures))
    assert logits.shape == (2, 3) and pictures.shape == (2, 3, 8, 48, 64)
    assert seen[0].shape == (2, 2, 8, 48, 64) and torch.equal(seen[0], due)
    assert seen[0].abs().max() <= 0.5 / network.std.mean() + 1e-5


def test_flow_of_a_picture_that_moves_by_two_pixels() -> None:
    """±bound pixels become half of the range of normalised pictures."""

    class Nothing(nn.Module):
        num_features = 1

    generator = torch.Generator().manual_seed(0)
    wide = nn.functional.interpolate(torch.rand(1, 3, 12, 20, generator=generator), (48, 96), mode="bicubic").clamp(
        0, 1
    )
    clip = torch.stack([wide[..., 16 - 2 * t : 80 - 2 * t] for t in range(4)], 2)  # to the right
    mean, std = torch.full((3,), 0.5), torch.full((3,), 0.25)
    network = FlowOfFrames(None, Nothing(), mean=mean, std=std, bound=8.0)
    flow = network.flow((clip - 0.5) / 0.25)[0, :, 0, 12:-12, 16:-16]
    assert flow[0].median().item() == pytest.approx(2 / 8 * 0.5 / 0.25, abs=0.05)
    assert flow[1].median().item() == pytest.approx(0.0, abs=0.05)


def test_gradients_reach_the_network_and_not_the_enhancer(toy_catalog: Catalog) -> None:
    _, network = temporal(toy_catalog)
    network.train()
    network.enhancer.requires_grad_(False)
    network(torch.rand(2, 1, 3, 16, 12, 16)).square().sum().backward()
    assert all(each.grad is not None for each in network.backbone.temporal.parameters())
    assert all(each.grad is None for each in network.enhancer.parameters())


def test_tosr_runs_and_a_run_that_is_loaded_predicts_the_same(toy_catalog: Catalog, tmp_path: Path) -> None:
    result = go(toy_catalog, planned(toy_catalog, "tosr"), tmp_path)
    assert list(stages(result)) == ["duf", "student"]
    loaded = load_run(result.folder, result.record, toy_catalog)  # type: ignore[arg-type]
    found = predict_clips(
        loaded, "test", data=None, cache=tmp_path / "cache", bad_clips="fail", device=CPU, reporter=Silent()
    )
    stored = read_predictions(result.folder / str(result.record["predictions"]["file"]))  # type: ignore[index, call-overload]
    assert found.logits == pytest.approx(np.asarray(stored.logits), rel=1e-3, abs=1e-3)


# -- costs and budgets


@pytest.mark.parametrize("method", ["sosr", "sosr:adversarial", "tosr"])
def test_macs_of_training_are_counted_without_data(toy_catalog: Catalog, method: str) -> None:
    plan = resolve_plan(toy_catalog, PlanRequest(method=method, dataset="puppets", budget="smoke"))
    estimate = Estimator(toy_catalog).of(plan, components_of(toy_catalog, plan))
    assert estimate.training_macs is not None and estimate.training_macs > estimate.clip_macs > 0


def test_the_cost_of_tosr_is_a_lower_bound(toy_catalog: Catalog) -> None:
    understated = {}
    for method in ("sosr", "tosr"):
        plan = planned(toy_catalog, method)
        (cost,) = costs_of_plan(plan, components_of(toy_catalog, plan), CPU)
        understated[method] = cost["understated"]
        assert cost["params"]["enhancer"] > 0
    assert understated == {"sosr": [], "tosr": ["elrbench::dis_flow"]}


def test_the_paper_budget_is_the_papers_track(catalog: Catalog) -> None:
    asked = {"dataset": "hmdb51", "degradation": "average-60x80:clean"}
    plan = resolve_plan(catalog, PlanRequest(method="sosr", **asked))
    options = plan.options("enhancer")
    assert (plan.enhancer, plan.backbone, plan.size, plan.sampling) == ("rrdb:sosr", "resnet34", (240, 320), "8x1")
    assert (options["blocks"], options["pixel"], options["weighting"], options["gan_weight"]) == (23, "mse", "flow", 0)
    cost = Estimator(catalog).of(plan, components_of(catalog, plan))
    assert cost.unknown == "" and cost.training_macs  # patches of 32x32 of 60x80
    control = resolve_plan(catalog, PlanRequest(method="sosr:mse", **asked)).options("enhancer")
    assert {key for key in options if options[key] != control[key]} == {"weighting"}
    plan = resolve_plan(catalog, PlanRequest(method="tosr", **asked))
    options = plan.options("enhancer")
    assert (plan.enhancer, plan.backbone, plan.size, plan.sampling) == ("duf:tosr", "i3d", (240, 320), "4x16")
    assert (options["layers"], options["warp_sr"], options["warp_hr"], options["delta"]) == (16, 1.0, 1.0, 0.01)
    assert (options["lr"], options["epochs"], options["batch"], options["patch"]) == (1e-3, 20, 16, 32)
    control = resolve_plan(catalog, PlanRequest(method="tosr:unwarped", **asked)).options("enhancer")
    assert {key for key in options if options[key] != control[key]} == {"warp_sr", "warp_hr"}
    with pytest.raises(ElrError, match="enlarges 12x16 by 4, .*240x320; use --size 48x64"):
        resolve_plan(catalog, PlanRequest(method="sosr", dataset="hmdb51", degradation="average-12x16"))


@pytest.mark.parametrize("budget", ["small", "smoke"])
def test_smaller_budgets_have_small_networks_of_the_same_variant(catalog: Catalog, budget: str) -> None:
    found = {
        method: resolve_plan(catalog, PlanRequest(method=method, dataset="puppets", budget=budget)).enhancer
        for method in ("sosr", "sosr:mse", "sosr:adversarial", "tosr", "tosr:unwarped")
    }
    assert found == {
        "sosr": "rrdb-s:sosr",
        "sosr:mse": "rrdb-s:mse",
        "sosr:adversarial": "rrdb-s:sosr-adversarial",
        "tosr": "duf-s:tosr",
        "tosr:unwarped": "duf-s",
    }


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("sosr", ("eq. 1", "weights of the losses", "MATLAB", "TSN", "average the probabilities")),
        ("tosr", ("TV-L1", "DIS", "TSN", "flow_bound")),
    ],
)
def test_show_lists_what_was_chosen(catalog: Catalog, name: str, parts: tuple[str, ...]) -> None:
    shown = as_text(describe(catalog.methods[name], catalog.owner(catalog.methods[name])))
    assert not [part for part in parts if part not in shown]
    for enhancer in ("rrdb", "duf"):
        open_ones = {key for key, option in catalog.enhancers[enhancer].options.items() if option.unspecified}
        assert open_ones >= ({"weight_power", "gan_weight"} if enhancer == "rrdb" else {"warp_sr", "warp_hr"})


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "sosr", "enhancer": "bicubic"},
        {"method": "tosr", "enhancer": "bicubic"},
        {"method": "sosr", "modality": "flow"},
    ],
)
def test_other_enhancers_and_streams(toy_catalog: Catalog, tmp_path: Path, changes: dict[str, str]) -> None:
    method = changes.pop("method")
    numbers = [each for each in QUICK if not each.startswith("enhancer") or "bicubic" not in changes.values()]
    request = PlanRequest(method=method, dataset="toy", budget="smoke", settings=tuple(numbers), **changes)  # type: ignore[arg-type]
    plan = resolve_plan(toy_catalog, request)
    seconds = estimate_times(plan, components_of(toy_catalog, plan), clips=6, device=CPU, cache=tmp_path)
    assert list(seconds) == ["student"] and seconds["student"] > 0


@pytest.mark.parametrize(
    ("method", "settings", "changes", "message"),
    [
        ("tosr", (), {"modality": "rgb+flow"}, "super-resolved pictures itself, .* use --modality rgb"),
        ("tosr", (), {"modality": "rgb+diff-early"}, "use --modality rgb"),
        ("tosr", (), {"backbone": "resnet18", "sampling": "2x1"}, "sees single frames; use e.g. --backbone i3d"),
        ("tosr", (), {"sampling": "4x1"}, "sees single frames; use e.g. --backbone i3d --sampling 4x16"),
        ("tosr", (), {"degradation": "average-2x3", "size": "8x12"}, "computes it at 8x12; use a larger low size"),
        ("tosr", ("method.layer_decay=0.5",), {}, "see a single level; remove them"),
        ("tosr", ("method.flow_bound=0",), {}, "flow_bound=0.* is below 0.1"),
        ("tosr", ("enhancer.warp_sr=-1",), {}, "warp_sr=-1.* is below 0"),
        ("sosr", ("enhancer.weight_base=-1",), {}, "weight_base=-1.* is below 0"),
        ("sosr", ("enhancer.pixel=l3",), {}, "'l3' is not one of l1, mse"),
        ("sosr:mse", (), {"enhancer": "bicubic"}, "fixes enhancer rrdb-s:mse; remove --enhancer bicubic"),
        ("sosr:perceptual", (), {}, "needs a trained network, but --weights is scratch"),
        ("sosr", (), {"teacher_backbone": "resnet34"}, "remove --teacher-backbone"),
    ],
)
def test_refused(
    toy_catalog: Catalog, method: str, settings: tuple[str, ...], changes: dict[str, str], message: str
) -> None:
    with pytest.raises(ElrError, match=message) as caught:
        planned(toy_catalog, method, *settings, **changes)
    assert "\n" not in str(caught.value)


def test_flow_is_read_through_one_level(toy_catalog: Catalog) -> None:
    plan = planned(toy_catalog, "tosr")
    plan = dataclasses.replace(plan, settings={**plan.settings, "method.train": "last-1"})
    with pytest.raises(ElrError, match="train=last-N see a single level; remove them"):
        check(plan, components_of(toy_catalog, plan))
