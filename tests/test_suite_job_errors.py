"""Bad input of `suite run --jobs`: one clear error each, before anything trains."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from calling import caller
from cluster_suites import make_job

from benchmark_core.catalog import Catalog
from benchmark_core.plans.plan import Plan
from benchmark_core.provenance import versions
from elrbench import ElrError
from elrbench_plugins.commands.suite.cluster.engines import make_executor
from elrbench_plugins.commands.suite.cluster.executor import EngineRequest, read_pairs
from elrbench_plugins.commands.suite.cluster.head import _uninterrupted
from elrbench_plugins.commands.suite.cluster.job import Job, JobFolder
from elrbench_plugins.commands.suite.cluster.local import LocalExecutor
from elrbench_plugins.commands.suite.cluster.slurm import read_minutes
from elrbench_plugins.commands.suite.cluster.state import read_state
from elrbench_plugins.commands.suite.cluster.work import work
from elrbench_plugins.commands.suite.cluster.worker_check import cache_identity, check_worker


@pytest.fixture
def job(toy_plan: Plan, toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A job that this process can run, because worker and head load one catalog."""
    monkeypatch.setattr("elrbench_plugins.commands.suite.cluster.job.load_catalog", lambda extra: toy_catalog)
    return make_job(toy_plan, toy_catalog, tmp_path)


def refused(job: Job, **changes: object) -> str:
    with pytest.raises(ElrError) as error:
        check_worker(dataclasses.replace(job, **changes), "node7")
    text = str(error.value)
    assert text.startswith("worker node7") and "\n" not in text
    return text


def test_a_job_travels_as_json(job: Job):
    folder = JobFolder(job.out)
    folder.write_job(job)
    assert folder.read_job() == job
    assert check_worker(job, "node7").backbones["toynet"].name == "toynet"


def test_a_worker_with_other_versions_trains_nothing(job: Job):
    text = refused(job, versions={**versions(), "torch": "1.0"})
    assert "(1.0 at the head)" in text and "numpy" not in text and "same versions" in text


def test_a_worker_with_other_plugins_trains_nothing(job: Job):
    text = refused(job, owners={**job.owners, "backbone": "'toy' (toy.py) with digest 0123456789abcdef"})
    assert "the backbone of" in text and "0123456789abcdef" in text and "same plugins" in text
    assert "unknown method 'supervise'" in refused(job, plan=dataclasses.replace(job.plan, method="supervise"))


def test_a_worker_without_the_data_trains_nothing(job: Job, tmp_path: Path):
    gone = tmp_path / "gone"
    assert f"'toy': {gone} does not exist there" in refused(job, data=gone)
    assert "checkpoint 'file:net@12'" in refused(job, weights={"file:net@12": gone})
    assert "dataset 'folder:mine'" in refused(job, folders={"folder:mine": gone})


def test_a_worker_with_another_cache_trains_nothing(job: Job, tmp_path: Path):
    assert "another cache" in refused(job, cache=tmp_path / "elsewhere")
    assert cache_identity(job.cache) == job.cache_id != ""


def test_ctrl_c_waits_until_a_submitted_job_is_noted():
    noted = []
    with pytest.raises(KeyboardInterrupt):
        with _uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            noted.append("job")
    assert noted == ["job"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_heads_that_start_together_agree_on_the_cache(tmp_path: Path):
    heads = 6
    for attempt in range(10):
        together = Barrier(heads)

        def head(cache: Path, together: Barrier = together) -> str:
            together.wait()
            return cache_identity(cache)

        with ThreadPoolExecutor(heads) as pool:
            found = set(pool.map(head, [tmp_path / f"cache-{attempt}"] * heads))
        assert len(found) == 1 and "" not in found


def test_the_error_is_in_the_state_and_nothing_is_trained(job: Job):
    folder = JobFolder(job.out)
    folder.write_job(dataclasses.replace(job, versions={**versions(), "torch": "1.0"}))
    assert work(str(job.out)) == "failed"
    state = read_state(folder)
    assert "(1.0 at the head)" in state.error and state.host and not (job.cache / "stages").exists()
    assert state.error in folder.output.read_text()


def test_a_job_runs_in_this_process_and_prints_to_its_log(job: Job, capfd: pytest.CaptureFixture[str]):
    folder = JobFolder(job.out)
    folder.write_job(job)
    assert work(str(job.out)) == "done" and read_state(folder).phase == "done"
    assert capfd.readouterr() == ("", "")
    assert "student" in folder.output.read_text()


def test_a_worker_that_does_not_see_the_run_folder_says_so(tmp_path: Path):
    with pytest.raises(ElrError, match="does not see .*job.json; pass --out with a folder on a shared file system"):
        work(str(tmp_path / "nowhere"))


# -- the head


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (("--threads", "2"), "--threads has no effect without --jobs or --on"),
        (("--slurm", "partition=gpu"), "--slurm has no effect without --jobs or --on; add --on slurm"),
        (("--jobs", "2", "--slurm", "partition=gpu"), "--slurm has no effect with --on local; add --on slurm"),
        (("--on", "slurm", "--slurm", "partition"), "--slurm partition is not KEY=VALUE, e.g. --slurm partition=gpu"),
        (("--on", "ray", "--ray", "a=1", "--ray", "a=2"), "--ray a is given twice"),
        (("--jobs", "2", "--device", "cuda:1"), "each job gets one of its own; use --device cuda"),
    ],
)
def test_options_that_do_not_go_together(
    flags: tuple[str, ...], error: str, toy_catalog: Catalog, capsys, monkeypatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    call = caller(toy_catalog, capsys, monkeypatch)
    code, out, err = call("suite", "run", "cstat-table4", "--dataset", "puppets", "--budget", "smoke", *flags)
    assert (code, out) == (2, "") and error in err and len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_no_sbatch_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    pytest.importorskip("submitit", reason="the extra 'slurm' is not installed")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ElrError, match="--on slurm needs 'sbatch', which is not on the PATH; .* --on local"):
        make_executor(EngineRequest(on="slurm"), tmp_path)


@pytest.mark.parametrize(("engine", "module"), [("slurm", "submitit"), ("ray", "ray")])
def test_a_missing_extra_names_the_command_that_installs_it(
    engine: str, module: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ElrError, match=rf"--on {engine} needs the extra '{engine}': pip install -e '.\[{engine}\]'"):
        make_executor(EngineRequest(on=engine), tmp_path)


def test_more_jobs_than_gpus_are_refused():
    with pytest.raises(ElrError, match="--jobs 3 is more than the 2 GPUs of this machine"):
        LocalExecutor(EngineRequest(jobs=3), ["0", "1"])
    assert LocalExecutor(EngineRequest(), ["0", "1"]).slots == 2
    assert LocalExecutor(EngineRequest(), []).slots == 1


def test_threads_depend_on_the_device_and_not_on_the_number_of_jobs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [EngineRequest(jobs=jobs).threads_of(gpu=gpu) for jobs in (1, 8) for gpu in (False, True)] == [1, 4, 1, 4]
    assert EngineRequest(threads=3).threads_of(gpu=True) == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert EngineRequest(jobs=8).threads_of(gpu=True) == 2


def test_each_job_sees_one_gpu_and_its_threads(job: Job, monkeypatch: pytest.MonkeyPatch):
    """The worker is replaced by a program that prints what it sees."""
    seen = "import os, sys; print(os.environ['CUDA_VISIBLE_DEVICES'], os.environ['OMP_NUM_THREADS'], sys.argv[1])"
    executor = LocalExecutor(EngineRequest(threads=3), ["GPU-a", "GPU-b"])
    monkeypatch.setattr("elrbench_plugins.commands.suite.cluster.local.WORKER", "seen")
    (job.cache / "seen.py").write_text(seen)
    monkeypatch.syspath_prepend(str(job.cache))
    folders = [JobFolder(job.cache / name) for name in ("one", "two")]
    for folder in folders:
        folder.path.mkdir(parents=True)
    idents = [executor.submit(folder) for folder in folders]
    found: dict[str, str] = {}
    while len(found) < 2:
        executor.wait(1)
        found |= executor.ended([ident for ident in idents if ident not in found])
    assert list(found.values()) == ["its process ended with exit code 0"] * 2
    printed = [folder.output.read_text().split() for folder in folders]
    assert printed == [["GPU-a", "3", str(folders[0].run_folder)], ["GPU-b", "3", str(folders[1].run_folder)]]
    assert executor.ended([idents[0]]) == {idents[0]: ""}  # as another head sees it


def test_times_of_slurm_are_minutes():
    times = {"90": 90, "90:30": 91, "8:00:00": 480, "1-12": 2160, "1-12:30": 2190, "2-00:00:30": 2881, "0": 1}
    assert {text: read_minutes(text) for text in times} == times
    with pytest.raises(ElrError, match="--slurm time=soon is not a time of Slurm"):
        read_minutes("soon")
    assert read_pairs("slurm", ["time=8:00:00", " account = x "]) == {"time": "8:00:00", "account": "x"}


def test_status_and_cancel_of_a_suite_without_jobs(toy_catalog: Catalog, capsys, monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    call = caller(toy_catalog, capsys, monkeypatch)
    for name in ("status", "cancel"):
        code, _, err = call("suite", name, "cstat-table4")
        assert code == 2 and "no jobs of suite 'cstat-table4' were started in elrbench-runs" in err
    (tmp_path / "elrbench-runs" / "suites").mkdir(parents=True)
    (tmp_path / "elrbench-runs" / "suites" / "mine.json").write_text("{")
    assert "mine.json cannot be read" in call("suite", "status", "mine")[2]
    assert "Did you mean 'mine'?" in call("suite", "status", "mines")[2]


def test_missing_lists_commands_that_run_the_same_plans(toy_catalog: Catalog, capsys, monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    call = caller(toy_catalog, capsys, monkeypatch)
    flags = ("--dataset", "puppets", "--budget", "smoke", "--backbone", "resnet18", "--set", "method.epochs=1")
    flags = (*flags, "--seeds", "0,1", "--only", "student-*,sat-*")
    code, told, _ = call("suite", "missing", "cstat-table4", *flags, "--json")
    queue = json.loads(told)
    assert code == 0 and queue["runs"] == 4 and len({run["digest"] for run in queue["missing"]}) == 4
    for run in queue["missing"]:
        assert run["command"][:4] == ["elrbench", "suite", "run", "cstat-table4"] and run["finished"] is None
        listed = json.loads(call(*run["command"][1:], "--dry-run", "--json")[1])
        assert [one["digest"] for one in listed["runs"]] == [run["digest"]]
        assert Plan.from_json(run["plan"]).digest == run["digest"]
    sized = ("--sizes", "6x8,12x16", "--out", str(tmp_path / "elsewhere"))
    queue = json.loads(call("suite", "missing", "cstat-table4", *flags, *sized, "--json")[1])
    assert queue["runs"] == 8
    for run in queue["missing"]:
        assert set(sized) <= set(run["command"])
        listed = json.loads(call(*run["command"][1:], "--dry-run", "--json")[1])
        assert [one["digest"] for one in listed["runs"]] == [run["digest"]]
    _, text, _ = call("suite", "missing", "cstat-table4", *flags)
    assert text.endswith("cstat-table4: 4 of 4 runs have no published record\n")
    assert "elrbench suite run cstat-table4 --only student-resnet34 --seeds 1" in text
