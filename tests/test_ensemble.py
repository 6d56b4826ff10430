"""ensemble: the mean of probabilities by hand, what members share, what is deployed, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from test_kd import go, same, scored, stages
from torch import nn

from benchmark_core.catalog import Catalog
from benchmark_core.clips.views import Batch
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from elrbench import ElrError
from elrbench_plugins.ensemble.fit import mean_logits
from elrbench_plugins.ensemble.network import MeanOfMembers, Members


def toy(catalog: Catalog, method: str, *settings: str, **changes: Any) -> Plan:
    fields = {"dataset": "toy", "backbone": "toynet", "budget": "smoke", "size": "24x32", **changes}
    joint = ("method.joint_epochs=2",) if method == "ensemble-distil" else ()
    numbers = ("method.batch=12", "method.epochs=2", *joint, *settings)
    return resolve_plan(catalog, PlanRequest(method=method, settings=numbers, **fields))


def fixed(*rows: float) -> nn.Linear:
    """A classifier of one feature and len(rows) classes without bias."""
    layer = nn.Linear(1, len(rows), bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(rows).unsqueeze(1))
    return layer


def test_the_mean_of_two_members_by_hand() -> None:
    """One gives 3/4 and 1/4, the other 1/4 and 3/4 over two intervals of logits 2 log 3 and 0."""
    head = MeanOfMembers([fixed(math.log(3), 0.0), fixed(0.0, math.log(3))], "single-label")
    features = torch.tensor([[[1.0, 2.0], [1.0, 0.0]]])  # (1, 2 intervals, 2 members)
    logits = head(features, torch.ones(1, 2))
    assert logits.softmax(-1).flatten().tolist() == pytest.approx([0.5, 0.5])
    only_first = head(features, torch.tensor([[1.0, 0.0]]))  # the second interval is padding: 9/10 for class 1
    assert only_first.softmax(-1).flatten().tolist() == pytest.approx([(3 / 4 + 1 / 10) / 2, (1 / 4 + 9 / 10) / 2])


def test_labels_that_exclude_nothing_average_sigmoids() -> None:
    head = MeanOfMembers([fixed(math.log(3)), fixed(-math.log(3))], "multi-label")
    logits = head(torch.ones(1, 1, 2), torch.ones(1, 1))
    assert logits.sigmoid().item() == pytest.approx((3 / 4 + 1 / 4) / 2)


def test_the_recognizer_is_the_mean_of_its_members(toy_catalog: Catalog) -> None:
    plan = toy(toy_catalog, "ensemble", "method.members=3")
    components = components_of(toy_catalog, plan)
    whole = recognizer_of(plan, components).eval()
    assert isinstance(whole.backbone, Members)
    with torch.no_grad():
        for parameter in whole.parameters():
            parameter.copy_(torch.randn_like(parameter))
    single = toy(toy_catalog, "supervised")
    alone = recognizer_of(single, components_of(toy_catalog, single)).eval()
    assert sum(each.numel() for each in whole.backbone.parameters()) == 3 * sum(
        each.numel() for each in alone.backbone.parameters()
    )
    low = torch.rand(2, 2, 3, 1, 12, 16)
    expected = []
    for member in whole.backbone.members:
        alone.backbone.load_state_dict(member.state_dict())
        expected.append(alone(low).softmax(-1))
    torch.testing.assert_close(whole(low).softmax(-1), torch.stack(expected).mean(0))


def test_the_distilled_student_learns_from_the_mean_of_logits(toy_catalog: Catalog) -> None:
    plan = toy(toy_catalog, "supervised")
    members = [recognizer_of(plan, components_of(toy_catalog, plan)).eval() for _ in range(2)]
    low = torch.rand(2, 2, 3, 1, 12, 16)
    batch = Batch(
        ids=["a", "b"], low=low, high=None, mask=torch.ones(2, 2), box=None, target=torch.zeros(2, dtype=torch.int64)
    )
    found = mean_logits(members, batch)
    torch.testing.assert_close(found, (members[0](low) + members[1](low)) / 2)
    assert not found.requires_grad


def test_members_differ_and_the_first_is_the_student_alone(toy_catalog: Catalog, tmp_path: Path) -> None:
    alone = go(toy_catalog, toy(toy_catalog, "supervised"), tmp_path)
    whole = go(toy_catalog, toy(toy_catalog, "ensemble", "method.members=2"), tmp_path)
    assert stages(whole) == {"student": True, "member-2": False}
    state = scored(whole)
    first, second = (
        {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        for prefix in ("backbone.members.0.", "backbone.members.1.")
    )
    student = {
        key.removeprefix("backbone."): value for key, value in scored(alone).items() if key.startswith("backbone.")
    }
    assert same(first, student) and not same(second, student)


def test_the_distilled_student_is_one_network(toy_catalog: Catalog, tmp_path: Path) -> None:
    result = go(toy_catalog, toy(toy_catalog, "ensemble-distil", "method.members=2"), tmp_path)
    assert list(stages(result)) == ["student", "member-2", "joint"]
    alone = go(toy_catalog, toy(toy_catalog, "supervised"), tmp_path)
    assert scored(result).keys() == scored(alone).keys()
    assert result.record["structure"] == alone.record["structure"]
    assert not same(scored(result), scored(alone))


def test_an_enhancer_that_trains_with_the_members_is_refused(toy_catalog: Catalog) -> None:
    with pytest.raises(ElrError, match="ensemble.* one enhancer for all members"):
        toy(toy_catalog, "ensemble", "enhancer.train=true", enhancer="dbpn-s", size="48x64")
