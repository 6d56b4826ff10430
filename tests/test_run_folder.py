"""Run folders: found by the first digits of a digest, and never overwritten by a run of other clips."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from videos import labelled

from benchmark_core import catalog as catalog_module
from benchmark_core.cli import main
from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.provenance import other_versions, plugins_of, refuse_absent
from benchmark_core.records.record import find_record, read_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.folder import find_run
from benchmark_core.runs.runner import RunResult, run
from elrbench import Catalog

SETTINGS = ("method.batch=4", "method.epochs=1")
SUITE = """
common: {dataset: folder, backbone: toynet, budget: smoke, size: 24x32, set: {method.batch: 4, method.epochs: 1}}
rows: [{row: student, method: supervised}]
"""


def test_a_run_is_found_by_the_first_digits_of_its_digest(tmp_path: Path) -> None:
    for folder, digest in (("mine", "abcd0" + "0" * 11), ("other", "abcd1" + "0" * 11)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"method-{digest}.json").write_text(json.dumps({}))
    assert find_run("abcd0", tmp_path) == tmp_path / "mine"
    assert find_run(str(tmp_path / "other"), tmp_path) == tmp_path / "other"
    with pytest.raises(ElrError, match=r"2 runs have a digest that starts with 'abcd': abcd0.*mine.*abcd1.*other"):
        find_run("abcd", tmp_path)
    with pytest.raises(ElrError, match=r"^no run starts with 'ffff': .* holds 2 other runs; pass a run folder$"):
        find_run("ffff", tmp_path)
    for name in ("abcd0" + "0" * 11, "abcd0" + "0" * 11 + "-again"):  # the folder named by the digest is preferred
        (tmp_path / name).mkdir()
        (tmp_path / name / f"method-abcd0{'0' * 11}.json").write_text(json.dumps({}))
    assert find_run("abcd0", tmp_path) == tmp_path / ("abcd0" + "0" * 11)
    with pytest.raises(ElrError, match="'no/such/folder' is neither the folder of a finished run nor a digest"):
        find_run("no/such/folder", tmp_path)


# -- two folders of clips, called alike


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return labelled(tmp_path / "here" / "clips")


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """The same file names; one clip is a copy of another."""
    root = labelled(tmp_path / "there" / "clips")
    one, other = sorted((root / "train" / "dark!").iterdir())
    other.write_bytes(one.read_bytes())
    return root


def ran(toy_catalog: Catalog, root: Path, out: Path, modality: str = "rgb") -> RunResult:
    catalog, plan = planned(toy_catalog, root, modality)
    return run(plan, catalog, RunContext(data=root, out=out, cache=out.parent / "cache", reporter=Silent()))


def planned(toy_catalog: Catalog, root: Path, modality: str = "rgb") -> tuple[Catalog, Plan]:
    catalog, name = toy_catalog.with_folder(f"folder:{root}")
    asked = {"dataset": name, "backbone": "toynet", "budget": "smoke", "size": "24x32", "modality": modality}
    return catalog, resolve_plan(catalog, PlanRequest(method="supervised", settings=SETTINGS, **asked))


def test_a_run_of_other_clips_is_not_overwritten(toy_catalog: Catalog, here: Path, there: Path, tmp_path: Path):
    out = tmp_path / "out"
    first = ran(toy_catalog, here, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert planned(toy_catalog, there)[1].digest == first.record["digest"]
    with pytest.raises(
        ElrError,
        match=r"folder:clips differ from .*\(here 4 training and 4 test clips, .* 4 and 4",
    ):
        ran(toy_catalog, there, out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert ran(toy_catalog, here, out).record["hits"] == first.record["hits"]
    assert ran(toy_catalog, there, tmp_path / "other").record["dataset"] != first.record["dataset"]


def test_a_stream_of_other_clips_is_not_fused(toy_catalog: Catalog, here: Path, there: Path, tmp_path: Path):
    pytest.importorskip("cv2", reason="optical flow is the extra elrbench[flow]")
    stream = planned(toy_catalog, there, "rgb+flow")[1].streams[0]
    ran(toy_catalog, here, tmp_path / "out" / stream.digest)
    with pytest.raises(ElrError, match=f"differ from those of run {stream.digest}: .* and .*{stream.digest} holds"):
        ran(toy_catalog, there, tmp_path / "out", "rgb+flow")


def test_a_suite_does_not_reuse_a_run_of_other_clips(
    toy_catalog: Catalog, here: Path, there: Path, tmp_path: Path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(catalog_module, "load_catalog", lambda **_: toy_catalog)
    Path("mine.yaml").write_text(SUITE)
    Path("leaderboards").mkdir()

    def suite(root: Path, *more: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["suite", "run", "mine.yaml", "--dataset", f"folder:{root}", "--cache", "cache", *more])
        return (int(stopped.value.code or 0), *capsys.readouterr())

    assert suite(here, "--publish")[0] == 0
    assert "1 of 1 runs are done" in suite(here, "--dry-run")[1]
    assert "0 of 1 runs are done" in suite(there, "--dry-run")[1]
    code, _, err = suite(there)
    assert code == 1 and "elrbench: failed: student: " in err and "holds that run; pass another --out" in err
    code, _, err = suite(there, "--out", "others")  # the published run is not reused either
    assert code == 0 and "(the clips of folder:clips differ from " in err
    records = [read_record(find_record(next(Path(out).iterdir()))) for out in ("elrbench-runs", "others")]
    assert records[0]["digest"] == records[1]["digest"] and records[0]["dataset"] != records[1]["dataset"]
    code, out, err = suite(there, "--out", "others")
    assert (code, err) == (0, "") and f"{100 * records[1]['scores']['top1']['value']:.2f}" in out
    code, _, err = suite(there, "--out", "others", "--publish")
    assert code == 1 and "different result of the same plan" in err


def test_other_versions_of_plugins_are_reported():
    def made(version: str, distribution: str = "acme") -> dict[str, str]:
        return {"name": "a", "plugin": "acme.a", "distribution": distribution, "version": version}

    same = {"method": made("1"), "dataset": made("2", "sets")}
    assert other_versions(same, same) == ""  # type: ignore[arg-type]
    then = {"method": made("0.9"), "backbone": made("0.9"), "dataset": made("2", "sets")}
    here = {"method": made("1"), "backbone": made("1"), "dataset": made("2", "sets")}
    assert other_versions(then, here) == "acme 0.9 (1 here)"  # type: ignore[arg-type]


def test_an_absent_plugin_is_named(toy_catalog: Catalog, catalog: Catalog, toy_plan: Plan):
    recorded = plugins_of(toy_catalog, components_of(toy_catalog, toy_plan))
    refuse_absent(recorded, toy_catalog)  # type: ignore[arg-type]
    with pytest.raises(ElrError, match=r"dataset 'toy' is from the plugin 'toy' \(toy.py\), .* pass --plugin FILE"):
        refuse_absent(recorded, catalog)  # type: ignore[arg-type]
    own = {"name": "folder:mine", "plugin": "folder", "distribution": "elrbench", "version": "0.1.0"}
    low = {**own, "name": "average-12x16", "plugin": "degradations"}
    refuse_absent({"dataset": own, "degradation": low}, catalog)  # type: ignore[dict-item]
