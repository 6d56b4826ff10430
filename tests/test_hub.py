"""`elrbench hub` with folders: what is shared, what its card says, what is fetched, and all that is refused."""

from __future__ import annotations

import gzip
import hashlib
import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from exported import Call, caller, refused
from safetensors.torch import load_file
from shared_models import toy_run, tree

from benchmark_core.canonical import digest_of
from benchmark_core.catalog import Catalog
from benchmark_core.records.cost_record import read_cost
from benchmark_core.records.record import find_record, read_record, write_record
from elrbench_plugins.commands.hub import places
from elrbench_plugins.commands.hub.licences import check_license, data_licences
from elrbench_plugins.commands.hub.manifest import CARD, MANIFEST
from elrbench_plugins.commands.hub.model_files import WEIGHTS
from elrbench_plugins.storage.local_folder import LocalFolder

fsspec = pytest.importorskip("fsspec", reason="the extra 'hub' is not installed")
FREE = ("--license", "mit")


@pytest.fixture(scope="module")
def finished(toy_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_run(toy_catalog, tmp_path_factory.mktemp("hub"))


@pytest.fixture(scope="module")
def other(toy_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of another seed."""
    return toy_run(toy_catalog, tmp_path_factory.mktemp("hub"), seed=1)


@pytest.fixture
def call(toy_catalog: Catalog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    return caller(toy_catalog, capsys, monkeypatch)


@pytest.fixture(params=["path", "file", "memory"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    names = {"path": tmp_path / "shared", "file": f"file://{tmp_path}/shared", "memory": f"memory://{tmp_path.name}"}
    yield str(names[request.param])
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def shared(finished: Path, tmp_path: Path, call: Call) -> Path:
    """A folder with the pushed run, to change."""
    assert call("hub", "push", finished, tmp_path / "shared", *FREE)[0] == 0
    return tmp_path / "shared"


def front_matter(card: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return found


# -- push and pull


def test_a_run_goes_there_and_back_and_predicts_the_same(
    finished: Path, target: str, call: Call, tmp_path: Path
) -> None:
    code, out, said = call("hub", "push", finished, target, *FREE, "--json")
    assert code == 0, said
    pushed = json.loads(out)
    record = read_record(find_record(finished))
    named = f"supervised-{record['digest']}"
    assert set(pushed["files"]) == {WEIGHTS, f"{named}.json", f"{named}.predictions.csv.gz", CARD}
    assert (pushed["state"], pushed["form"], pushed["digest"]) == ("pushed", "run", record["digest"])
    assert (pushed["license"], pushed["data"]) == ("mit", {"toy": "not stated"})
    code, out, said = call("hub", "pull", target, "--out", tmp_path / "model", "--json")
    assert code == 0, said
    pulled = json.loads(out)
    assert pulled["files"] == pushed["files"] and pulled["folder"] == str(tmp_path / "model")
    found = tree(tmp_path / "model")
    assert set(found) == {*pushed["files"], MANIFEST}
    for name, file in pushed["files"].items():
        assert (len(found[name]), hashlib.sha256(found[name]).hexdigest()) == (file["bytes"], file["sha256"])
        assert name == CARD or found[name] == (finished / name).read_bytes()
    cache = finished.parent / "cache"
    for folder, out_file in ((finished, "a.csv.gz"), (tmp_path / "model", "b.csv.gz")):
        assert call("predict", folder, "--cache", cache, "--out", tmp_path / out_file)[0] == 0
    assert gzip.decompress((tmp_path / "a.csv.gz").read_bytes()) == gzip.decompress(
        (tmp_path / "b.csv.gz").read_bytes()
    )
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_the_printed_lines_name_files_licences_and_the_next_command(finished: Path, call: Call, tmp_path: Path) -> None:
    _, out, said = call("hub", "push", finished, tmp_path / "shared", *FREE)
    assert "4 files" in out and "licence of the weights: mit" in out and "licence of the data 'toy'" in out
    assert f"elrbench hub pull {tmp_path / 'shared'} --out DIR" in out
    assert "bytes" in said and "upload to" in said
    _, out, _ = call("hub", "pull", tmp_path / "shared", "--out", tmp_path / "model")
    assert f"elrbench predict {tmp_path / 'model'} --data PATH" in out and "licence of the weights: mit" in out


def test_the_same_again_changes_nothing(shared: Path, finished: Path, call: Call, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in shared.iterdir()}
    code, out, _ = call("hub", "push", finished, shared, *FREE)
    assert code == 0 and "already holds this model" in out
    assert {path: path.stat().st_mtime_ns for path in shared.iterdir()} == before
    for state in ("pulled", "unchanged"):
        code, out, _ = call("hub", "pull", shared, "--out", tmp_path / "model", "--json")
        assert (code, json.loads(out)["state"]) == (0, state)


def test_a_new_licence_needs_no_replace(shared: Path, finished: Path, call: Call) -> None:
    assert call("hub", "push", finished, shared, "--license", "apache-2.0")[0] == 0
    assert json.loads((shared / MANIFEST).read_text())["license"] == "apache-2.0"
    assert front_matter((shared / CARD).read_text())["license"] == "apache-2.0"


def test_another_model_needs_replace(shared: Path, other: Path, call: Call, tmp_path: Path) -> None:
    before = tree(shared)
    text = refused(call("hub", "push", other, shared, *FREE))
    assert "already holds another model" in text and "--replace" in text and tree(shared) == before
    assert call("hub", "push", other, shared, *FREE, "--replace")[0] == 0
    digest = read_record(find_record(other))["digest"]
    assert all(digest in name for name in tree(shared) if name.startswith("supervised-")) and len(tree(shared)) == 5
    assert call("hub", "pull", shared, "--out", tmp_path / "model")[0] == 0


def test_files_of_something_else_are_never_touched(finished: Path, call: Call, tmp_path: Path) -> None:
    (tmp_path / "shared" / "deep").mkdir(parents=True)
    (tmp_path / "shared" / "deep" / "thesis.tex").write_text("mine")
    for flags in ((), ("--replace",)):
        text = refused(call("hub", "push", finished, tmp_path / "shared", *FREE, *flags))
        assert "'deep/thesis.tex'" in text and "empty folder" in text
    assert tree(tmp_path / "shared") == {"deep/thesis.tex": b"mine"}
    assert "not part of a model" in refused(call("hub", "push", finished, finished, *FREE))  # onto itself


def test_an_interrupted_upload_is_no_model_until_it_is_repeated(
    finished: Path, other: Path, target: str, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for run, flags in ((finished, ()), (other, ("--replace",))):
        with monkeypatch.context() as patch:
            patch.setattr(places.FolderPlace, "publish", stop_before_the_manifest(places.FolderPlace.publish))
            assert call("hub", "push", run, target, *FREE, *flags)[0] == 1
        text = refused(call("hub", "pull", target, "--out", tmp_path / "model"))
        assert MANIFEST in text and "interrupted" in text and not (tmp_path / "model").exists()
        if run is finished:
            assert call("hub", "push", run, target, *FREE)[0] == 0


def stop_before_the_manifest(publish: Callable[..., str]) -> Callable[..., str]:
    def interrupted(self: places.FolderPlace, files: Any, remove: Any, message: str, progress: Any) -> str:
        def upload(name: str, source: Path, *, replace: bool = False) -> bool:
            if name == MANIFEST:
                raise KeyboardInterrupt
            return real(name, source, replace=replace)

        real, self.folder.upload = self.folder.upload, upload  # type: ignore[method-assign]
        return publish(self, files, remove, message, progress)

    return interrupted


def test_a_run_is_found_by_its_digest(
    finished: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = read_record(find_record(finished))["digest"]
    shutil.copytree(finished, tmp_path / "elrbench-runs" / digest)
    monkeypatch.chdir(tmp_path)
    assert call("hub", "push", digest[:6], "shared", *FREE)[0] == 0
    assert call("hub", "pull", "shared", "--out", "model")[0] == 0


# -- the card


def test_the_card_states_what_the_record_does(finished: Path, call: Call, tmp_path: Path) -> None:
    code, card, _ = call("hub", "push", finished, "hf://ada/toy", "--license", "cc-by-nc-4.0", "--dry-run")
    assert code == 0 and not (tmp_path / "shared").exists()
    record = read_record(find_record(finished))
    fields = front_matter(card)
    assert (fields["license"], fields["pipeline_tag"]) == ("cc-by-nc-4.0", "video-classification")
    assert {"elrbench", "supervised", "toynet", "toy", "average-12x16", "safetensors"} <= set(fields["tags"])
    (entry,) = fields["model-index"]
    (result,) = entry["results"]
    score = record["scores"]["top1"]
    assert result["task"]["type"] == "video-classification" and result["dataset"]["type"] == "toy"
    assert result["metrics"] == [{"type": "accuracy", "name": "top-1 accuracy", "value": round(score["value"], 6)}]
    (row,) = (line for line in card.splitlines() if line.startswith("| top1"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    interval = f"{100 * score['low']:.2f} to {100 * score['high']:.2f}"
    assert cells == ["top1", f"{100 * score['value']:.2f}", interval, "12"]
    (cost,) = (read_cost(path) for path in finished.glob("toynet-*.json"))
    for line in (
        "- dataset: toy",
        "- protocol: one, fold 1 of 1",
        "- degradation: average-12x16 sigma&#95;blur=0.25",
        "- low size: 12x16",
        "- clips: 24 for training, 12 tested",
        "- classes (3): left, right, moves",
        "- budget: smoke; size=24x32; method.batch=12",
        "- seed: 0",
        f"- digest of the plan: {record['digest']}",
        f"- parameters: {cost['params']['total']:,}",
        f"- MACs of a clip: {cost['macs']['clip'] / 1e9:.4g} G",
        "- frames of a clip: 2x1 (2 intervals of 1 frame)",
        "elrbench hub pull hf://ada/toy --out model",
        "elrbench predict model --data clips",
        "- data toy: not stated",
        "- weights: cc-by-nc-4.0",
    ):
        assert line.replace("&#95;", "_") in card.replace("&#95;", "_"), line


def test_names_from_a_record_are_text_on_the_card(finished: Path, call: Call, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    path = find_record(folder)
    record = dict(read_record(path))
    del record["seal"]
    write_record(folder, {**record, "notes": ["<script>alert(1)</script> [x](javascript:y)\n# heading"]})
    card = call("hub", "push", folder, "x", *FREE, "--dry-run")[1]
    assert "<script>" not in card and "[x](" not in card and "\n# heading" not in card and "&lt;script&gt;" in card


def test_a_dry_run_in_json_has_card_and_files(finished: Path, call: Call) -> None:
    code, out, _ = call("hub", "push", finished, "hf://ada/toy", *FREE, "--dry-run", "--json")
    told = json.loads(out)
    assert (code, told["state"]) == (0, "dry-run") and told["card"].startswith("---\nlicense: mit\n")
    assert set(told["files"]) >= {WEIGHTS, CARD}


# -- licences


def test_data_that_restricts_needs_a_licence(finished: Path, call: Call, tmp_path: Path) -> None:
    text = refused(call("hub", "push", finished, tmp_path / "shared"))
    assert "'toy'" in text and "not stated" in text and "--license NAME" in text
    assert not (tmp_path / "shared").exists()
    text = refused(call("hub", "push", finished, tmp_path / "shared", "--license", "Do what you want"))
    assert "identifier" in text


def test_which_datasets_restrict(catalog: Catalog) -> None:
    free = {"puppets", "puppets:identity", "puppets:verification", "tiny-puppets", "motions", "hmdb51"}
    found = set()
    for name in catalog.datasets:
        licences = data_licences({"dataset": name}, catalog)
        try:
            assert check_license(None, licences) == ""
            found.add(name)
        except Exception as error:
            assert f"'{name}'" in str(error) and str(catalog.datasets[name].licence) in str(error)
    assert found == free


def test_every_dataset_of_a_plan_counts(catalog: Catalog) -> None:
    plan = {"dataset": "puppets", "unlabelled": "videos:film", "high_source": "jhmdb"}
    assert data_licences(plan, catalog) == {
        "puppets": "drawn by this project's code",
        "videos:film": "the licence of the clips",
        "jhmdb": "research use",
    }
    assert data_licences({"dataset": "theirs"}, catalog, "CC BY 4.0") == {"theirs": "CC BY 4.0"}
    assert check_license("other", {"jhmdb": "research use"}) == "other"


# -- refused


def test_a_folder_that_is_no_run(call: Call, finished: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "0 run records" in refused(call("hub", "push", tmp_path / "empty", tmp_path / "x", *FREE))
    assert "neither a run folder nor a digest" in refused(call("hub", "push", "nonsense/x", tmp_path / "x", *FREE))
    (tmp_path / "file").touch()
    assert "neither a run folder nor a file" in refused(call("hub", "push", tmp_path / "file", tmp_path / "x", *FREE))
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    (run / WEIGHTS).write_bytes(pickle.dumps({"weight": [1.0]}))
    assert "not a safetensors file" in refused(call("hub", "push", run, tmp_path / "x", *FREE))
    (run / WEIGHTS).unlink()
    assert "do not exist" in refused(call("hub", "push", run, tmp_path / "x", *FREE))
    assert not (tmp_path / "x").exists()


def test_predictions_of_another_run_are_not_shared(call: Call, finished: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    (path,) = run.glob("*.predictions.csv.gz")
    path.write_bytes(gzip.compress(b"id,target\n"))
    assert "is not the file that its record was scored from" in refused(call("hub", "push", run, tmp_path / "x", *FREE))


@pytest.mark.parametrize("flags", [("--public",), ("--message", "hello")])
def test_options_of_hugging_face_are_refused_for_folders(
    call: Call, finished: Path, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    text = refused(call("hub", "push", finished, tmp_path / "x", *FREE, *flags))
    assert flags[0] in text and "hf://OWNER/NAME" in text and not (tmp_path / "x").exists()


def described(shared: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest as a forger does."""
    manifest = json.loads((shared / MANIFEST).read_text())
    change(manifest)
    (shared / MANIFEST).write_text(json.dumps(manifest))


def put(shared: Path, name: str, content: bytes) -> None:
    """Write a file and describe it correctly."""
    (shared / name).write_bytes(content)
    file = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    described(shared, lambda manifest: manifest["files"].update({name: file}))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def rename(shared: Path, old: str, new: str) -> None:
    described(shared, lambda manifest: manifest["files"].update({new: manifest["files"].pop(old)}))


def record_of(shared: Path) -> str:
    return next(path.name for path in shared.glob("supervised-*.json"))


HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "another byte": (lambda shared: flip(shared / WEIGHTS), "not the file that was pushed (another sha256)"),
    "another size": (lambda shared: (shared / WEIGHTS).write_bytes(b"short"), "not the file that was pushed (5 bytes"),
    "a missing file": (lambda shared: (shared / WEIGHTS).unlink(), f"'{WEIGHTS}' is missing"),
    "no manifest": (lambda shared: (shared / MANIFEST).unlink(), f"has no {MANIFEST}"),
    "code": (lambda shared: (shared / "modeling.py").write_text("import os"), "'modeling.py'); they may contain code"),
    "a pickle": (lambda shared: (shared / "model.bin").write_bytes(b"\x80"), "does not list (first: 'model.bin')"),
    "a listed pickle": (lambda shared: put(shared, "model.pt", b"\x80\x04."), "'model.pt', which is not part of a"),
    "a pickle as weights": (
        lambda shared: put(shared, WEIGHTS, pickle.dumps({"weight": [1.0]})),
        f"{WEIGHTS} is not a safetensors file",
    ),
    "a file elsewhere": (
        lambda shared: rename(shared, WEIGHTS, f"../../{WEIGHTS}"),
        f"'../../{WEIGHTS}' is not a plain name",
    ),
    "an absolute path": (lambda shared: rename(shared, WEIGHTS, "/etc/passwd"), "'/etc/passwd' is not a plain name"),
    "a hidden file": (lambda shared: rename(shared, CARD, ".bashrc"), "'.bashrc' is not a plain name"),
    "two weights": (lambda shared: rename(shared, CARD, "b.onnx"), "'b.onnx', which is not part of a model"),
    "no record": (
        lambda shared: described(shared, lambda manifest: manifest["files"].pop(record_of(shared))),
        "it lists 0 files like",
    ),
    "another plan": (
        lambda shared: described(shared, lambda manifest: manifest.update(digest="0" * 16)),
        "is the record of another plan",
    ),
    "an edited record": (
        lambda shared: put(shared, name := record_of(shared), (shared / name).read_bytes().replace(b"smoke", b"paper")),
        "checksum does not match",
    ),
    "no JSON": (lambda shared: (shared / MANIFEST).write_text("{"), f"{MANIFEST} cannot be used"),
    "deep JSON": (lambda shared: (shared / MANIFEST).write_text("[" * 100_000), f"{MANIFEST} cannot be used"),
    "a newer manifest": (
        lambda shared: described(shared, lambda manifest: manifest.update(schema=2)),
        "newer elrbench (schema 2); update",
    ),
    "not a model": (lambda shared: (shared / MANIFEST).write_text("[]"), "is not the manifest of a model"),
    "a negative size": (
        lambda shared: described(shared, lambda manifest: manifest["files"][WEIGHTS].update(bytes=-1)),
        "is -1; expected 1 or more",
    ),
    "no digest": (
        lambda shared: described(shared, lambda manifest: manifest["files"][WEIGHTS].update(sha256="x")),
        "is not a sha256",
    ),
    "a huge manifest": (lambda shared: (shared / MANIFEST).write_text(" " * (2 << 20)), "more than 1,048,576 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARM)
def test_what_was_tampered_with_is_refused(shared: Path, call: Call, tmp_path: Path, harm: str) -> None:
    change, words = HARM[harm]
    change(shared)
    text = refused(call("hub", "pull", shared, "--out", tmp_path / "model"))
    assert words in text and str(shared) in text
    assert {path.name for path in tmp_path.iterdir()} == {"shared"}


def test_a_link_in_the_source_is_not_followed(shared: Path, call: Call, tmp_path: Path) -> None:
    content = (shared / WEIGHTS).read_bytes()
    (tmp_path / "secret").write_bytes(content)
    (shared / WEIGHTS).unlink()
    (shared / WEIGHTS).symlink_to(tmp_path / "secret")
    assert f"'{WEIGHTS}' is missing" in refused(call("hub", "pull", shared, "--out", tmp_path / "model"))


def test_a_card_may_be_edited(shared: Path, call: Call, tmp_path: Path) -> None:
    (shared / CARD).write_text("# My own words\n")
    code, _, said = call("hub", "pull", shared, "--out", tmp_path / "model")
    assert code == 0 and f"warning: {shared}: {CARD} was edited" in said
    assert (tmp_path / "model" / CARD).read_text() == "# My own words\n"
    (shared / CARD).write_text("x" * (2 << 20))
    assert "more than 1,048,576 bytes" in refused(call("hub", "pull", shared, "--out", tmp_path / "again"))


def test_where_to_pull_to(shared: Path, call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "is a file" in refused(call("hub", "pull", shared, "--out", tmp_path / "file"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    assert "already holds something else (mine" in refused(call("hub", "pull", shared, "--out", tmp_path / "full"))
    (tmp_path / "empty").mkdir()
    assert call("hub", "pull", shared, "--out", tmp_path / "empty")[0] == 0
    assert load_file(tmp_path / "empty" / WEIGHTS)
    assert "does not exist or is empty" in refused(call("hub", "pull", tmp_path / "absent", "--out", tmp_path / "x"))
    assert "--out" in refused(call("hub", "pull", shared))


def test_an_interrupted_download_leaves_nothing(
    shared: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = places.download

    def stop(folder: LocalFolder, name: str, *rest: Any) -> str:
        if name == CARD:
            raise KeyboardInterrupt
        return real(folder, name, *rest)

    monkeypatch.setattr(places, "download", stop)
    assert call("hub", "pull", shared, "--out", tmp_path / "model")[0] == 1
    assert {path.name for path in tmp_path.iterdir()} == {"shared"}


def test_a_full_disk_is_noticed_first(
    shared: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 90, 10))
    assert "less is free" in refused(call("hub", "pull", shared, "--out", tmp_path / "model"))


def test_a_run_of_two_streams_is_shared_in_parts(call: Call, finished: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    path = find_record(folder)
    record = dict(read_record(path))
    del record["seal"]
    path.unlink()
    plan: dict[str, Any] = {**record["plan"], "modality": "rgb+flow"}  # type: ignore[dict-item]
    parts = [digest_of({**plan, "modality": stream}) for stream in ("rgb", "flow")]
    predictions = {"file": f"supervised-{digest_of(plan)}.predictions.csv.gz", "sha256": "0" * 64}
    write_record(
        folder, {**record, "plan": plan, "digest": digest_of(plan), "fused": parts, "predictions": predictions}
    )
    text = refused(call("hub", "push", folder, tmp_path / "x", *FREE))
    assert "is the mean of two runs" in text and all(part in text for part in parts)
