"""`suite run --jobs` on this machine: the same results, in waves; kills, Ctrl-C, cancel, status."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from cluster_suites import (
    ENDLESS,
    LONG,
    THREE,
    TOY,
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

pytestmark = pytest.mark.slow


def test_two_jobs_give_what_one_process_gives_and_train_no_stage_twice(place: Path):
    serial, jobs = write(place / "serial", THREE), write(place / "jobs", THREE)
    code, table, err = suite(serial, "run", "mine.yaml", "--plugin", str(TOY))
    assert code == 0, err
    code, other, err = suite(jobs, "run", "mine.yaml", "--plugin", str(TOY), "--jobs", "2")
    assert code == 0, err
    assert other == table and predictions(jobs) == predictions(serial) and len(predictions(jobs)) == 3
    assert trained(jobs) == sorted(set(trained(jobs))) == trained(serial)
    assert waits(jobs) == []
    # In the suite's order, oracles first: the student that shares the oracle's stage waits, another one starts.
    started = [line.split("] ")[1].split(":")[0] for line in err.splitlines() if line.endswith(": started")]
    assert started == ["ceiling", "student", "distilled"]

    code, told, _ = suite(jobs, "status", "mine.yaml", "--json")
    status = json.loads(told)
    assert code == 0 and status["counts"] == {"done": 3} and status["on"] == "local"
    assert all(run["host"] and run["seconds"] > 0 and Path(jobs, run["log"]).is_file() for run in status["runs"])
    assert {run["rows"][0]: run["attempt"] for run in status["runs"]} == {"ceiling": 1, "student": 1, "distilled": 1}
    _, text, _ = suite(jobs, "status", "mine")
    assert "mine on local: 3 done" in text

    code, again, err = suite(jobs, "run", "mine.yaml", "--plugin", str(TOY), "--jobs", "2")
    assert (code, again, err) == (0, table, "")


def test_a_killed_worker_is_started_again_and_continues(place: Path, undisturbed: dict[str, str]):
    folder = write(place, LONG)
    head = start(folder, "run", "mine.yaml", "--plugin", str(TOY), "--jobs", "1")
    until(lambda: state(folder).get("epoch", 0) >= 3)
    os.kill(state(folder)["pid"], signal.SIGKILL)
    code, _, err = finish(head)
    assert code == 0, err
    assert "was killed" not in err or "SIGKILL" in err
    assert "ended without a result" in err and "attempt 2" in err
    assert predictions(folder) == undisturbed
    (log,) = (folder / "elrbench-runs").glob("*/job/output.txt")
    assert "resuming at epoch" in log.read_text()


def test_a_killed_head_leaves_its_job_and_the_next_head_takes_it_over(place: Path, undisturbed: dict[str, str]):
    folder = write(place, LONG)
    head = start(folder, "run", "mine.yaml", "--plugin", str(TOY), "--jobs", "1")
    worker = until(lambda: state(folder).get("epoch", 0) >= 2 and state(folder)["pid"])
    os.kill(worker, signal.SIGSTOP)  # it does not end before the next head looks at it
    head.kill()
    finish(head)
    _, told, _ = suite(folder, "status", "mine.yaml", "--json")
    (run,) = json.loads(told)["runs"]
    assert run["state"] == "running" and run["stage"] == "student" and run["epochs"] == 60
    head = start(folder, "run", "mine.yaml", "--plugin", str(TOY), "--jobs", "1")
    assert head.stderr is not None and "an earlier command started it" in head.stderr.readline()
    os.kill(worker, signal.SIGCONT)
    code, _, err = finish(head)
    assert code == 0 and ": started" not in err, err
    assert predictions(folder) == undisturbed


def ended(pid: int) -> bool:
    """Whether a process has ended, even if nobody has read its exit code yet, as in a container without init."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def test_ctrl_c_leaves_jobs_running_and_cancel_ends_them(place: Path):
    folder = write(place, ENDLESS.replace("rows: [", "rows: [{row: other, method: supervised, seed: 1}, "))
    head = start(folder, "run", "mine.yaml", "--plugin", str(TOY), "--jobs", "1")
    worker = until(lambda: state(folder).get("epoch", 0) >= 1 and state(folder)["pid"])
    head.send_signal(signal.SIGINT)
    code, out, err = finish(head)
    assert code == 1 and out == ""
    (line,) = [line for line in err.splitlines() if line.startswith("elrbench: error: interrupted")]
    assert "1 jobs keep running on this machine" in line and "1 runs were not started yet" in line
    assert "elrbench suite cancel mine" in line
    os.kill(worker, 0)
    code, text, _ = suite(folder, "cancel", "mine.yaml")
    assert code == 0 and text == "1 jobs cancelled\n"
    until(lambda: ended(worker))
    _, told, _ = suite(folder, "status", "mine.yaml", "--json")
    assert json.loads(told)["counts"] == {"cancelled": 1, "waiting": 1}
    assert suite(folder, "cancel", "mine.yaml")[1] == "0 jobs cancelled\n"


def test_a_running_head_stops_when_its_suite_is_cancelled(place: Path):
    folder = write(place, ENDLESS)
    head = start(folder, "run", "mine.yaml", "--plugin", str(TOY), "--jobs", "1")
    until(lambda: state(folder).get("epoch", 0) >= 1)
    assert suite(folder, "cancel", "mine.yaml")[0] == 0
    code, _, err = finish(head)
    assert code == 1 and "suite 'mine' was cancelled" in err and "attempt 2" not in err


def test_a_plan_that_fails_stops_no_other(place: Path):
    """The first run diverges in the stage that the second shares; the second then trains it, and fails alone."""
    bad = "set: {method.lr: 1.0e+30, method.optimiser: sgd, method.batch: 12, method.epochs: 1}"
    text = f"{THREE}  - {{row: bad, method: teacher, {bad}}}\n  - {{row: worse, method: kd, {bad}}}\n"
    folder = write(place, text)
    flags = ("--plugin", str(TOY), "--jobs", "2", "--only", "bad,worse,student")
    code, out, err = suite(folder, "run", "mine.yaml", *flags)
    assert code == 1 and len(predictions(folder)) == 1
    (failed,) = [line for line in err.splitlines() if line.startswith("elrbench: failed: ")]
    assert (
        failed.startswith("elrbench: failed: 2 runs: stage 'teacher', epoch 1") and "lower the learning rate" in failed
    )
    assert waits(folder) == []
    _, told, _ = suite(folder, "status", "mine.yaml", "--json")
    assert json.loads(told)["counts"] == {"failed": 2, "done": 1}
