"""The four trackers, offline: what each library has stored is read back and compared with what was logged."""

from __future__ import annotations

import json
import os
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tracked_runs import Memory, Points, forget, go, planned, points, with_trackers

from benchmark_core.catalog import Catalog
from elrbench import ElrError

__all__ = ["forget"]  # a fixture


def interrupted_and_continued(catalog: Catalog, folder: Path, *track: str) -> tuple[Points, list[Memory], Any]:
    """A run with `memory` and other trackers that is interrupted once. Returns all figures, both parts, the record."""
    catalog = with_trackers(catalog)
    plan = planned(catalog, "method.batch=6", holdout="0.25")  # 3 updates in each of 3 epochs
    Memory.interrupt_at = 5
    with pytest.raises(KeyboardInterrupt):
        go(plan, catalog, folder, "memory", *track, validate=1)
    Memory.interrupt_at = None
    result = go(plan, catalog, folder, "memory", *track, validate=1)
    parts = [one for one in Memory.made if hasattr(one, "run")]
    assert len(parts) == 2 and parts[1].run.resumed
    whole = points(*parts)
    assert {"student/loss", "student/epoch/loss", "student/holdout/top1", "test/top1"} <= whole.keys()
    assert [step for step, _ in whole["student/loss"]] == list(range(1, 10))
    return whole, parts, result.record


def test_tensorboard_reads_what_was_logged(toy_catalog: Catalog, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra 'tensorboard' is not installed")
    from tensorboard.backend.event_processing.event_accumulator import SCALARS, TENSORS, EventAccumulator

    whole, parts, record = interrupted_and_continued(toy_catalog, tmp_path, "tensorboard")
    (folder,) = (tmp_path / "out" / "tensorboard").iterdir()
    assert folder.name == parts[0].run.id and len(list(folder.iterdir())) == 2  # one file of each process
    events = EventAccumulator(str(folder), size_guidance={SCALARS: 0, TENSORS: 0}).Reload()
    found = {name: [(each.step, each.value) for each in events.Scalars(name)] for name in events.Tags()[SCALARS]}
    assert found.keys() == whole.keys()
    for name, values in whole.items():
        assert found[name] == [(step, pytest.approx(value, rel=1e-6)) for step, value in values]  # float32

    def text(name: str) -> Any:
        return json.loads(events.Tensors(f"{name}/text_summary")[-1].tensor_proto.string_val[0])

    assert text("plan") == parts[0].run.plan and text("record") == record


def test_tensorboard_has_no_projects(toy_catalog: Catalog, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra 'tensorboard' is not installed")
    with pytest.raises(ElrError, match="tracker 'tensorboard' has no projects"):
        go(planned(toy_catalog), toy_catalog, tmp_path, "tensorboard:mine")
    assert not list(tmp_path.glob("cache/stages/*"))


BLOCK, HEAD = 1 << 15, 7  # bytes of LevelDB's log format, which `.wandb` files have after a head of 7 bytes


def wandb_records(path: Path) -> list[Any]:
    """All records of a `.wandb` file, in W&B's protocol buffers."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, at, found, parts = path.read_bytes(), HEAD, [], b""
    assert content.startswith(b":W&B")
    while at + HEAD <= len(content):
        if BLOCK - at % BLOCK < HEAD:  # the rest of a block is empty
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", content, at)  # checksum; 1 is a whole record, 2 to 4 its parts
        parts += content[at + HEAD : at + HEAD + length]
        at += HEAD + length
        if kind in (1, 4):
            found.append(Record())
            found[-1].ParseFromString(parts)
            parts = b""
    return found


@pytest.fixture
def wandb_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No login, and no settings of this machine."""
    pytest.importorskip("wandb", reason="the extra 'wandb' is not installed")
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "netrc"))
    import wandb

    wandb.teardown()
    yield
    wandb.teardown()


@pytest.mark.usefixtures("wandb_settings")
def test_wandb_offline_holds_what_was_logged(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    whole, parts, record = interrupted_and_continued(toy_catalog, tmp_path, "wandb:team/toys")
    files = sorted((tmp_path / "out" / "wandb").glob("offline-run-*/*.wandb"))
    assert [path.name for path in files] == [f"run-{parts[0].run.id}.wandb"] * 2  # offline, each process has its own
    records = [each for path in files for each in wandb_records(path)]
    found: Points = {}
    summary: dict[str, Any] = {}
    for each in records:
        items = {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in each.history.item}
        for name in items.keys() - {"_step", "_runtime", "_timestamp"}:
            found.setdefault(name, []).append((items["_step"], items[name]))
        summary |= {item.key: json.loads(item.value_json) for item in each.summary.update}
    assert found == whole
    runs = [each.run for each in records if each.WhichOneof("record_type") == "run"]
    assert {(run.run_id, run.entity, run.project) for run in runs} == {(parts[0].run.id, "team", "toys")}
    config = {item.key: json.loads(item.value_json) for item in runs[0].config.update}
    assert {key: config[key] for key in parts[0].run.plan} == parts[0].run.plan
    assert json.loads(summary["record"]) == record
    assert [each.exit.exit_code for each in records if each.WhichOneof("record_type") == "exit"] == [1, 0]


@pytest.mark.usefixtures("wandb_settings")
def test_wandb_without_a_login_is_one_line(toy_catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(ElrError, match="tracker 'wandb' has no login: run 'wandb login', set WANDB_API_KEY, or set"):
        go(planned(toy_catalog), toy_catalog, tmp_path, "wandb")
    assert not list(tmp_path.glob("cache/stages/*"))


@pytest.fixture
def mlflow_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database in the test's folder; yields its address."""
    pytest.importorskip("mlflow", reason="the extra 'mlflow' is not installed")
    address = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.chdir(tmp_path)  # artifacts are in ./mlruns
    yield address


@pytest.mark.filterwarnings("ignore")  # of MLflow's database layer
def test_mlflow_holds_what_was_logged(toy_catalog: Catalog, tmp_path: Path, mlflow_settings: str) -> None:
    from mlflow import MlflowClient

    whole, parts, record = interrupted_and_continued(toy_catalog, tmp_path, "mlflow:toys")
    client = MlflowClient(mlflow_settings)
    (run,) = client.search_runs([client.get_experiment_by_name("toys").experiment_id])
    assert run.info.status == "FINISHED" and run.data.tags["elrbench.run"] == parts[0].run.id
    histories = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    assert {name: sorted((each.step, each.value) for each in found) for name, found in histories.items()} == whole
    assert run.data.params == {key: str(value) for key, value in parts[0].run.flat.items()}
    kept = [json.loads(Path(client.download_artifacts(run.info.run_id, name, str(tmp_path))).read_text())
            for name in ("plan.json", "record.json")]  # fmt: skip
    assert kept == [parts[0].run.plan, record]


@pytest.mark.filterwarnings("ignore")
def test_mlflow_without_its_server_is_one_line(
    toy_catalog: Catalog, tmp_path: Path, mlflow_settings: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ElrError, match="tracker 'mlflow' cannot be used: MlflowException: .*127.0.0.1") as raised:
        go(planned(toy_catalog), toy_catalog, tmp_path, "mlflow")
    assert "\n" not in str(raised.value) and not list(tmp_path.glob("cache/stages/*"))


@pytest.fixture
def trackio_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of trackio's databases, which it reads from the environment when it is imported."""
    pytest.importorskip("trackio", reason="the extra 'trackio' is not installed")
    from trackio import sqlite_storage, utils

    for module in (utils, sqlite_storage):
        monkeypatch.setattr(module, "TRACKIO_DIR", tmp_path / "trackio")
    yield tmp_path / "trackio"


@pytest.mark.filterwarnings("ignore")
def test_trackio_holds_what_was_logged(toy_catalog: Catalog, tmp_path: Path, trackio_folder: Path) -> None:
    whole, parts, record = interrupted_and_continued(toy_catalog, tmp_path, "trackio:toys")
    with sqlite3.connect(trackio_folder / "toys.db") as database:
        rows = database.execute("SELECT run_name, step, metrics FROM metrics ORDER BY id").fetchall()
        configs = [json.loads(row[0]) for row in database.execute("SELECT config FROM configs")]
    assert {name for name, _, _ in rows} == {f"{parts[0].run.name}-{parts[0].run.id}"}
    found: dict[str, list[tuple[int, Any]]] = {}
    for _, step, text in rows:
        for name, value in json.loads(text).items():
            found.setdefault(name, []).append((step, value))
    assert json.loads(found.pop("record")[0][1]) == record
    assert found == whole
    (config,) = configs
    assert {key: config[key] for key in parts[0].run.flat} == parts[0].run.flat
