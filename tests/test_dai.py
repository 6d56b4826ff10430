"""dai: series, distances and votes against cases worked out by hand and against scikit-learn, whole runs, refusals."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from test_kd import go, scored, stages
from torch import Tensor

from benchmark_core.catalog import Catalog
from benchmark_core.cost.streams import costs_of_plan
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.loaded_run import WEIGHTS, load_run, predict_clips
from benchmark_core.runs.time_estimate import estimate_times
from benchmark_core.scoring.predictions import read_predictions
from elrbench import ElrError
from elrbench_plugins.dai import distance, memory
from elrbench_plugins.dai.distance import costs, distances, unit_frames, warped
from elrbench_plugins.dai.head import NearestHead
from elrbench_plugins.dai.options import ALIGNMENTS, DISTANCES, OPTIONS
from elrbench_plugins.dai.series import PixelSeries

CPU = torch.device("cpu")


def planned(catalog: Catalog, method: str = "dai", *settings: str, **changes: Any) -> Plan:
    fields = {"dataset": "toy", "sampling": "clip-8", "settings": settings, **changes}
    return resolve_plan(catalog, PlanRequest(method=method, **fields))


# -- series


def test_series_by_hand() -> None:
    """Two frames of two pixels; grey is 0.299 R + 0.587 G + 0.114 B."""
    red, green = torch.tensor([[1.0, 0], [0, 0]]), torch.tensor([[0.0, 1], [0, 0]])  # (T, w)
    clip = torch.stack([red, green, torch.zeros(2, 2)]).reshape(1, 3, 2, 1, 2)
    grey = torch.tensor([[0.299, 0.587], [0, 0]])
    for centre, due in (("none", grey), ("time", grey - grey.mean(0)), ("clip", grey - grey.mean())):
        (found,) = PixelSeries(3, centre=centre).forward_features(clip)
        assert found.shape == (1, 1, 2, 1, 2) and torch.allclose(found.reshape(2, 2), due)
    (unit,) = PixelSeries(3, centre="none", scale="unit").forward_features(clip)
    assert torch.allclose(unit.reshape(2, 2), grey / ((0.299**2 + 0.587**2) / 4) ** 0.5)
    (still,) = PixelSeries(3, scale="unit").forward_features(torch.full((1, 3, 4, 2, 2), 0.5))
    assert not still.any()


def test_other_methods_get_averages_of_cells() -> None:
    network = PixelSeries(5)
    assert sum(each.numel() for each in network.parameters()) == (8 * 6 * 8 + 1) * 5
    assert network(torch.rand(2, 3, 32, 12, 16)).shape == network(torch.rand(2, 3, 5, 4, 4)).shape == (2, 5)


# -- distances


A, B = torch.tensor([[[0.0], [1], [3]]]), torch.tensor([[[0.0], [0], [1]], [[1], [3], [3]]])  # (1, 3, 1), (2, 3, 1)


def test_frame_by_frame() -> None:
    found = distances(A, B, distance="euclidean", alignment="none", reach=0)
    assert torch.allclose(found, torch.tensor([[(0 + 1 + 4) ** 0.5, (1 + 4 + 0) ** 0.5]]))
    assert distances(A, B, distance="city-block", alignment="none", reach=0).tolist() == [[3, 3]]


def test_the_best_shift() -> None:
    """The series are each other's, one frame later and one frame earlier: two frames overlap, with no cost."""
    for kind in ("euclidean", "city-block"):
        assert distances(A, B, distance=kind, alignment="shift", reach=1).tolist() == [[0, 0]]
    far = torch.tensor([[[5.0], [0], [0]]])  # unshifted 5 + 1 + 3; by one: (0, 1) to (0, 0), or (1, 3) to (5, 0)
    found = distances(A, far, distance="city-block", alignment="shift", reach=1)
    assert found.tolist() == [[min(9, (0 + 1) * 3 / 2, (4 + 3) * 3 / 2)]]


def test_warping_by_hand() -> None:
    """The costs |i - j|. Only one path reaches the end without a step off the cheap cells."""
    pairs = costs(A, B[:1], "city-block")
    assert pairs[0, 0].tolist() == [[0, 0, 1], [1, 1, 0], [3, 3, 2]]
    # (0,0) 0, (0,1) 0, (1,2) 0, (2,2) 2
    assert warped(pairs, 2).item() == 2
    assert warped(pairs, 0).item() == 0 + 1 + 2  # the diagonal alone


@pytest.mark.parametrize("kind", DISTANCES)
@pytest.mark.parametrize("reach", [0, 1, 3])
def test_warping_is_the_cheapest_of_all_paths(kind: str, reach: int) -> None:
    torch.manual_seed(0)
    one, other = torch.rand(1, 4, 3), torch.rand(1, 4, 3)
    pairs = costs(*((unit_frames(one), unit_frames(other)) if kind == "correlation" else (one, other)), kind)[0, 0]
    best = float("inf")
    for length in range(4, 8):
        for path in itertools.product([(1, 0), (0, 1), (1, 1)], repeat=length - 1):
            cells = [(0, 0)]
            for step in path:
                cells.append((cells[-1][0] + step[0], cells[-1][1] + step[1]))
            if cells[-1] == (3, 3) and all(abs(i - j) <= reach for i, j in cells):
                best = min(best, sum(float(pairs[cell]) for cell in cells))
    found = distances(one, other, distance=kind, alignment="dtw", reach=reach).item()
    assert found == pytest.approx(best**0.5 if kind == "euclidean" else best, rel=1e-5)


def test_correlation_of_frames() -> None:
    """Frames that differ in brightness and contrast alone have a distance of 0, opposite ones 2, constant ones 1."""
    one = torch.tensor([[[0.0, 1, 2], [0, 1, 2], [1, 2, 3]]])
    other = torch.tensor([[[5.0, 7, 9], [2, 1, 0], [4, 4, 4]]])
    for alignment in ("none", "dtw"):
        found = distances(one, other, distance="correlation", alignment=alignment, reach=0)
        assert found.item() == pytest.approx(0 + 2 + 1)


@pytest.mark.parametrize("kind", DISTANCES)
@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_chunks_of_references_change_nothing(monkeypatch: pytest.MonkeyPatch, kind: str, alignment: str) -> None:
    torch.manual_seed(0)
    one, other = torch.rand(3, 5, 4), torch.rand(7, 5, 4)
    whole = distances(one, other, distance=kind, alignment=alignment, reach=2)
    monkeypatch.setattr(distance, "AT_ONCE", 1)
    assert torch.allclose(distances(one, other, distance=kind, alignment=alignment, reach=2), whole, atol=1e-5)
    assert whole.shape == (3, 7) and bool((whole >= 0).all())


# -- votes


def head_of(classes: int, labels: Tensor, *, single: bool = True, **options: Any) -> NearestHead:
    usual = {key: option.default for key, option in OPTIONS.items()}
    head = NearestHead(frames=1, pixels=1, classes=classes, options={**usual, **options}, single=single)
    head.labels = labels.float()
    return head


def test_the_nearest_class_wins_and_others_follow_by_distance() -> None:
    head = head_of(4, torch.tensor([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]))
    logits = head.logits(torch.tensor([[2.0, 1.0, 4.0]]))[0]
    assert logits.tolist() == pytest.approx([-2 / 3, 1 - 1 / 2, -4 / 5, -1])  # the last class has no clip
    assert head.logits(torch.zeros(1, 3)).isfinite().all()  # equal clips of three classes


def test_votes_decide_and_the_nearest_breaks_ties() -> None:
    labels = torch.tensor([[1, 0], [0, 1], [0, 1], [1, 0]])
    near = torch.tensor([[1.0, 2, 3, 4]])
    assert [head_of(2, labels, neighbours=k).logits(near).argmax().item() for k in (1, 2, 3, 4, 9)] == [0, 0, 1, 0, 0]


def test_several_labels() -> None:
    """The nearest clip has labels 0 and 1, the second label 1; no clip has label 2, and all have label 3."""
    head = head_of(4, torch.tensor([[1, 1, 0, 1], [0, 1, 0, 1]]), single=False)
    logits = head.logits(torch.tensor([[1.0, 3.0]]))[0]
    assert logits.tolist() == pytest.approx([1 + (3 - 1) / (3 + 1), 1 + 1, -1 - 1, 1 + 1])
    two = head_of(4, head.labels, single=False, neighbours=2).logits(torch.tensor([[1.0, 3.0]]))[0]
    assert two[0].item() == pytest.approx(0 + 0.5)  # one vote for and one against: the nearest decides


@pytest.mark.parametrize(("kind", "metric"), [("euclidean", "euclidean"), ("city-block", "manhattan")])
@pytest.mark.parametrize("neighbours", [1, 5])
def test_it_predicts_as_sklearn(kind: str, metric: str, neighbours: int) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(0)
    known, y, new = rng.normal(size=(60, 8)), rng.integers(0, 2, 60), rng.normal(size=(40, 8))
    machine = KNeighborsClassifier(neighbours, metric=metric).fit(known, y)
    labels = torch.nn.functional.one_hot(torch.from_numpy(y), 2)
    head = head_of(2, labels, distance=kind, neighbours=neighbours)
    head.register_buffer("references", torch.from_numpy(known).float().reshape(60, 4, 2))
    maps = torch.from_numpy(new).float().reshape(40, 1, 1, 4, 1, 2)
    assert head(maps, torch.ones(40, 1)).argmax(1).tolist() == machine.predict(new).tolist()


def test_intervals_follow_each_other() -> None:
    head = NearestHead(frames=4, pixels=2, classes=2, options={key: option.default for key, option in OPTIONS.items()})
    maps = torch.arange(8.0).reshape(1, 2, 1, 2, 1, 2)
    assert head.series(maps)[0].tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]


# -- runs


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dai")


def test_a_run_learns_is_loaded_and_predicts_the_same(toy_catalog: Catalog, work: Path) -> None:
    result = go(toy_catalog, planned(toy_catalog), work)
    record: Any = result.record
    assert record["yardstick"] is True and stages(result) == {"references": False}
    state = scored(result)
    assert state["head.references"].shape == (24, 8, 12 * 16) and state["head.labels"].sum() == 24
    loaded = load_run(result.folder, record, toy_catalog)
    found = predict_clips(
        loaded, "test", data=None, cache=work / "cache", bad_clips="fail", device=CPU, reporter=Silent()
    )
    stored = read_predictions(result.folder / str(record["predictions"]["file"]))
    assert found.logits == pytest.approx(np.asarray(stored.logits), abs=1e-3)
    assert record["scores"]["top1"]["value"] > 0.5
    assert found.logits.max(1) == pytest.approx(0.5, abs=1e-4)  # one vote, minus d / (d + d)


@pytest.mark.parametrize("method", ["dai:dtw", "dai:shift", "dai:correlation", "dai:dtw+correlation"])
def test_distances_share_the_references(toy_catalog: Catalog, work: Path, method: str) -> None:
    go(toy_catalog, planned(toy_catalog), work)
    result = go(toy_catalog, planned(toy_catalog, method, "method.reach=2"), work)
    assert stages(result) == {"references": True} and result.record["scores"]["top1"]["value"] > 1 / 3


def test_a_moving_square_is_found(toy_catalog: Catalog, work: Path) -> None:
    """Without each pixel's mean, left and right look the same; with it, the place of the square decides."""
    moving = scored(go(toy_catalog, planned(toy_catalog), work))["head.references"]
    assert moving.mean(1).abs().max().item() == pytest.approx(0.0, abs=1e-3)  # each pixel's mean over time
    still = go(toy_catalog, planned(toy_catalog, "dai", "backbone.centre=clip"), work)
    assert stages(still) == {"references": False}  # another backbone option, other series
    assert still.record["scores"]["top1"]["value"] == 1.0


def test_several_labels_and_clips_of_any_size(catalog: Catalog, tmp_path: Path) -> None:
    few = ("dataset.train=12", "dataset.test=6")
    plan = planned(catalog, "dai", *few, dataset="tiny-puppets", size="10x10")
    result = go(catalog, plan, tmp_path)
    assert result.record["track"]["task"] == "multi-label"
    assert scored(result)["head.labels"].shape == (12, 12)


def test_damaged_weights_are_one_error(toy_catalog: Catalog, work: Path, tmp_path: Path) -> None:
    result = go(toy_catalog, planned(toy_catalog), work)
    state = load_file(result.folder / WEIGHTS)
    for name, value in (("head.references", torch.zeros(5, 7)), ("head.labels", torch.zeros(3, 2))):
        save_file({**state, name: value}, tmp_path / WEIGHTS)
        with pytest.raises(ElrError, match="do not match the structure|run the plan again"):
            load_run(tmp_path, result.record, toy_catalog)  # type: ignore[arg-type]


def test_cost_counts_products_with_references(toy_catalog: Catalog) -> None:
    def macs(*settings: str) -> tuple[float, list[str]]:
        plan = planned(toy_catalog, "dai", *settings)
        (cost,) = costs_of_plan(plan, components_of(toy_catalog, plan), CPU)
        return cost["macs"]["clip"], cost["understated"]

    few, understated = macs("method.references=100")
    many, _ = macs("method.references=300")
    assert many - few == 200 * 8 * 12 * 16 and understated == []
    warps, _ = macs("method.references=100", "method.alignment=dtw")
    assert warps == 100 * 8 * 8 * 12 * 16


def test_times_are_estimated(toy_catalog: Catalog, tmp_path: Path) -> None:
    plan = planned(toy_catalog)
    seconds = estimate_times(plan, components_of(toy_catalog, plan), clips=24, device=CPU, cache=tmp_path)
    assert set(seconds) == {"references", "series"}


def test_more_memory_than_the_device_has(toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "installed", lambda device: 2 * 4 * 24 * 8 * 192 - 1)
    with pytest.raises(
        ElrError, match=r"series of 24 training clips of 8 frames with 192 pixels take .*clip-16"
    ) as one:
        go(toy_catalog, planned(toy_catalog), tmp_path)
    assert "\n" not in str(one.value)


@pytest.mark.parametrize(
    ("settings", "changes", "words"),
    [
        ((), {"modality": "flow"}, "compares grey levels, not flow; use --modality rgb"),
        ((), {"modality": "rgb+diff-early"}, "use --modality rgb"),
        ((), {"backbone": "native3d-xs"}, "does not work with backbone 'native3d-xs'; use --backbone pixel-series"),
        ((), {"sampling": "windows-16"}, "a fixed number of intervals"),
        ((), {"size": "24x32"}, "works at the low size, 12x16 on this track"),
        ((), {"recipe": "modern"}, "lacks options of the recipe.*; remove --recipe"),
        (("method.alignment=dtw", "method.reach=8"), {}, r"clip-8 has 8; use method.reach=7 or less"),
        (("method.distance=cosine",), {}, "'cosine' is not one of euclidean, city-block"),
        (("method.neighbours=0",), {}, "neighbours=0 is below 1"),
    ],
)
def test_refused(toy_catalog: Catalog, settings: tuple[str, ...], changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ElrError, match=words) as error:
        planned(toy_catalog, "dai", *settings, **changes)
    assert "\n" not in str(error.value)
