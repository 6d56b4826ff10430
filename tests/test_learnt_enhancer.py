"""Learnt enhancers: trained first, in one stage that all methods share, and then frozen."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from learnt_runs import asked, go, learnt_catalog
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmark_core.catalog import Catalog
from benchmark_core.clips.sampling import Sampling
from benchmark_core.cost.structure import cost_of, describe_plan
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.plans.stored_views import view_plan_of
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.loaded_run import load_run, predict_clips
from benchmark_core.runs.prepare import prepare
from benchmark_core.runs.runner import RunResult
from elrbench import ElrError

__all__ = ["learnt_catalog"]  # fixtures

CPU = torch.device("cpu")


def weights(result: RunResult) -> dict[str, Tensor]:
    return {
        name: value
        for name, value in load_file(result.folder / "recognizer.safetensors").items()
        if name.startswith("enhancer.")
    }


def stages(result: RunResult) -> dict[str, tuple[str, bool]]:
    return {stage["name"]: (stage["key"], stage["reused"]) for stage in result.record["stages"]}


# -- the stage


def test_it_is_trained_once_for_all_methods_backbones_and_samplings(learnt_catalog: Catalog, tmp_path: Path) -> None:
    first = go(learnt_catalog, asked(learnt_catalog), tmp_path)
    assert list(stages(first)) == ["filter", "student"] and not stages(first)["filter"][1]
    assert first.record["updates"]["filter"] == 3 * (24 // 4)  # the enhancer's own budget says three epochs
    fitted = weights(first)
    identity = nn.Conv2d(3, 3, 3)
    nn.init.dirac_(identity.weight)
    assert fitted["enhancer.filter.weight"].shape == (3, 3, 3, 3)
    assert not torch.equal(fitted["enhancer.filter.weight"], identity.weight)

    others = {
        "method": asked(learnt_catalog, method="cstat:sat"),
        "backbone": asked(learnt_catalog, backbone="resnet18", size="24x32"),
        "sampling": asked(learnt_catalog, sampling="3x1"),
    }
    for what, plan in others.items():
        result = go(learnt_catalog, plan, tmp_path)
        assert stages(result)["filter"] == (stages(first)["filter"][0], True), what
        assert all(torch.equal(value, fitted[name]) for name, value in weights(result).items()), what


def test_its_numbers_reach_the_keys_of_all_that_follows(learnt_catalog: Catalog, tmp_path: Path) -> None:
    one = stages(go(learnt_catalog, asked(learnt_catalog), tmp_path))
    other = stages(go(learnt_catalog, asked(learnt_catalog, "enhancer.lr=0.01"), tmp_path))
    assert one["filter"][0] != other["filter"][0] and one["student"][0] != other["student"][0]
    assert not other["student"][1]


def test_enhancers_that_fit_alike_share_the_fit_but_not_what_follows(learnt_catalog: Catalog, tmp_path: Path) -> None:
    one = go(learnt_catalog, asked(learnt_catalog), tmp_path)
    other = go(learnt_catalog, asked(learnt_catalog, "enhancer.epochs=3", enhancer="framewise-too"), tmp_path)
    assert stages(other)["filter"] == (stages(one)["filter"][0], True)
    assert stages(other)["student"][0] != stages(one)["student"][0]


def test_one_that_a_classifier_teaches_depends_on_the_backbone(learnt_catalog: Catalog, tmp_path: Path) -> None:
    plans = [asked(learnt_catalog, enhancer="taught", backbone=name) for name in ("toynet", "resnet18")]
    keys = [stages(go(learnt_catalog, plan, tmp_path))["taught"][0] for plan in plans]
    assert keys[0] != keys[1]
    again = go(learnt_catalog, asked(learnt_catalog, enhancer="taught", method="supervised:matched"), tmp_path)
    assert stages(again)["taught"] == (keys[0], True)


def test_it_goes_on_learning_where_asked_to(learnt_catalog: Catalog, tmp_path: Path) -> None:
    still = go(learnt_catalog, asked(learnt_catalog), tmp_path)
    moved = go(learnt_catalog, asked(learnt_catalog, "enhancer.train=true"), tmp_path)
    assert stages(moved)["filter"] == (stages(still)["filter"][0], True)
    assert not torch.equal(weights(moved)["enhancer.filter.weight"], weights(still)["enhancer.filter.weight"])


def test_a_ceiling_has_none_and_fits_none(learnt_catalog: Catalog, tmp_path: Path) -> None:
    result = go(learnt_catalog, asked(learnt_catalog, method="teacher"), tmp_path)
    assert list(stages(result)) == ["teacher"] and not weights(result)


def test_a_finished_run_predicts_with_it(learnt_catalog: Catalog, tmp_path: Path) -> None:
    plan = asked(learnt_catalog, enhancer="four-at-once")
    result = go(learnt_catalog, plan, tmp_path)
    deployed = load_run(result.folder, result.record, learnt_catalog)
    found = predict_clips(
        deployed, "test", data=None, cache=tmp_path / "cache", bad_clips="fail", device=CPU, reporter=Silent()
    )
    share = float((found.logits.argmax(1) == found.targets).mean())
    assert share == pytest.approx(result.record["scores"]["top1"]["value"])


# -- frames


def test_numbers_are_widened_about_their_middle() -> None:
    single, five = Sampling.parse("2x1"), Sampling.parse("1x5s2")
    assert [single.widened(n) for n in (1, 4)] == [1, 4] and [five.widened(n) for n in (1, 4, 16)] == [5, 8, 16]
    assert single.widen(np.array([[7], [0]]), 9, 4).tolist() == [[6, 7, 8, 8], [0, 0, 1, 2]]
    assert five.widen(np.array([[4, 6, 8, 10, 12]]), 40, 4).tolist() == [[2, 4, 6, 8, 10, 12, 14, 16]]
    assert Sampling.parse("windows-16").widened(16) == 16


@pytest.mark.parametrize("crop", ["after", "before"])
def test_low_views_are_widened_and_high_ones_are_their_middle(
    learnt_catalog: Catalog, tmp_path: Path, crop: str
) -> None:
    degradation = {"after": "average-12x16:clean", "before": "bicubic-6x8"}[crop]
    plan = asked(learnt_catalog, method="cstat:sat", enhancer="four-at-once", degradation=degradation)
    components = components_of(learnt_catalog, plan)
    data = prepare(plan, components, RunContext(out=tmp_path, cache=tmp_path))
    views = data.training_views(low=True, high=True, seed=5)
    batch = views.to_device(views.read(data.train[:3], epoch=1), CPU)
    assert batch.low.shape[:4] == (3, 2, 3, 4) and batch.high.shape[:4] == (3, 2, 3, 1)
    own = data.training_views(low=True, high=True, seed=5, sampling=Sampling.parse("2x1"))
    plain = own.to_device(own.read(data.train[:3], epoch=1), CPU)
    assert torch.equal(plain.high, batch.high)  # the same frame and box, whatever is widened
    assert torch.equal(plain.low, batch.low[:, :, :, 1:2])


def test_the_recognizer_keeps_the_middle_of_what_it_enhances(learnt_catalog: Catalog) -> None:
    plan = asked(learnt_catalog, enhancer="four-at-once")
    recognizer = recognizer_of(plan, components_of(learnt_catalog, plan)).eval()
    wide = torch.rand(2, 3, 8, 12, 16)  # two bundles of eight frames
    recognizer.frames = 5
    seen = recognizer.enhance(wide)
    with torch.no_grad():
        halves = torch.cat([recognizer.enhancer(wide[:, :, :4]), recognizer.enhancer(wide[:, :, 4:])], 2)
    assert torch.allclose(seen, halves[:, :, 1:6], atol=1e-6)


def test_pieces_give_what_the_whole_gives(learnt_catalog: Catalog) -> None:
    plan = asked(learnt_catalog)
    recognizer = recognizer_of(plan, components_of(learnt_catalog, plan)).eval()
    low = torch.rand(7, 3, 3, 12, 16)  # 21 frames: more than one piece
    whole = recognizer.enhance(low)  # its parameters learn: in one
    with torch.no_grad():
        assert torch.allclose(recognizer.enhance(low), whole, atol=1e-6)
    recognizer.enhancer.requires_grad_(False)
    assert torch.allclose(recognizer.enhance(low), whole, atol=1e-6)


def test_its_cost_counts_all_frames_that_it_sees(learnt_catalog: Catalog) -> None:
    def macs(enhancer: str) -> float:
        plan = asked(learnt_catalog, enhancer=enhancer)
        components = components_of(learnt_catalog, plan)
        record = cost_of(recognizer_of(plan, components), describe_plan(plan, components), (12, 16), CPU)
        return float(record["macs"]["enhancer"])

    # A 3x3 filter from 3 to 3 channels on 24x32 pixels; one of 3x3x3 on four frames.
    assert macs("framewise") == 81 * 24 * 32 and macs("four-at-once") == 4 * 243 * 24 * 32


def test_what_it_learnt_by_does_not_change_what_it_costs(learnt_catalog: Catalog) -> None:
    plans = [asked(learnt_catalog), asked(learnt_catalog, "enhancer.lr=0.01")]
    one, other = (describe_plan(plan, components_of(learnt_catalog, plan)) for plan in plans)
    assert one == other


# -- what may be asked for


def test_an_enhancer_refuses_what_it_cannot_reach(learnt_catalog: Catalog) -> None:
    with pytest.raises(ElrError, match="brings views to heights that four divides, not to 26"):
        asked(learnt_catalog, size="26x32")


def test_a_variant_may_stand_for_an_enhancer(learnt_catalog: Catalog) -> None:
    def named(method: str, **fields: Any) -> Plan:
        return resolve_plan(learnt_catalog, PlanRequest(method=method, dataset="toy", **fields))

    assert named("by-name").enhancer == "framewise" and named("by-name:plain").enhancer == "bilinear"
    assert named("by-name:plain", enhancer="bilinear") == named("by-name:plain")
    assert "method.enhancer" not in named("by-name").settings
    with pytest.raises(ElrError, match="'by-name:plain' .*enhancer bilinear; .*--enhancer framewise"):
        named("by-name:plain", enhancer="framewise")
    with pytest.raises(ElrError, match="variants 'plain' and 'learnt' of method 'by-name' .*enhancer"):
        named("by-name:plain+learnt")


def test_a_budget_of_an_enhancer_sets_its_own_options_alone(learnt_catalog: Catalog) -> None:
    section = learnt_catalog.enhancers
    spec = dataclasses.replace(section["framewise"], budgets={"smoke": {"size": "8x8"}})
    held = {**{name: section[name] for name in section}, "framewise": spec}
    wrong = dataclasses.replace(learnt_catalog, enhancers=type(section)(section.kind, held))
    with pytest.raises(ElrError, match="option in a budget of enhancer 'framewise': 'size'"):
        asked(wrong)


def test_the_conformance_check_fits_it_too(learnt_catalog: Catalog, tmp_path: Path) -> None:
    from elrbench_plugins.commands.check.check import check_plugin

    found = list(check_plugin(learnt_catalog, "learnt", work=tmp_path))
    assert [finding for finding in found if finding.outcome != "ok"] == []
    assert {finding.component for finding in found if finding.check == "trains in a smoke run"} >= {
        "enhancer framewise", "enhancer four-at-once", "enhancer taught",
    }  # fmt: skip


# -- what flow is made of


def test_flow_is_made_of_what_a_learnt_enhancer_names(learnt_catalog: Catalog) -> None:
    plan = {"modality": "flow", "dataset": "toy", "size": "24x32"}
    with pytest.raises(ElrError, match="'framewise' has parameters to train"):
        asked(learnt_catalog, **plan)
    section = learnt_catalog.enhancers
    spec = dataclasses.replace(section["framewise"], flow="bicubic")
    held = {**{name: section[name] for name in section}, "framewise": spec}
    other = dataclasses.replace(learnt_catalog, enhancers=type(section)(section.kind, held))
    resolved = asked(other, **plan)
    pytest.importorskip("cv2")
    stock = view_plan_of(resolved, components_of(other, resolved))
    usual = asked(learnt_catalog, **plan, enhancer="bicubic")
    assert stock.low.key == view_plan_of(usual, components_of(learnt_catalog, usual)).low.key
