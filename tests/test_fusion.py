"""Late fusion: the mean of probabilities by hand, and a run of two networks from end to end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from run_records import PLAN, make_record
from test_flow import opencv

from benchmark_core import catalog as catalog_module
from benchmark_core.canonical import digest_of
from benchmark_core.catalog import Catalog
from benchmark_core.cli import main
from benchmark_core.cli.run import summary
from benchmark_core.cost.streams import costs_of_plan
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.checksum import add_checksum
from benchmark_core.records.consistency import check_record
from benchmark_core.records.files import track_path
from benchmark_core.records.publish import publish
from benchmark_core.records.record import read_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.loaded_run import load_run
from benchmark_core.runs.runner import RunResult, run
from benchmark_core.scoring.fusion import fuse, mean_of_sigmoids, mean_of_softmax
from benchmark_core.scoring.predictions import Predictions, read_predictions, write_predictions
from benchmark_core.tables.build import build_tables
from elrbench import ElrError

__all__ = ["opencv"]  # a fixture
CLASSES = ("a", "b", "c")


def predictions(logits: list[list[float]], targets: list[object] | None = None, ids: str = "xyz") -> Predictions:
    found = np.array(logits, float)
    targets = list(range(len(found))) if targets is None else targets
    return Predictions(tuple(ids[: len(found)]), np.array(targets), found, CLASSES)


def softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


# -- by hand


def test_the_softmax_of_fused_logits_is_the_mean_softmax() -> None:
    """0.7 0.2 0.1 and 0.2 0.6 0.2 have the mean 0.45 0.4 0.15."""
    one, other = np.log([[0.7, 0.2, 0.1]]) + 3, np.log([[0.2, 0.6, 0.2]]) - 5  # softmax ignores a constant
    assert np.allclose(np.exp(mean_of_softmax([one, other])), [[0.45, 0.4, 0.15]])


def test_the_mean_of_probabilities_is_not_the_mean_of_logits() -> None:
    """Unlike the mean of logits, the mean of probabilities limits the weight of a confident network."""
    one, other = np.log([[0.6, 0.4 - 1e-9, 1e-9]]), np.log([[1e-9, 0.5, 0.5]])
    assert mean_of_softmax([one, other]).argmax() == 1 and np.allclose(
        np.exp(mean_of_softmax([one, other])), [[0.3, 0.45, 0.25]]
    )


def test_the_sigmoid_of_fused_logits_is_the_mean_sigmoid() -> None:
    """0.9 and 0.3 have the mean 0.6, positive; 0.9 and 0.05 have 0.475, negative, as the mean of logits is not."""
    odds = np.array([[0.9, 0.9]]), np.array([[0.3, 0.05]])
    fused = mean_of_sigmoids([np.log(p / (1 - p)) for p in odds])
    assert np.allclose(1 / (1 + np.exp(-fused)), [[0.6, 0.475]]) and fused[0, 0] > 0 > fused[0, 1]


def test_logits_too_large_for_probabilities_stay_finite() -> None:
    far = np.array([[2000.0, -2000.0, 0.0]])
    assert np.allclose(mean_of_softmax([far, far]), [[0, -4000, -2000]])
    assert np.allclose(mean_of_sigmoids([far, far]), far)
    assert np.allclose(mean_of_sigmoids([far, -far]), 0)  # 1 and 0: a half


def test_fused_predictions_are_scored_like_any_other(tmp_path: Path) -> None:
    sure, unsure = [[4, 0, 0], [0, 0, 1], [0, 4, 0]], [[0, 1, 0], [0, 4, 0], [0, 0, 1]]
    fused = fuse([predictions(sure), predictions(unsure)])  # type: ignore[arg-type]
    assert fused.scored().hits.tolist() == [True, True, False]  # the more confident network decides
    path = write_predictions(tmp_path / "p.csv.gz", fused.ids, fused.targets, fused.logits, fused.classes)
    assert read_predictions(path).scored().scores == fused.scored().scores


def test_targets_of_several_classes_are_fused_by_sigmoid() -> None:
    targets = [[1, 0, 1]]
    one, other = predictions([[3, -3, -1]], targets), predictions([[0, 0, 2]], targets)  # type: ignore[list-item]
    assert np.allclose(fuse([one, other]).logits, mean_of_sigmoids([one.logits, other.logits]))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (predictions([[0, 0, 1], [0, 1, 0]], ids="xw"), "different clips: 2 are in only one .first: 'w'."),
        (predictions([[0, 0, 1], [0, 1, 0]], [0, 2]), "different targets for the same clips"),
        (Predictions(("x", "y"), np.array([0, 1]), np.zeros((2, 3)), ("a", "c", "b")), "classes: their order differs"),
    ],
)
def test_predictions_of_different_clips_are_not_fused(other: Predictions, message: str) -> None:
    with pytest.raises(ElrError, match=message):
        fuse([predictions([[1, 0, 0], [0, 1, 0]]), other])


# -- a record


def test_a_fused_record_names_its_streams() -> None:
    parts = [digest_of({**PLAN, "modality": stream}) for stream in ("rgb", "flow")]
    record = make_record(modality="rgb+flow", more={"fused": parts})
    assert check_record(record)["fused"] == parts
    for wrong in ({}, {"fused": parts[::-1]}, {"fused": [*parts, "0" * 16]}):
        with pytest.raises(ElrError, match="'fused' does not list the runs of modality"):
            check_record(make_record(modality="rgb+flow", more=wrong))
    with pytest.raises(ElrError, match="'fused' does not list the runs of modality rgb"):
        check_record(make_record(more={"fused": parts}))


# -- a run


@pytest.fixture(scope="module")
def plan(toy_catalog: Catalog) -> Plan:
    settings = ("method.batch=12", "method.epochs=2", "method.joint_epochs=1")
    request = PlanRequest(
        method="cstat",
        dataset="toy",
        backbone="toynet",
        budget="smoke",
        size="24x32",
        modality="rgb+flow",
        settings=settings,
    )
    return resolve_plan(toy_catalog, request)


def go(plan: Plan, catalog: Catalog, folder: Path, told: list[str] | None = None, **more: object) -> RunResult:
    reporter = Silent()
    if told is not None:
        reporter.say = told.append  # type: ignore[method-assign]
    out = folder / "runs" / plan.digest
    return run(
        plan, catalog, RunContext(**{"data": None, "out": out, "cache": folder / "cache", "reporter": reporter, **more})
    )  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(toy_catalog: Catalog, plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunResult]:
    cv2 = pytest.importorskip("cv2", reason="the extra 'flow' is not installed")
    if not hasattr(cv2, "optflow"):
        pytest.skip("OpenCV is here without its contrib modules")
    yield go(plan, toy_catalog, tmp_path_factory.mktemp("fused"))


def test_two_runs_and_their_mean(plan: Plan, made: RunResult) -> None:
    rgb, flow = made.streams
    assert [part.record["plan"]["modality"] for part in made.streams] == ["rgb", "flow"]
    assert {path.name for path in made.folder.parent.iterdir()} == {plan.digest, *(one.digest for one in plan.streams)}
    (path,) = made.folder.glob("cstat-*.json")
    record = read_record(path)
    assert record == made.record and record["digest"] == plan.digest
    assert record["fused"] == [rgb.record["digest"], flow.record["digest"]]
    fused, *parts = (read_predictions(each.folder / each.record["predictions"]["file"]) for each in (made, rgb, flow))
    assert np.allclose(softmax(fused.logits), sum(softmax(part.logits) for part in parts) / 2, atol=2e-3)
    assert np.abs(parts[0].logits - parts[1].logits).max() > 1e-3
    assert fused.scored().to_json()["scores"] == record["scores"]
    assert set(record["updates"]) == {f"{s} {n}" for s in ("rgb", "flow") for n in ("teacher-tam", "student", "joint")}
    assert "(rgb+flow) on toy" in summary(record, made.folder, [])


def test_the_cost_is_the_sum(made: RunResult, toy_catalog: Catalog, plan: Plan) -> None:
    costs = [json.loads(next(each.folder.glob("toynet-*.json")).read_text()) for each in (made, *made.streams)]
    total, *parts = costs
    assert total["structure"] == made.record["structure"] and total["streams"] == [one["structure"] for one in parts]
    for key in ("params", "macs"):
        for name, value in total[key].items():
            assert value == pytest.approx(sum(part[key][name] for part in parts)), name
    assert parts[0]["params"]["total"] - parts[1]["params"]["total"] == 8 * 9  # weights of the first convolution
    assert total["flow"]["field"] == parts[1]["flow"]["field"] and "flow" not in parts[0]
    fresh = costs_of_plan(plan, components_of(toy_catalog, plan), torch.device("cpu"))
    assert [cost["structure"] for cost in fresh] == [cost["structure"] for cost in costs]
    assert fresh[0]["params"] == total["params"] and fresh[0]["macs"] == total["macs"]


def test_finished_runs_are_reused(made: RunResult, toy_catalog: Catalog, plan: Plan) -> None:
    told: list[str] = []
    again = go(plan, toy_catalog, made.folder.parents[1], told)
    assert told == [f"{one.modality}: the finished run {one.digest} is reused" for one in plan.streams]
    assert again.record["predictions"] == made.record["predictions"]
    assert again.streams[0].record == made.streams[0].record
    assert again.record["notes"] == [
        f"{name}: reused, finished {part.record['finished']}"
        for name, part in zip(("rgb", "flow"), made.streams, strict=True)
    ]


def test_a_run_by_another_version_of_a_plugin_is_run_again(
    made: RunResult, toy_catalog: Catalog, plan: Plan, tmp_path: Path
) -> None:
    first = streams_at(made, tmp_path)[0]
    owners = made.streams[0].record["plugins"]
    amend(first, plugins={**owners, "method": {**owners["method"], "version": "0.0.1"}})
    told: list[str] = []
    again = go(plan, toy_catalog, tmp_path, told, cache=made.folder.parents[1] / "cache")
    rgb, flow = plan.streams
    assert told[0] == f"rgb: run {rgb.digest}" and told[-1] == f"flow: the finished run {flow.digest} is reused"
    assert again.streams[0].record["plugins"] == owners
    assert [note for note in again.record["notes"] if "reused" in note] == [
        f"flow: reused, finished {made.streams[1].record['finished']}"
    ]


def test_the_fused_run_and_its_streams_are_published(made: RunResult, tmp_path: Path) -> None:
    written = publish(made.folder, tmp_path)
    assert len([path for path in written if path.name.endswith(".predictions.csv.gz")]) == 3
    assert written[-1].name == f"cstat-mlp-rc-{made.record['digest']}.json"
    tables = build_tables(tmp_path)
    assert tables.problems == ()
    page = tables.files[tmp_path / "tables" / f"{track_path(made.record['track'])}.md"]
    rows = [line for line in page.splitlines() if "| cstat:mlp+rc" in line and "toynet" in line]
    assert len(rows) == 3 and [sum(f"toynet{seen} " in row for row in rows) for seen in (" (flow)", " (rgb+flow)")] == [
        1,
        1,
    ]
    (made.streams[1].folder / "hidden").write_text("")  # other files are ignored
    assert publish(made.folder, tmp_path) == written


def test_an_absent_stream_is_named(made: RunResult, tmp_path: Path) -> None:
    alone = tmp_path / made.folder.name
    alone.mkdir()
    for path in made.folder.iterdir():
        (alone / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ElrError, match=f"the run folder .*{made.record['fused'][0]}"):
        publish(alone, tmp_path / "board")
    assert not (tmp_path / "board").exists()


def test_a_fused_run_has_no_recognizer(made: RunResult, toy_catalog: Catalog) -> None:
    first, second = made.record["fused"]
    with pytest.raises(ElrError, match=f"is the mean of two runs, {first} and {second}, and has no recognizer"):
        load_run(made.folder, made.record, toy_catalog)  # type: ignore[arg-type]


def streams_at(made: RunResult, folder: Path) -> list[Path]:
    """Copies of the streams' run folders, for `go` to find."""
    return [Path(shutil.copytree(part.folder, folder / "runs" / part.folder.name)) for part in made.streams]


def amend(folder: Path, **fields: object) -> None:
    (path,) = folder.glob("cstat-*.json")
    path.write_text(json.dumps(add_checksum({**json.loads(path.read_text()), **fields})))


ENTRY = {"name": "videos:k", "clips": 3, "tested": 0, "bad": []}


@pytest.mark.parametrize(
    ("fields", "other", "message"),
    [
        ({"clips": {"train": 24, "test": 12, "bad": ["t01"], "padded": 0}}, {}, "clips"),
        (
            {"unlabelled": {**ENTRY, "manifest": "a"}},
            {"unlabelled": {**ENTRY, "manifest": "b"}},
            "unlabelled clips",
        ),
        ({"high_source": {**ENTRY, "manifest": "a"}}, {}, "clips with high views"),
    ],
)
def test_runs_of_other_clips_are_not_fused(
    made: RunResult,
    toy_catalog: Catalog,
    plan: Plan,
    tmp_path: Path,
    fields: dict[str, object],
    other: dict[str, object],
    message: str,
) -> None:
    first, second = streams_at(made, tmp_path)
    amend(first, finished="2020-01-01T00:00:00Z", **fields)
    amend(second, **other)
    with pytest.raises(ElrError) as caught:
        go(plan, toy_catalog, tmp_path)
    said = str(caught.value)
    assert f"different {message} (" in said and str(second) in said and "\n" not in said
    assert said.endswith(f"--refit, or remove the older run folder {first}")


# -- the command line


@pytest.fixture
def call(toy_catalog: Catalog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(catalog_module, "load_catalog", lambda **_: toy_catalog)

    def run(text: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stopped:
            main(text.split())
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out or err

    return run


TOY = "--method cstat --dataset toy --backbone toynet --budget smoke --size 24x32 --modality rgb+flow"


def test_a_dry_run_names_both_plans(call, toy_catalog: Catalog) -> None:
    code, out = call(f"run {TOY} --dry-run --json")
    told = json.loads(out)
    parts = {stream.modality: stream.digest for stream in Plan.from_json(told["plan"]).streams}
    assert code == 0 and told["streams"] == parts and list(parts) == ["rgb", "flow"]
    assert all(digest in call(f"run {TOY} --dry-run")[1] for digest in (told["digest"], *parts.values()))


def test_cost_shows_the_sum_and_each_stream(call) -> None:
    total = json.loads(call(f"cost {TOY} --no-latency --json")[1])
    rgb, flow = total["parts"]
    assert total["params"]["total"] == rgb["params"]["total"] + flow["params"]["total"] > 0
    text = call(f"cost {TOY} --no-latency")[1]
    assert "2 networks" in text and all(cost["structure"] in text for cost in (total, rgb, flow))


def test_cost_of_a_bare_backbone_for_flow(call) -> None:
    bare = "cost --no-latency --backbone toynet --classes 3 --size 24x32 --sampling 2x1 --modality"
    code, out = call(f"{bare} flow --json")
    assert code == 0 and json.loads(out)["describe"]["modality"] == "flow"
    code, error = call(f"{bare} rgb+flow")
    assert code == 2 and "--modality rgb+flow is two networks" in error
    code, error = call(f"{bare} flow --enhancer bicubic --low 12x16")
    assert code == 2 and "remove --enhancer and --low" in error
