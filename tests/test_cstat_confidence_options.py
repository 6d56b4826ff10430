"""Options of CSTAT's confidence, by hand in float64: the binary map, temporal scores, three filters, a fixed scale."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmark_core.cli import main
from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from elrbench import Catalog
from elrbench_plugins.attention_transfer.confidence import straight_through_threshold, video_score
from elrbench_plugins.attention_transfer.phase import refuse_empty
from elrbench_plugins.cstat import reference
from elrbench_plugins.cstat.difference_map import Difference
from elrbench_plugins.cstat.fit import confidence_of
from elrbench_plugins.cstat.gradient_map import Gradient
from elrbench_plugins.cstat.mlp_map import Mlp
from elrbench_plugins.cstat.options import CONFIDENCE

DEFAULTS = {key: option.default for key, option in CONFIDENCE.items()}
NEW = ("confidence_loss", "confidence_outputs", "confidence_binary", "confidence_score")


def doubles(*values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


# -- the binary map (III.C.1)


def test_binary_map_is_one_where_confidence_reaches_the_threshold() -> None:
    confidence = doubles([0.2, 0.5, 0.9]).requires_grad_()
    kept = straight_through_threshold(confidence, 0.5, binary=True)
    assert kept.tolist() == [pytest.approx([0.0, 1.0, 1.0], abs=1e-15)]
    (kept * doubles(1, 2, 3)).sum().backward()
    assert confidence.grad is not None and confidence.grad.tolist() == [[1.0, 2.0, 3.0]]  # straight through
    assert torch.equal(kept, reference.ThresholdStraightThrough.apply(confidence, 0.5, True))


# -- temporal confidence (III.C.2)

MAPS = doubles(  # (B*K, H, W) = (4, 1, 4) at a threshold of 1/2
    [[1.0, 0.95, 0.6, 0.1]],  # area of 3; losses 0, 0.05, 0.4: two are below 24/255 = 0.094
    [[0.1, 0.2, 0.3, 0.4]],  # no area
    [[0.5, 0.5, 0.5, 0.5]],  # all in the area, all with loss
    [[1.0, 1.0, 1.0, 1.0]],  # padding of the second clip
)
MASK = doubles([1, 1], [1, 0])


@pytest.mark.parametrize(
    ("how", "scores"),
    [
        ("mean", [((1 + 0.95 + 0.6) / 3 + 0) / 2, 0.5]),
        ("ratio", [(2 / 3 + 0) / 2, 0.0]),
        ("area", [(3 / 4 + 0) / 2, 1.0]),
    ],
)
def test_temporal_confidence_by_hand(how: str, scores: list[float]) -> None:
    assert video_score(MAPS, MASK, 0.5, how).tolist() == pytest.approx(scores, abs=1e-12)
    theirs = reference.video_score(MAPS.unflatten(0, (2, 2)), MASK > 0, 0.5, how)
    assert theirs.tolist() == pytest.approx(scores, abs=1e-12)


def test_ratio_counts_what_the_difference_map_calls_the_same() -> None:
    """Grey levels 0, 23, 24 and 100 apart: two pixels are the same, and three of four are in the area."""
    low = (doubles(0, 23, 24, 100) / 255).reshape(1, 1, 1, 4).expand(1, 3, 1, 4)
    confidence = Difference()(torch.zeros(1, 3, 1, 4), low)
    assert confidence.flatten().tolist() == pytest.approx([1, 1, 0.76, 0], abs=1e-5)
    assert video_score(confidence, torch.ones(1, 1), 0.5, "ratio").item() == pytest.approx(2 / 3)
    equal = Difference()(torch.zeros(1, 3, 1, 4), torch.zeros(1, 3, 1, 4))
    assert video_score(equal, torch.ones(1, 1), 0.5, "ratio", same=0.0).item() == 1.0


@pytest.mark.parametrize("how", ["ratio", "area"])
def test_scores_have_no_gradient(how: str) -> None:
    assert not video_score(MAPS.clone().requires_grad_(), MASK, 0.5, how).requires_grad


# -- three filters


def test_three_filters_in_each_layer() -> None:
    measure = confidence_of({**DEFAULTS, "confidence": "mlp", "confidence_width": 3, "confidence_outputs": 3})
    assert isinstance(measure, Mlp)
    shapes = [tuple(layer.weight.shape) for layer in measure.extractor if isinstance(layer, nn.Conv2d)]
    assert shapes == [(3, 3, 3, 3), (3, 3, 3, 3)]
    default = confidence_of({**DEFAULTS, "confidence": "mlp"})
    assert isinstance(default, Mlp)
    assert [tuple(p.shape) for p in default.parameters()] == [(16, 3, 3, 3), (16,), (1, 16, 3, 3)]


def test_difference_of_three_filters_is_their_mean() -> None:
    """E(x) = (x, 2x, 3x) of the first channel: |E(1) - E(0.4)| = 0.6, 1.2, 1.8, of mean 1.2."""
    measure = Mlp(width=3, outputs=3).double()
    first, second = measure.extractor[0], measure.extractor[2]
    assert isinstance(first, nn.Conv2d) and isinstance(second, nn.Conv2d) and first.bias is not None
    for parameter in measure.parameters():
        nn.init.zeros_(parameter)
    with torch.no_grad():
        for channel in range(3):
            first.weight[channel, 0, 1, 1] = 1
            second.weight[channel, channel, 1, 1] = channel + 1
    high, low = torch.ones(1, 3, 2, 2).double(), torch.full((1, 3, 2, 2), 0.4).double()
    difference = measure.difference(high, low)
    assert torch.allclose(difference, torch.full((1, 2, 2), 1.2).double())
    assert torch.allclose(difference[0], reference.extracted(high[0], low[0], measure.extractor))


# -- a normalisation that can say "nothing lost"


@pytest.mark.parametrize(
    ("measure", "scale", "losses"),
    [
        (Difference(normalise="absolute"), "grey", [0, 0.25, 0.5, 1]),
        (Gradient(normalise="absolute"), "edge", [0, 0.5, 1, 1]),
        (Mlp(normalise="absolute"), "trained", [1 - math.exp(-d) for d in (0, 0.25, 0.5, 1)]),
    ],
    ids=["difference", "gradient", "mlp"],
)
def test_absolute_loss_by_hand(measure: Difference | Gradient | Mlp, scale: str, losses: list[float]) -> None:
    d = doubles([0, 0.25, 0.5, 1])
    assert measure.loss_map(d).flatten().tolist() == pytest.approx(losses, abs=1e-12)
    assert (1 - reference.confidence(d[0], scale)).tolist() == pytest.approx(losses, abs=1e-12)
    assert measure.loss_map(d / 100).max() < 0.03  # a slight loss stays one


def test_what_each_normalisation_can_say() -> None:
    """Intervals with no loss, a slight loss everywhere, and a slight loss in one pixel."""
    none, slight, one = doubles([0] * 4), doubles([0.01] * 4), doubles([0, 0, 0, 0.01])
    means = {
        name: [1 - Difference(normalise=name).loss_map(d).mean().item() for d in (none, slight, one)]
        for name in ("absolute", "max", "min-max", "median")
    }
    assert means["absolute"] == pytest.approx([1, 0.99, 0.9975], abs=1e-12)
    assert means["max"] == pytest.approx([1, 0, 0.75], abs=1e-12)  # a slight loss counts as a complete one
    assert means["min-max"] == pytest.approx([1, 1, 0.75], abs=0.01)
    assert means["median"][:2] == pytest.approx([0.5, 0.5], abs=1e-12)  # nor does a total loss differ from none


def test_absolute_extractor_has_a_gradient_at_any_difference() -> None:
    d = doubles([1e-6, 1, 10]).requires_grad_()
    (1 - Mlp(normalise="absolute").loss_map(d)).sum().backward()
    assert d.grad is not None and d.grad.tolist() == [pytest.approx([-1, -math.exp(-1), -math.exp(-10)], rel=1e-5)]


# -- plans


def asked(catalog: Catalog, method: str, *settings: str, **more: str) -> object:
    request = PlanRequest(
        method=method, dataset="puppets", budget="smoke", settings=tuple(f"method.{text}" for text in settings), **more
    )
    return resolve_plan(catalog, request)


def test_new_options_are_unspecified_and_in_no_plan_at_their_default(catalog: Catalog) -> None:
    options = catalog.methods["cstat"].options
    assert all(options[key].added and options[key].unspecified for key in NEW)
    plan = asked(catalog, "cstat", *(f"{key}={str(options[key].default).lower()}" for key in NEW))
    assert not [key for key in plan.settings if key.removeprefix("method.") in NEW]  # type: ignore[attr-defined]
    assert plan == asked(catalog, "cstat")


@pytest.mark.parametrize(
    ("method", "setting", "parts"),
    [
        ("cstat:difference", "confidence_loss=both", ("confidence=difference", "confidence_loss", "mlp")),
        ("cstat:gradient", "confidence_outputs=3", ("confidence=gradient", "confidence_outputs=3", "mlp")),
        ("cstat:stat", "confidence_binary=true", ("confidence=none", "confidence_binary", "difference")),
        ("cstat:sat", "confidence_score=area", ("confidence=none", "confidence_score=area", "gradient")),
        ("cstat", "confidence_score=ratio", ("confidence_normalise=median", "confidence_normalise=absolute")),
    ],
)
def test_options_without_effect_are_refused(
    catalog: Catalog, method: str, setting: str, parts: tuple[str, ...]
) -> None:
    with pytest.raises(ElrError) as caught:
        asked(catalog, method, setting)
    assert all(part in str(caught.value) for part in (f"method '{method}", *parts))


def test_extractor_without_a_loss_is_refused(catalog: Catalog) -> None:
    with pytest.raises(ElrError, match=r"w_ce=0 .*confidence_loss=transfer"):
        asked(catalog, "cstat", "confidence_loss=classification", "w_ce=0")
    unlabelled = ("confidence_loss=classification", "unlabelled=attention")
    with pytest.raises(ElrError, match=r"unlabelled=attention has no .*attention\+soft"):
        asked(catalog, "cstat", *unlabelled, unlabelled="tiny-puppets")


def test_suite_has_a_row_for_each_reading_and_the_default(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])
    with pytest.raises(SystemExit) as stopped:
        main(["suite", "run", "leaderboards/suites/puppets-cstat-confidence.yaml", "--dry-run", "--json"])
    assert stopped.value.code == 0
    rows = {run["rows"][0]: run for run in json.loads(capsys.readouterr().out)["runs"]}
    assert len({run["digest"] for run in rows.values()}) == 10
    named = {"default", "matched", "classification", "both-losses", "binary", "three-filters", "absolute-ratio", "area"}
    assert named < set(rows)


def test_temporal_confidence_of_zero_throughout_stops_the_run() -> None:
    rows = [{"epoch": 0, "confidence": 0.4, "confidence_area": 0.6, "confidence_video": 0.0}]
    options = {**DEFAULTS, "confidence": "mlp", "confidence_score": "ratio", "w_tat": 1 / 3}
    with pytest.raises(RunFailed, match=r"confidence_score=ratio .*confidence_score=mean"):
        refuse_empty(rows, options)
    refuse_empty(rows, {**options, "w_tat": 0.0})
    refuse_empty([{**rows[0], "confidence_video": 0.01}], options)
