"""`elrbench rerun`: the same plan again, compared with the record, and errors before training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from run_records import make_record
from videos import random_planes, write_planes

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Catalog
from benchmark_core.cli import main
from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.planfile import fields_of
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.checksum import write_with_checksum
from benchmark_core.records.clip_results import clip_hits
from benchmark_core.records.consistency import check_record
from benchmark_core.records.record import find_record, read_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from benchmark_core.scoring.hits import pack_hits
from benchmark_core.scoring.predictions import Predictions
from benchmark_core.scoring.statistics import wilson
from benchmark_core.training import device
from elrbench_plugins.commands.rerun.rerun import agreement, differences, refuse_other_plan

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def finished(toy_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder, next to its `cache`."""
    folder = tmp_path_factory.mktemp("finished")
    request = PlanRequest(
        method="supervised", dataset="toy", backbone="toynet", budget="smoke", size="24x32",
        settings=("method.batch=12", "method.epochs=1"), seed=3,
    )  # fmt: skip
    plan = resolve_plan(toy_catalog, request)
    return run(
        plan,
        toy_catalog,
        RunContext(data=None, out=folder / "run", cache=folder / "cache", reporter=Silent(), device="cpu"),
    ).folder


@pytest.fixture
def call(
    toy_catalog: Catalog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Call:
    """`call(run folder, flags)` -> (exit code, stdout, stderr), into `tmp_path`/again with a cache of its own."""
    monkeypatch.setattr(catalog_module, "load_catalog", lambda extra=(): toy_catalog)
    monkeypatch.delenv("ELRBENCH_DATA", raising=False)

    def rerun(record: Path, *flags: str | Path) -> tuple[int, str, str]:
        usual = {"--out": tmp_path / "again", "--cache": tmp_path / "cache", "--device": "cpu"}
        words = [str(word) for pair in usual.items() if pair[0] not in flags for word in pair]
        with pytest.raises(SystemExit) as stopped:
            main(["rerun", str(record), *words, *map(str, flags)])
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return rerun


def refused(answer: tuple[int, str, str], code: int = 2) -> str:
    assert answer[:2] == (code, ""), answer
    return answer[2].splitlines()[-1].removeprefix("elrbench: error: ")


def resealed(folder: Path, tmp_path: Path, **more: Any) -> Path:
    """A copy of a run folder with keys of its record changed."""
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    path = find_record(copy)
    record = {**read_record(path), **more}
    del record["seal"]
    write_with_checksum(path, record)
    return copy


def test_a_run_comes_out_as_it_was(call: Call, finished: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in finished.iterdir()}
    code, out, _ = call(finished)
    record = read_record(find_record(finished))
    score = record["scores"]["top1"]
    shown = f"{100 * score['value']:.2f} [{100 * score['low']:.1f}, {100 * score['high']:.1f}]"
    lines = out.splitlines()
    assert code == 0 and lines[0] == f"{record['digest']}: supervised on toy, budget smoke"
    assert lines[1].split() == ["recorded", "again", "difference"]
    assert lines[2].split() == ["top1", *shown.split(), *shown.split(), "+0.00"]
    assert lines[3:] == [
        "predictions: the same prediction for 12 of 12 clips; logits are equal",
        "same device, processor, versions and plugins",
        f"run folder: {tmp_path / 'again'}",
    ]
    assert {path.name: path.read_bytes() for path in finished.iterdir()} == before
    again = find_record(tmp_path / "again")
    assert read_record(again)["predictions"] == record["predictions"]


def test_what_the_cache_lent_is_said(call: Call, finished: Path) -> None:
    cache = ("--cache", finished.parent / "cache")
    code, out, _ = call(finished, *cache)
    assert code == 0 and "stages from the cache: student; --refit" in out
    found = json.loads(call(finished, *cache, "--refit", "--json")[1])
    assert found["reused"] == [] and found["predictions"]["agree"] is True


def test_what_differs_is_shown_side_by_side(call: Call, finished: Path, tmp_path: Path) -> None:
    record = read_record(find_record(finished))
    top5 = record["scores"]["top5"]
    scores = {**record["scores"], "top5": {**top5, "value": top5["low"]}}
    versions = {**record["versions"], "torch": "2.0.0"}
    copy = resealed(finished, tmp_path, device="cuda: G", versions=versions, scores=scores)
    found = json.loads(call(copy, "--json")[1])
    assert found["scores"]["top5"]["old"]["value"] == top5["low"] != top5["value"]
    assert found["differ"]["device"][0] == "cuda: G" and found["differ"]["torch"][0] == "2.0.0"
    assert set(found["differ"]) == {"device", "torch"} and found["predictions"]["agree"] is True


def test_a_published_record_without_predictions_is_compared_by_its_hits(
    call: Call, finished: Path, tmp_path: Path
) -> None:
    path = find_record(finished)
    folder = tmp_path / "board" / "records" / "toy" / "one" / "average-12x16"
    folder.mkdir(parents=True)
    shutil.copy(path, folder)
    digest = read_record(path)["digest"]
    code, out, _ = call(Path(digest[:8]), "--folder", tmp_path / "board")
    assert code == 0 and "(right or wrong) for 12 of 12 clips" in out


def test_other_predictions_on_the_same_device_and_versions_are_exit_1(
    call: Call, finished: Path, tmp_path: Path
) -> None:
    record = read_record(find_record(finished))
    turned = pack_hits(~clip_hits(record))
    wrong = 1 - record["scores"]["top1"]["value"]
    low, high = wilson(wrong, 12)
    top1 = {**record["scores"]["top1"], "value": wrong, "low": low, "high": high}
    copy = resealed(finished, tmp_path, hits=turned, scores={**record["scores"], "top1": top1})
    next(copy.glob("*.predictions.csv.gz")).unlink()
    code, out, _ = call(find_record(copy))
    assert (
        code == 1
        and "(right or wrong) for 0 of 12 clips" in out
        and "same device, processor, versions and plugins" in out
    )
    for number, other in enumerate(({"device": "cuda: G"}, {"processor": "another"})):
        elsewhere = resealed(copy, tmp_path / f"more-{number}", **other)
        code, out, _ = call(find_record(elsewhere), "--out", tmp_path / f"other-{number}")
        assert code == 0 and "same device" not in out


def test_an_older_record_has_no_exact_device(call: Call, finished: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(finished, tmp_path / "copy"))
    path = find_record(copy)
    record: dict[str, Any] = dict(read_record(path))
    processor = record.pop("processor")
    del record["seal"]
    write_with_checksum(path, record)
    code, out, _ = call(copy)
    assert code == 0 and "not recorded" in out and processor in out
    found = json.loads(call(copy, "--out", tmp_path / "more", "--json")[1])
    assert list(found["differ"]) == ["processor"] and found["predictions"]["agree"] is True


def test_processors_of_one_name_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two generations that a hypervisor reports under one name, as the cloud does."""
    milan = {"model name": "AMD EPYC", "vendor_id": "AuthenticAMD", "cpu family": "25", "model": "1", "stepping": "1"}
    texts = []
    for facts in (milan, {**milan, "model": "17"}):
        monkeypatch.setattr(device, "_cpuinfo", lambda facts=facts: facts)
        texts.append((device.describe_device(torch.device("cpu")), device.describe_processor()))
    (one, exact), (other, more_exact) = texts
    assert one == other and exact != more_exact
    assert "model 17" in more_exact and torch.backends.cpu.get_cpu_capability() in more_exact


# -- what stops it


def test_other_data_stop_it_before_training(call: Call, finished: Path, tmp_path: Path) -> None:
    record = read_record(find_record(finished))
    copy = resealed(finished, tmp_path, dataset={**record["dataset"], "manifest": "feed"})
    line = refused(call(copy), code=1)
    here = record["dataset"]["manifest"]
    assert f"the clips of toy differ from those of run {record['digest']}: manifest {here} here, feed in" in line
    assert "24 training and 12 test clips" in line and "nothing was trained" in line
    assert not (tmp_path / "again").exists() and not (tmp_path / "cache").exists()


def test_the_folder_of_the_record_is_not_written_over(call: Call, finished: Path) -> None:
    line = refused(call(finished, "--out", finished))
    assert line.startswith(f"--out {finished} is the folder of the record") and "pass another --out" in line


def test_what_is_not_a_run_is_refused_without_advice_on_tracks(call: Call) -> None:
    assert refused(call("kd")) == "'kd' is not a record file, run folder or digest of a published run"


def test_a_record_edited_by_hand_is_not_run(call: Call, finished: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(finished, tmp_path / "copy"))
    path = find_record(copy)
    path.write_text(path.read_text().replace('"fp32"', '"bf16"'))
    assert "checksum does not match" in refused(call(copy))


def test_components_that_have_changed_since(toy_catalog: Catalog, toy_plan: Plan) -> None:
    old = check_record(make_record(**{**toy_plan.to_json(), "settings": {**toy_plan.settings, "method.gone": 3}}))
    with pytest.raises(
        ElrError, match="components have changed: method.gone was 3 and is 'not set'; install the recorded version"
    ):
        refuse_other_plan(old, toy_plan)
    refuse_other_plan(check_record(make_record(**toy_plan.to_json())), toy_plan)


def test_a_folder_of_ones_own_clips_is_run_again(call: Call, toy_catalog: Catalog, tmp_path: Path) -> None:
    data = tmp_path / "My clips"
    for number, (part, name) in enumerate((part, name) for part in ("train", "test") for name in "ab" for _ in "123"):
        path = data / part / name / f"{number}.mkv"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_planes(path, random_planes(6, 48, 64, seed=number), "yuv420p")
    catalog, name = toy_catalog.with_folder(f"folder:{data}")
    request = PlanRequest(
        method="supervised", dataset=name, backbone="toynet", budget="smoke", size="24x32",
        settings=("method.batch=3", "method.epochs=1"),
    )  # fmt: skip
    plan = resolve_plan(catalog, request)
    out = tmp_path / "run"
    run(plan, catalog, RunContext(data=data, out=out, cache=tmp_path / "c", reporter=Silent(), device="cpu"))
    found = json.loads(call(out, "--data", data, "--json")[1])
    assert found["predictions"]["agree"] is True
    moved = next((data / "test" / "a").iterdir())
    moved.rename(moved.with_name("other.mkv"))
    assert "the clips of folder:my-clips differ" in refused(call(out, "--data", data), code=1)


# -- plans as flags again


@pytest.mark.parametrize(
    "fields",
    [
        {"method": "supervised:matched", "budget": "small", "seed": 4},
        {"method": "cstat:mlp+rc", "budget": "paper", "precision": "bf16"},
        {"method": "supervised", "classes": ("left", "moves"), "budget": "smoke", "sampling": "3x1"},
    ],
)
def test_a_records_plan_resolves_to_itself(toy_catalog: Catalog, fields: dict[str, Any]) -> None:
    plan = resolve_plan(toy_catalog, PlanRequest(dataset="toy", backbone="toynet", size="64x64", **fields))
    asked = fields_of(json.loads(json.dumps(plan.to_json())), {})
    assert resolve_plan(toy_catalog, PlanRequest(**asked)) == plan


def test_files_that_a_plan_knows_by_digest_alone_are_asked_for(toy_plan: Plan) -> None:
    plain = toy_plan.to_json()
    held = {**plain, "weights": "file:net@0123456789abcdef"}
    with pytest.raises(ElrError, match="file:net@0123456789abcdef .* --weights PATH"):
        fields_of(held, {})
    assert fields_of(held, {"weights": "net.pt"})["weights"] == "net.pt"
    with pytest.raises(ElrError, match="the plan does not use --weights; remove --weights net.pt"):
        fields_of(plain, {"weights": "net.pt"})
    with pytest.raises(ElrError, match="teacher@0123 .* --teacher PATH"):
        fields_of({**plain, "teacher": "teacher@0123"}, {})
    settings = {**plain["settings"], "enhancer.weights": "file:sr@0123456789abcdef"}
    with pytest.raises(ElrError, match="pass --enhancer-weights PATH"):
        fields_of({**plain, "settings": settings}, {})
    asked = fields_of({**plain, "settings": settings}, {"enhancer_weights": "sr.pt"})
    assert asked["enhancer_weights"] == "sr.pt" and not any("enhancer.weights" in text for text in asked["settings"])


# -- clip by clip


def test_agreement_clip_by_clip() -> None:
    record: Any = check_record(make_record(np.array([True, False, True, False])))
    ids, targets = ("a", "b", "c", "d"), np.array([0, 1, 0, 1])
    before = Predictions(ids, targets, np.array([[2.0, 1], [1, 0], [1, 0], [1, 0]]), ("x", "y"))
    after = Predictions(ids, targets, np.array([[2.5, 1], [0, 1], [1, 0], [1, 0]]), ("x", "y"))
    found = agreement(record, before, record, after)
    assert (found.clips, found.same, found.largest_difference, found.all_same) == (4, 3, 1.0, False)
    fewer = Predictions(ids[:2], targets[:2], before.logits[:2], ("x", "y"))  # one clip could not be read then
    assert (agreement(record, fewer, record, after).clips, agreement(record, fewer, record, after).same) == (2, 1)
    labels = np.array([[1, 0]] * 4)
    one = Predictions(ids, labels, np.array([[1.0, -1]] * 4), ("x", "y"))
    other = Predictions(ids, labels, np.array([[1.0, -1]] * 3 + [[1.0, 1]]), ("x", "y"))
    assert agreement(record, one, record, other).same == 3


def test_devices_versions_and_plugins_that_differ() -> None:
    one = check_record(make_record())
    other = check_record(make_record(plugin="mine", more={"device": "cpu: other", "versions": {"torch": "2"}}))
    assert differences(one, one) == {}
    assert differences(one, other) == {
        "device": ("cpu: test", "cpu: other"),
        "elrbench": ("0.1.0", "not recorded"),
        "torch": ("not recorded", "2"),
        "plugin of the method": ("p (elrbench 0.1.0)", "p (mine 0.1.0)"),
    }
