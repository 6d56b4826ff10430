"""Test views: which frames they take, how they are mirrored and averaged, and what records and tables make of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from run_records import make_cost
from torch import Tensor
from videos import drawn

from benchmark_core.catalog import Catalog
from benchmark_core.clips.clip_views import ClipViews, mirror_some
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.store import ClipStore
from benchmark_core.clips.view_plan import view_plan
from benchmark_core.clips.views import Views
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.cost_record import of_test_views
from benchmark_core.records.record import find_record, read_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.loaded_run import load_run, predict_clips
from benchmark_core.runs.runner import run
from benchmark_core.scoring.predict import predict
from elrbench import ElrError
from elrbench_plugins.degradations import AVERAGE

SIZE = (24, 32)


def asked(catalog: Catalog, **fields: object) -> Plan:
    usual = {"method": "supervised", "dataset": "toy", "backbone": "toynet", "budget": "smoke", "size": "24x32"}
    settings = ("method.batch=12", "method.epochs=1")
    return resolve_plan(catalog, PlanRequest(**{**usual, "sampling": "2x1", "settings": settings, **fields}))


# -- texts and frames


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (1, False, 1)),
        ("3", (3, False, 3)),
        ("mirror", (1, True, 2)),
        ("3+mirror", (3, True, 6)),
        ("64", (64, False, 64)),
    ],
)
def test_known_texts(text: str, expected: tuple[int, bool, int]) -> None:
    views = ClipViews.parse(text)
    assert (views.crops, views.mirror, views.count) == expected


@pytest.mark.parametrize("text", ["0", "1", "65", "+mirror", "mirror+3", "3+", "x", "1+mirror", "3 + mirror", "-2"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ElrError, match="test views '.*' are not valid; use N"):
        ClipViews.parse(text)


def test_crops_are_three_quarters_of_the_clip_evenly_placed() -> None:
    """40 frames: crops of 30 that begin at 0, 5 and 10. Centres of 4 parts: 3.75, 11.25, 18.75, 26.25 and so on."""
    sampling = Sampling.parse("clip-4")
    numbers, mask = sampling.numbers(40, None, ClipViews(3))
    crops = [[3, 11, 18, 26], [8, 16, 23, 31], [13, 21, 28, 36]]
    assert numbers.tolist() == crops and mask.tolist() == [1, 1, 1]
    assert sampling.numbers(40, None, ClipViews(3, True))[0].tolist() == crops * 2
    assert sampling.numbers(40, None, ClipViews(1, True))[0].tolist() == sampling.numbers(40, None)[0].tolist() * 2
    short = sampling.numbers(2, None, ClipViews(3))[0]
    assert short.min() >= 0 and short.max() < 2 and (np.diff(short) >= 0).all()


def test_training_draws_the_same_with_and_without_test_views() -> None:
    drawn_twice = [
        Sampling.parse("clip-4").numbers(40, np.random.default_rng(1), views)[0].tolist()
        for views in (ClipViews(), ClipViews(3, True))
    ]
    assert drawn_twice[0] == drawn_twice[1] and len(drawn_twice[0]) == 1


# -- views


@pytest.mark.parametrize("sampling", ["clip-4", "2x2"])
def test_the_second_half_of_the_intervals_is_mirrored(tmp_path: Path, sampling: str) -> None:
    planned = view_plan(dataclasses.replace(AVERAGE, low=(3, 4)), {}, size=SIZE)
    store, clips = ClipStore(tmp_path), [drawn(n, frames=9 + n) for n in range(2)]
    store.ensure(clips, planned.formats(low=True, high=True))
    settings = {"sampling": Sampling.parse(sampling), "classes": 3, "high": True}
    plain = Views(clips, store, planned, **settings).read(clips)
    views = Views(clips, store, planned, **settings, test_views=ClipViews(1, True))
    both = views.read(clips)
    count = plain.mask.shape[1]
    assert both.mask.shape == (2, 2 * count)
    for seen, once in ((both.low, plain.low), (both.high, plain.high)):
        assert torch.equal(seen[:, :count], once) and torch.equal(seen[:, count:], once.flip(-1))
    pieces = [piece.low for piece in views.pieces(clips[0], 1)]
    assert torch.equal(torch.cat(pieces, 1), both.low[:1])


def test_mirrored_flow_turns_what_goes_across() -> None:
    flow = (
        np.array([[1, 100], [128, 255]], np.uint8).reshape(1, 1, 1, 2, 2).repeat(2, 0).repeat(2, 1)
    )  # (K, 2, T, h, w)
    found = mirror_some(flow, np.array([False, True]), flow=True)
    assert found[0].tolist() == flow[0].tolist()
    assert found[1, 0, 0].tolist() == [[156, 255], [1, 128]]  # 256 - level, from right to left
    assert found[1, 1, 0].tolist() == [[100, 1], [255, 128]]


# -- scores


class Fixed(torch.nn.Module):
    """Logits that depend on the view: its first pixel chooses a row."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.rows, self.head, self.passes = rows, torch.nn.Identity(), 0

    def forward(self, low: Tensor, mask: Tensor) -> Tensor:
        assert low.shape[1] == mask.shape[1] == 1  # one interval a view
        self.passes += 1
        return self.rows[(low[:, 0, 0, 0, 0, 0] * 255).round().long() % len(self.rows)]


@pytest.mark.parametrize("multi_label", [False, True])
def test_the_score_is_the_mean_of_the_probabilities(tmp_path: Path, multi_label: bool) -> None:
    planned = view_plan(dataclasses.replace(AVERAGE, low=(3, 4)), {}, size=SIZE)
    store, clips = ClipStore(tmp_path), [drawn(n, frames=20, target=n) for n in range(3)]
    if multi_label:
        clips = [dataclasses.replace(clip, target=(0,)) for clip in clips]
    store.ensure(clips, planned.formats(low=True, high=False))
    views = Views(
        clips,
        store,
        planned,
        sampling=Sampling.parse("clip-2"),
        classes=2,
        multi_label=multi_label,
        test_views=ClipViews(3, True),
    )
    recognizer = Fixed(torch.tensor([[0.0, 3.0], [2.0, -1.0], [-4.0, 1.0], [0.5, 0.0]]))
    _, _, logits = predict(
        recognizer,  # type: ignore[arg-type]
        views,
        device=torch.device("cpu"),
        precision="fp32",
        high=False,
        reporter=Silent(),
    )
    low = views.to_device(views.read(clips), "cpu").low
    assert isinstance(low, Tensor) and low.shape[1] == 6 and recognizer.passes == 6
    each = torch.stack([recognizer(low[:, at : at + 1], torch.ones(3, 1)) for at in range(6)])
    assert len({tuple(row) for row in each.reshape(-1, 2).tolist()}) > 1
    if multi_label:
        torch.testing.assert_close(torch.from_numpy(logits).sigmoid(), each.sigmoid().mean(0))
    else:
        torch.testing.assert_close(torch.from_numpy(logits).softmax(1), each.softmax(2).mean(0))


# -- plans, records and tables


def test_a_plan_with_test_views_has_a_track_of_its_own(toy_catalog: Catalog) -> None:
    plain, views = asked(toy_catalog), asked(toy_catalog, test_views="mirror")
    assert "test_views" not in plain.to_json() and views.to_json()["test_views"] == "mirror"
    assert plain.digest != views.digest and Plan.from_json(views.to_json()) == views
    assert views.protocol_name == f"{plain.protocol_name},views=mirror"


@pytest.mark.parametrize(
    ("sampling", "views"), [("2x1", "3"), ("2x1", "3+mirror"), ("windows-1", "mirror"), ("windows-1", "2")]
)
def test_views_that_do_not_fit_the_sampling_are_refused(toy_catalog: Catalog, sampling: str, views: str) -> None:
    with pytest.raises(ElrError, match=f"test views .* do not fit sampling {sampling}: .* use e.g. --sampling clip-1"):
        asked(toy_catalog, sampling=sampling, test_views=views)


def test_tables_count_every_view() -> None:
    cost = make_cost("net")
    assert of_test_views((cost,), {"test_views": "3+mirror"})[0]["macs"]["clip"] == 6 * cost["macs"]["clip"]
    assert of_test_views((cost,), {"test_views": "3+mirror"})[0]["macs"]["view"] == cost["macs"]["view"]
    assert of_test_views((cost,), {}) == (cost,)


def test_a_run_and_its_prediction_use_the_views_and_share_the_training(toy_catalog: Catalog, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    results = [
        run(
            asked(toy_catalog, test_views=views),
            toy_catalog,
            RunContext(data=None, out=tmp_path / f"out{views}", cache=cache, reporter=Silent()),
        )
        for views in ("", "mirror")
    ]
    assert [stage["reused"] for stage in results[1].record["stages"]] == [True]
    folder = results[1].folder
    record = read_record(find_record(folder))
    assert record["track"]["protocol"].endswith(",views=mirror")

    def logits(folder: Path) -> Tensor:
        loaded = load_run(folder, read_record(find_record(folder)), toy_catalog)
        found = predict_clips(
            loaded,
            "test",
            data=None,
            cache=cache,
            bad_clips="fail",
            device=torch.device("cpu"),
            reporter=Silent(),
        )
        assert found.targets is not None
        primary = record["primary"]
        own = read_record(find_record(folder))["scores"][primary]["value"]
        assert float((found.logits.argmax(1) == found.targets).mean()) == pytest.approx(own)
        return torch.from_numpy(found.logits)

    once, both = (logits(result.folder) for result in results)
    assert once.shape == both.shape and not torch.allclose(once.softmax(1), both.softmax(1))
    bad = {**record, "plan": {**record["plan"], "test_views": "many"}}
    from benchmark_core.records.consistency import _check_track

    with pytest.raises(ElrError, match="test views 'many' are not valid"):
        _check_track(bad)
