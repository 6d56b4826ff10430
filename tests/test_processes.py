"""One plan on several processes: the curve of one process, equal results after a kill, and mistakes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import BUILTINS, TOY

from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.clips.batch import Part
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.planfile import fields_of
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.record import find_record, read_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.loaded_run import load_run, predict_clips
from benchmark_core.runs.places import Place, device_of, first_host, place_in
from benchmark_core.runs.requests import read_request, request_of
from benchmark_core.runs.runner import RunResult, run
from benchmark_core.runs.workers import worker_environment
from benchmark_core.scoring.predict import in_order, in_turn
from benchmark_core.scoring.predictions import read_predictions, write_predictions
from benchmark_core.tables import cells
from elrbench import ElrError, RunFailed

FROZEN = Path(__file__).with_name("frozen.py")
EVERYTHING = (  # every random draw for a clip of a batch, weights by clip, averages and clipping
    "method.batch=12", "method.epochs=3", "method.optimiser=adamw", "method.lr=0.01", "method.clip_norm=0.5",
    "method.mixup_alpha=0.4", "method.cutmix_time=0.5", "method.random_shift=0.1", "method.random_zoom=0.1",
    "method.colour_jitter=0.3", "method.erase_probability=0.5", "method.random_turn=half",
    "method.model_ema_decay=0.9",
)  # fmt: skip
SECONDS = 600  # of one run, on a machine that is busy with others


@pytest.fixture(scope="module")
def frozen_catalog() -> Catalog:
    extra = [*(f"elrbench_plugins.{name}" for name in BUILTINS), str(TOY), str(FROZEN)]
    return load_catalog(extra, entry_points=False)


def planned(catalog: Catalog, *settings: str, **fields: Any) -> Plan:
    usual = {"method": "frozen", "dataset": "toy", "backbone": "toynet", "enhancer": "bilinear", "size": "24x32"}
    settings = ("dataset.test=40", *(settings or ("method.batch=12", "method.epochs=2")))
    return resolve_plan(catalog, PlanRequest(**{**usual, "budget": "smoke", **fields}, settings=settings))


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers have the threads of this process."""
    monkeypatch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))


def go(plan: Plan, catalog: Catalog, folder: Path) -> RunResult:
    return run(plan, catalog, RunContext(out=folder / "out", cache=folder / "cache", device="cpu", reporter=Silent()))


def losses(folder: Path, stage: str = "student") -> list[float]:
    return [row["loss"] for row in json.loads((folder / "out" / "log.json").read_text())[stage]]


def logits(folder: Path) -> np.ndarray:
    (path,) = (folder / "out").glob("*.predictions.csv.gz")
    return read_predictions(path).logits


# -- figures


@pytest.fixture(scope="module")
def by_two(frozen_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an undisturbed run by two processes."""
    folder = tmp_path_factory.mktemp("two")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
        go(planned(frozen_catalog, *EVERYTHING, processes="2"), frozen_catalog, folder)
    return folder


def test_two_processes_have_the_curve_of_one(frozen_catalog: Catalog, by_two: Path, tmp_path: Path) -> None:
    """Equal global batches, norms frozen, every augmentation; scored on 40 clips, in batches of 32 and 8."""
    go(planned(frozen_catalog, *EVERYTHING), frozen_catalog, tmp_path)
    assert losses(by_two) == pytest.approx(losses(tmp_path), abs=1e-5) and len(losses(by_two)) == 3
    assert np.abs(logits(by_two) - logits(tmp_path)).max() < 1e-4 and len(logits(by_two)) == 40


def test_scores_by_two_processes_are_those_of_one(frozen_catalog: Catalog, by_two: Path, tmp_path: Path) -> None:
    """The recognizer that two processes trained and scored, scored again by one."""
    record = read_record(find_record(by_two / "out"))
    loaded = load_run(by_two / "out", record, frozen_catalog)
    found = predict_clips(
        loaded,
        "test",
        data=None,
        cache=by_two / "cache",
        bad_clips="fail",
        device=torch.device("cpu"),
        reporter=Silent(),
    )
    path = by_two / "out" / record["predictions"]["file"]
    again = write_predictions(tmp_path / path.name, found.ids, found.targets, found.logits, loaded.classes)
    assert again.read_bytes() == path.read_bytes()


def test_the_record_and_the_table_name_the_processes(frozen_catalog: Catalog, by_two: Path) -> None:
    (path,) = (by_two / "out").glob("frozen-*[0-9a-f].json")
    record = json.loads(path.read_text())
    assert record["plan"]["processes"] == 2 and Plan.from_json(record["plan"]).digest == record["digest"]
    again = resolve_plan(frozen_catalog, PlanRequest(**fields_of(record["plan"], {})))
    assert again.digest == record["digest"]
    assert cells.processes(record["plan"]) == ["processes=2"]
    assert cells.processes({"processes": 4, "batch_norm": "sync"}) == ["processes=4", "batch_norm=sync"]
    assert cells.processes({}) == []


def test_a_batch_that_is_not_shared_equally_is_weighted(frozen_catalog: Catalog, tmp_path: Path) -> None:
    """9 clips are fewer than a batch: 5 for one process, 4 for the other."""
    settings = (*EVERYTHING, "dataset.train=9")
    for processes in ("1", "2"):
        go(planned(frozen_catalog, *settings, processes=processes), frozen_catalog, tmp_path / processes)
    assert losses(tmp_path / "2") == pytest.approx(losses(tmp_path / "1"), abs=1e-5)


def test_an_optimizer_of_the_loop_s_own_and_stages_that_are_reused(frozen_catalog: Catalog, tmp_path: Path) -> None:
    settings = ("method.batch=12", "method.epochs=2", "method.loop=own")
    for processes in ("1", "2"):
        go(planned(frozen_catalog, *settings, processes=processes), frozen_catalog, tmp_path / processes)
    assert losses(tmp_path / "2") == pytest.approx(losses(tmp_path / "1"), abs=1e-5)
    before = logits(tmp_path / "2")
    again = go(planned(frozen_catalog, *settings, processes="2"), frozen_catalog, tmp_path / "2")
    assert [stage["reused"] for stage in again.record["stages"]] == [True]
    assert np.array_equal(logits(tmp_path / "2"), before)


PLAIN = {"backbone": "plainnet", "sampling": "2x1"}
CLIPS = {"backbone": "plain3d", "sampling": "1x8", "degradation": "average-12x16:clean"}  # noise is drawn by rank
METHODS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "cstat:mlp": (PLAIN, ()),
    "cstat:mlp+rc": (PLAIN, ("method.confidence_loss=classification",)),
    "strong-kd": (PLAIN, ()),  # mixes clips itself
    "multi-siamese": (CLIPS, ("method.transforms=3",)),  # pairs of clips
    "elr-distil:pretext": (
        {**CLIPS, "teacher_backbone": "plain3d", "teacher_size": "24x32"},
        ("method.transforms=0.5", "method.joint_epochs=4", "method.pretext_epochs=2"),
    ),
    "purwanto:kd+sa": (PLAIN, ("method.dropout=0.0", "method.head_epochs=2", "method.head_batch=12")),  # derives
}


@pytest.mark.parametrize(
    "method", [pytest.param(each, marks=() if each == "cstat:mlp" else pytest.mark.slow) for each in METHODS]
)
def test_losses_of_methods_are_those_of_one_process(frozen_catalog: Catalog, method: str, tmp_path: Path) -> None:
    """Methods that call `trace`, mix clips or compare pairs, on a network without norms: all stages, all losses."""
    fields, settings = METHODS[method]
    known = frozen_catalog.methods[method.partition(":")[0]].options
    short = [f"method.{key}=2" for key in ("epochs", "joint_epochs") if key in known]
    for processes in ("1", "2"):
        asked = {**fields, "method": method, "processes": processes}
        plan = planned(frozen_catalog, "method.batch=12", *short, *settings, **asked)
        go(plan, frozen_catalog, tmp_path / processes)
    one, two = (json.loads((tmp_path / each / "out" / "log.json").read_text()) for each in ("1", "2"))
    assert one.keys() == two.keys() and len(one) >= 1
    for stage in one:
        for ours, theirs in zip(one[stage], two[stage], strict=True):
            assert theirs == pytest.approx(ours, abs=2e-5), stage


@pytest.mark.slow
def test_networks_that_grow_and_are_trained_in_turn(frozen_catalog: Catalog, tmp_path: Path) -> None:
    """prog-dvsr-att: several optimizers, growth with fade-in, attention and a classifier that is trained in turn."""
    settings = ("dataset.train=8", "method.batch=4", "method.epochs=1", "enhancer.batch=4", "enhancer.epochs_first=1",
                "enhancer.epochs_between=2", "enhancer.epochs_last=2", "enhancer.fade_step=0.1",
                "enhancer.joint_epochs=2")  # fmt: skip
    fields = {"method": "supervised", "size": "16x16", "sampling": "1x1", "degradation": "average-2x2"}
    for processes in ("1", "2"):
        plan = planned(
            frozen_catalog,
            *settings,
            **fields,
            enhancer="prog-dvsr-att",
            backbone="plainnet",
            processes=processes,
        )
        go(plan, frozen_catalog, tmp_path / processes)
    assert losses(tmp_path / "2", "prog-dvsr") == pytest.approx(losses(tmp_path / "1", "prog-dvsr"), abs=1e-5)
    assert len(losses(tmp_path / "2", "prog-dvsr-att")) == 2  # its attention branch has norms


# -- scoring


def test_results_of_batches_are_merged_in_listed_order() -> None:
    """7 clips in batches of 2: rank 0 has batches 0 and 2, rank 1 has batches 1 and 3."""
    clips = list("abcdefg")
    parts = [in_turn(clips, 2, Part(rank=rank, size=2)) for rank in (0, 1)]
    assert parts == [["a", "b", "e", "f"], ["c", "d", "g"]]
    assert in_order(parts, 7, 2) == clips
    assert in_order([["a"], []], 1, 2) == ["a"]  # fewer batches than ranks


# -- torchrun, and two streams


@pytest.mark.slow
def test_torchrun_starts_the_processes(frozen_catalog: Catalog, tmp_path: Path) -> None:
    """The first process prints the scores; without --processes the run is refused."""
    plan = planned(frozen_catalog, processes="2")

    def torchrun(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        words = ("-m", *command_of(plan, folder), *words)
        return subprocess.run([*start, *words], capture_output=True, text=True, env=environment, timeout=SECONDS)

    done = torchrun(tmp_path, "--processes", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("run folder:") == 1 and len(losses(tmp_path)) == 2
    refused = torchrun(tmp_path / "alone")
    assert refused.returncode == 1  # of torchrun
    assert "elrbench: error: torchrun started 2 processes, but the plan is trained by 1" in refused.stderr


@pytest.mark.slow
def test_two_streams_by_two_processes(frozen_catalog: Catalog, tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="the extra 'flow' is not installed")
    plan = planned(frozen_catalog, "method.batch=12", "method.epochs=1", modality="rgb+flow", processes="2")
    result = go(plan, frozen_catalog, tmp_path)
    assert [stream.record["plan"]["modality"] for stream in result.streams] == ["rgb", "flow"]
    assert result.record["fused"] == [stream.record["digest"] for stream in result.streams]


# -- kills


def children(parent: int) -> list[int]:
    """Return the ids of the workers of a process, in the order of their ranks."""
    with contextlib.suppress(OSError):
        found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [int(one) for one in found]
    return []


def alive(process: int) -> bool:
    """Return whether a process exists and is not a zombie, which its parent has not waited for."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(processes: list[int]) -> bool:
    """Wait until these processes have ended; False if one has not after a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not any(map(alive, processes)):
            return True
        time.sleep(0.05)
    return False


@contextlib.contextmanager
def started(plan: Plan, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a plan of two processes by the command line in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command_of(plan, folder), "--processes", "2"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def command_of(plan: Plan, folder: Path) -> list[str]:
    """Return the words of `python -m` that run a plan in `folder`, without the number of processes."""
    words = ["--method", "frozen", "--dataset", "toy", "--backbone", "toynet", "--enhancer", "bilinear",
             "--size", "24x32", "--budget", "smoke", "--device", "cpu", "--plugin", str(TOY), "--plugin", str(FROZEN),
             "--out", str(folder / "out"), "--cache", str(folder / "cache")]  # fmt: skip
    settings = [word for key, value in plan.settings.items() for word in ("--set", f"{key}={str(value).lower()}")]
    return ["elrbench", "run", *words, *settings]


def after_first_epoch(folder: Path) -> None:
    """Wait until a checkpoint is there."""
    deadline = time.monotonic() + SECONDS
    while not list((folder / "cache").glob("stages/*/checkpoint.pt")):
        assert time.monotonic() < deadline, "no checkpoint"
        time.sleep(0.01)


def finished(plan: Plan, folder: Path) -> dict[str, Any]:
    """Run a plan by the command line to its end and return its record."""
    with started(plan, folder) as process:
        printed, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, printed
    (path,) = (folder / "out").glob(f"frozen-{plan.digest}.json")
    record: dict[str, Any] = json.loads(path.read_text())
    return record


@pytest.fixture(scope="module")
def long_run(frozen_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Path]:
    """A plan of many epochs, and the folder of its undisturbed run."""
    folder = tmp_path_factory.mktemp("long")
    plan = planned(frozen_catalog, *EVERYTHING, "method.epochs=40", processes="2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
        finished(plan, folder)
    return plan, folder


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_the_others_and_the_run_resumes(
    long_run: tuple[Plan, Path], rank: int, tmp_path: Path
) -> None:
    plan, whole = long_run
    with started(plan, tmp_path) as process:
        after_first_epoch(tmp_path)
        workers = children(process.pid)
        assert len(workers) == 2
        os.kill(workers[rank], signal.SIGKILL)
        printed, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 1 and gone(workers)
    errors = [line for line in printed.splitlines() if "error" in line]
    assert len(errors) == 1 and f"process {rank} of 2 was ended by SIGKILL; run the same command again" in errors[0]
    assert "Traceback" not in printed
    timings = finished(plan, tmp_path)["timings"]
    assert np.array_equal(logits(tmp_path), logits(whole)) and losses(tmp_path) == losses(whole)
    one, other = ((folder / "out" / "recognizer.safetensors").read_bytes() for folder in (tmp_path, whole))
    assert one == other
    assert timings["train_all_s"] > timings["train_s"]  # it went on from the checkpoint


def test_no_worker_outlives_the_process_that_started_it(long_run: tuple[Plan, Path], tmp_path: Path) -> None:
    with started(long_run[0], tmp_path) as process:
        after_first_epoch(tmp_path)
        workers = children(process.pid)
        process.kill()
        process.wait()
        assert len(workers) == 2 and gone(workers)


def test_ctrl_c_ends_all_processes_with_one_line(long_run: tuple[Plan, Path], tmp_path: Path) -> None:
    with started(long_run[0], tmp_path) as process:
        after_first_epoch(tmp_path)
        workers = children(process.pid)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 1 and gone(workers)
    assert [line for line in printed.splitlines() if "error" in line] == [
        "elrbench: error: interrupted; run the same command again to continue from the last finished epoch"
    ]


def test_the_benchmark_with_one_kill_of_each_process() -> None:
    script = Path(__file__).parents[1] / "benchmarks" / "processes.py"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, str(script), "--times", "1", "--epochs", "6", "--seed", str(os.getpid())]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=3 * SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("6 epochs, batch 24: losses of 2 processes and of one differ by")
    assert [line.split()[0] for line in lines[2:-1]] == ["same"] * 2 and lines[-1] == "2 kills: 0 wrong"


# -- mistakes


@pytest.mark.parametrize(
    ("loop", "kind", "text"),
    [
        ("alone", ElrError, "^method 'frozen' steps an optimizer by itself"),
        ("nothing", ElrError, "^stage 'student' uses no optimizer"),
        ("fails", RunFailed, "^process 1: TypeError: a bug of the method; its traceback is above"),
    ],
)
def test_a_method_that_cannot_be_shared_or_fails(
    frozen_catalog: Catalog, loop: str, kind: type[ElrError], text: str, tmp_path: Path
) -> None:
    plan = planned(frozen_catalog, "method.batch=12", "method.epochs=1", f"method.loop={loop}", processes="2")
    with pytest.raises(kind, match=text) as caught:
        go(plan, frozen_catalog, tmp_path)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").glob("stages/*/stage.json"))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"processes": "5"},
            "method.batch: 5 processes cannot share a batch of 12 clips equally; use e.g. a batch of 10",
        ),
        ({"processes": "none"}, "--processes none is not a whole number from 1 to 1024"),
        ({"processes": "0"}, "--processes 0 is not a whole number"),
        ({"batch_norm": "sync"}, "--batch-norm sync has no effect on one process"),
        ({"batch_norm": "all", "processes": "2"}, "--batch-norm all is not one of own, sync"),
        ({"processes": "12", "sampling": "1x1"}, "cannot average over one clip with one interval"),
    ],
)
def test_mistakes_in_a_plan(frozen_catalog: Catalog, fields: dict[str, str], text: str) -> None:
    with pytest.raises(ElrError, match=text) as caught:
        planned(frozen_catalog, **fields)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", ["probe", "hof-svm"])
def test_methods_without_a_network_to_train_are_refused(catalog: Catalog, method: str) -> None:
    pytest.importorskip("sklearn", reason="the extra 'yardsticks' is not installed")
    asked = {"weights": "imagenet"} if method == "probe" else {}
    request = PlanRequest(method=method, dataset="puppets", budget="small", processes=2, **asked)
    with pytest.raises(ElrError, match=f"method '{method}' is trained by one process, not by 2"):
        resolve_plan(catalog, request)


def test_other_batches_of_a_method_are_checked_too(catalog: Catalog) -> None:
    request = PlanRequest(
        method="purwanto", dataset="puppets", budget="smoke", processes=4, settings=("method.head_batch=6",)
    )
    with pytest.raises(ElrError, match="method.head_batch: 4 processes cannot share a batch of 6 clips equally"):
        resolve_plan(catalog, request)


def test_one_process_is_the_plan_without_the_option(frozen_catalog: Catalog) -> None:
    assert planned(frozen_catalog, processes="1") == planned(frozen_catalog, batch_norm="own")
    assert planned(frozen_catalog, processes="1").digest == planned(frozen_catalog).digest
    assert "processes" not in planned(frozen_catalog).to_json()
    two, sync = planned(frozen_catalog, processes="2"), planned(frozen_catalog, processes="2", batch_norm="sync")
    assert len({two.digest, sync.digest, planned(frozen_catalog).digest}) == 3


def test_devices_that_processes_cannot_have(
    frozen_catalog: Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refused(plan: Plan, device: str | None) -> str:
        with pytest.raises(ElrError) as caught:
            run(plan, frozen_catalog, RunContext(out=tmp_path / "out", cache=tmp_path / "cache", device=device))
        assert "\n" not in str(caught.value) and not (tmp_path / "cache").exists()
        return str(caught.value)

    plan = planned(frozen_catalog, processes="2")
    assert refused(plan, "cuda:1").startswith("--device cuda:1 is one device, but each of several processes")
    assert "--batch-norm sync needs a GPU" in refused(planned(frozen_catalog, processes="2", batch_norm="sync"), "cpu")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert refused(plan, None) == (
        "2 processes need as many GPUs, but 1 is visible; pass --processes 1 or --device cpu"
    )
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    with pytest.raises(ElrError, match="process 7 would be number 4 on a machine with 3 GPUs"):
        device_of("cuda", Place(rank=7, size=8, local=3))


# -- where processes are


def test_places_by_torchrun_and_srun() -> None:
    torchrun = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "a", "MASTER_PORT": "1"}
    assert place_in(torchrun, 4) == Place(rank=3, size=4, local=1)
    for processes in (0, 2):
        with pytest.raises(ElrError, match="torchrun started 4 processes, .*; pass --processes 4"):
            place_in(torchrun, processes)
    assert place_in({"RANK": "0", "WORLD_SIZE": "1"}, 2) is None  # this process starts the two
    srun = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2", "SLURM_LOCALID": "0", "SLURM_JOB_ID": "77",
            "SLURM_STEP_ID": "1", "SLURM_STEP_NODELIST": "gpu[03,05-07],cpu1"}  # fmt: skip
    assert place_in(srun, 4) == Place(rank=2, size=4, local=0, where="tcp://gpu03:15540")
    assert place_in({**srun, "MASTER_ADDR": "b", "MASTER_PORT": "9"}, 4) == Place(
        rank=2, size=4, local=0, where="tcp://b:9"
    )
    assert place_in(srun, 0) is None  # four runs of their own
    with pytest.raises(ElrError, match="srun started 4 processes"):
        place_in(srun, 2)
    assert place_in({**srun, "SLURM_STEP_NUM_TASKS": "1"}, 2) is None
    assert place_in({}, 2) is None


@pytest.mark.parametrize(
    ("nodes", "host"), [("gpu[03,05-07],cpu1", "gpu03"), ("node7", "node7"), ("a,b", "a"), ("n[1-2]-ib", "n1-ib")]
)
def test_the_first_host_of_a_list_of_nodes(nodes: str, host: str) -> None:
    assert first_host(nodes) == host


def test_the_environment_of_a_worker() -> None:
    cpu = worker_environment({"OMP_NUM_THREADS": "3"}, 1, 2, 4711, "cpu")
    assert (cpu["RANK"], cpu["LOCAL_RANK"], cpu["WORLD_SIZE"], cpu["MASTER_PORT"]) == ("1", "1", "2", "4711")
    assert cpu["OMP_NUM_THREADS"] == "3" and "CUDA_VISIBLE_DEVICES" not in cpu
    assert worker_environment({}, 1, 2, 1, "cpu")["OMP_NUM_THREADS"] == str(max(1, torch.get_num_threads() // 2))
    assert worker_environment({}, 1, 2, 1, "cuda")["CUDA_VISIBLE_DEVICES"] == "1"
    assert worker_environment({"CUDA_VISIBLE_DEVICES": "4,6"}, 1, 2, 1, "cuda")["CUDA_VISIBLE_DEVICES"] == "6"


def test_a_request_survives_its_way_to_a_worker(frozen_catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    catalog, _ = frozen_catalog.with_folder(f"videos:{tmp_path / 'videos'}")
    plan = planned(frozen_catalog, processes="2")
    context = RunContext(out=tmp_path / "out", cache=tmp_path / "cache", bad_clips="skip", device="cpu", refit=True)
    there, found, other = read_request(json.loads(json.dumps(request_of(plan, catalog, context))))
    assert there == plan and found.folders == catalog.folders and set(found.methods) == set(catalog.methods)
    assert (other.out, other.cache, other.data, other.bad_clips, other.device, other.refit) == (
        context.out, context.cache, None, "skip", "cpu", True,
    )  # fmt: skip
