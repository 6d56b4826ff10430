"""`suite run --on ray`: the same results; a killed worker, a killed head, a cluster that outlives the head."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_suites import (
    ENDLESS,
    LONG,
    THREE,
    TOY,
    environment,
    finish,
    predictions,
    start,
    state,
    suite,
    trained,
    until,
    waits,
    write,
)

from elrbench import ElrError
from elrbench_plugins.commands.suite.cluster.executor import EngineRequest
from elrbench_plugins.commands.suite.cluster.ray_cluster import RayExecutor

pytest.importorskip("ray", reason="the extra 'ray' is not installed")
pytestmark = pytest.mark.slow
CLUSTER = """
import sys
from ray.cluster_utils import Cluster
options = {"num_cpus": 2, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args=options)
print(cluster.address, flush=True)
sys.stdin.readline()
cluster.shutdown()
"""


@pytest.fixture
def address(place: Path) -> Iterator[str]:
    """A cluster of one node with two slots, which ends with the test."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(place, RAY_USAGE_STATS_ENABLED="0", RAY_worker_niceness="0"),
    )
    assert process.stdout is not None
    line = next(line for line in process.stdout if ":" in line)
    yield line.strip()
    process.communicate("\n", timeout=60)


def test_two_ray_workers_give_what_one_process_gives(place: Path):
    serial, jobs = write(place / "serial", THREE), write(place / "jobs", THREE)
    assert suite(serial, "run", "mine.yaml", "--plugin", str(TOY))[0] == 0
    code, _, err = suite(jobs, "run", "mine.yaml", "--plugin", str(TOY), "--on", "ray", "--jobs", "2")
    assert code == 0, err
    assert predictions(jobs) == predictions(serial) and len(predictions(jobs)) == 3
    assert trained(jobs) == trained(serial) and waits(jobs) == []


def test_a_killed_worker_and_then_a_killed_head(place: Path, undisturbed: dict[str, str]):
    folder = write(place, LONG)
    flags = ("run", "mine.yaml", "--plugin", str(TOY), "--on", "ray", "--jobs", "1")
    head = start(folder, *flags)
    worker = until(lambda: state(folder).get("epoch", 0) >= 2 and state(folder)["pid"])
    os.kill(worker, signal.SIGKILL)
    second = until(
        lambda: state(folder).get("epoch", 0) >= 4 and state(folder)["pid"] != worker and state(folder)["pid"]
    )
    head.kill()  # and, some seconds later, the Ray that it started; a fast worker is done by then
    finish(head)
    until(lambda: not Path(f"/proc/{second}").exists())
    code, _, err = suite(folder, *flags)
    assert code == 0, err
    assert predictions(folder) == undisturbed


def test_the_job_of_a_killed_head_is_lost(place: Path):
    folder = write(place, ENDLESS)
    head = start(folder, "run", "mine.yaml", "--plugin", str(TOY), "--on", "ray", "--jobs", "1")
    worker = until(lambda: state(folder).get("epoch", 0) >= 1 and state(folder)["pid"])
    head.kill()
    finish(head)
    until(lambda: not Path(f"/proc/{worker}").exists())
    _, told, _ = suite(folder, "status", "mine.yaml", "--json")
    assert json.loads(told)["counts"] == {"lost": 1}


def test_a_cluster_keeps_running_after_ctrl_c_and_another_head_follows(
    place: Path, address: str, undisturbed: dict[str, str]
):
    folder = write(place / "work", LONG)
    flags = ("run", "mine.yaml", "--plugin", str(TOY), "--on", "ray", "--ray", f"address={address}")
    head = start(folder, *flags)
    worker = until(lambda: state(folder).get("epoch", 0) >= 2 and state(folder)["pid"])
    os.kill(worker, signal.SIGSTOP)  # it does not end before the next head looks at it
    head.send_signal(signal.SIGINT)
    code, _, err = finish(head)
    assert code == 1 and "1 jobs keep running on the Ray cluster" in err
    head = start(folder, *flags)
    assert head.stderr is not None and "an earlier command started it" in head.stderr.readline()
    os.kill(worker, signal.SIGCONT)
    code, _, err = finish(head)
    assert code == 0 and ": started" not in err and state(folder)["pid"] == worker, err
    assert predictions(folder) == undisturbed


def test_cancel_ends_the_jobs_of_a_cluster(place: Path, address: str):
    folder = write(place / "work", ENDLESS)
    head = start(folder, "run", "mine.yaml", "--plugin", str(TOY), "--on", "ray", "--ray", f"address={address}")
    worker = until(lambda: state(folder).get("epoch", 0) >= 2 and state(folder)["pid"])
    code, text, err = suite(folder, "cancel", "mine.yaml")
    assert code == 0 and text == "1 jobs cancelled\n", err
    until(lambda: not Path(f"/proc/{worker}").exists())
    assert finish(head)[0] == 1
    _, told, _ = suite(folder, "status", "mine.yaml", "--json")
    assert json.loads(told)["counts"] == {"cancelled": 1}


def test_cancel_ends_the_command_that_started_ray(place: Path):
    folder = write(place, ENDLESS)
    head = start(folder, "run", "mine.yaml", "--plugin", str(TOY), "--on", "ray", "--jobs", "1")
    worker = until(lambda: state(folder).get("epoch", 0) >= 1 and state(folder)["pid"])
    code, text, err = suite(folder, "cancel", "mine.yaml")
    assert code == 0 and text == "1 jobs cancelled\n", err
    assert finish(head)[0] == 1 and not Path(f"/proc/{worker}").exists()


def test_bad_options_of_ray(tmp_path: Path):
    with pytest.raises(ElrError, match="--ray cores is unknown; use one of address, num_cpus, num_gpus, memory"):
        RayExecutor(EngineRequest(on="ray", ray={"cores": "2"}), tmp_path)
    with pytest.raises(ElrError, match="--ray num_cpus=two is not a number"):
        RayExecutor(EngineRequest(on="ray", ray={"num_cpus": "two"}), tmp_path)


def test_a_cluster_that_does_not_answer_is_one_line(place: Path):
    folder = write(place, LONG)
    flags = ("--plugin", str(TOY), "--on", "ray", "--ray", "address=127.0.0.1:1")
    code, out, err = suite(folder, "run", "mine.yaml", *flags)
    (line,) = [line for line in err.splitlines() if line.startswith("elrbench: error: ")]
    assert (code, out) == (2, "") and "the Ray cluster at 127.0.0.1:1 cannot be used" in line
