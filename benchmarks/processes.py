"""Train one plan by several processes and compare with one: curves, speed, and runs whose processes are killed.

    python benchmarks/processes.py                          # curve and speed, then 10 kills of each process
    python benchmarks/processes.py --processes 3 --times 2

The plan is on the squares of tests/toy.py with the method of tests/frozen.py: norms are frozen, and every augmentation
of a batch is on. Losses of each epoch must differ from those of one process by less than 1e-5. After a kill at a random
moment no process may be left, and the resumed run must have the predictions, the weights and the log of an undisturbed
run of as many processes, byte for byte. Exit code 1 if anything differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
WORDS = [
    "run", "--method", "frozen", "--dataset", "toy", "--backbone", "toynet", "--enhancer", "bilinear",
    "--size", "24x32", "--budget", "smoke", "--plugin", str(TESTS / "toy.py"), "--plugin", str(TESTS / "frozen.py"),
    "--set", "dataset.train=96", "--set", "dataset.test=13",
    "--set", "method.optimiser=adamw", "--set", "method.lr=0.01",
    "--set", "method.clip_norm=0.5", "--set", "method.mixup_alpha=0.4", "--set", "method.cutmix_time=0.5",
    "--set", "method.random_shift=0.1", "--set", "method.random_zoom=0.1", "--set", "method.colour_jitter=0.3",
    "--set", "method.erase_probability=0.5", "--set", "method.random_turn=half", "--set", "method.model_ema_decay=0.9",
]  # fmt: skip
TOLERANCE = 1e-5


def command(folder: Path, processes: int, batch: int, epochs: int, device: str) -> list[str]:
    """Return the command line of a run in `folder`."""
    own = ["--processes", str(processes), "--device", device, "--set", f"method.batch={batch}"]
    own += ["--set", f"method.epochs={epochs}", "--out", str(folder / "out"), "--cache", str(folder / "cache")]
    return [sys.executable, "-m", "elrbench", *WORDS, *own]


def train(words: list[str]) -> float:
    """Run a command and return its seconds. Exits if it fails."""
    began = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    return time.monotonic() - began


def log(folder: Path) -> dict[str, list[dict[str, float]]]:
    """Return the log of a run."""
    found: dict[str, list[dict[str, float]]] = json.loads((folder / "out" / "log.json").read_text())
    return found


def outcome(folder: Path) -> tuple[bytes, bytes, bytes]:
    """Return predictions, weights and log of a run as bytes."""
    (predictions,) = (folder / "out").glob("*.predictions.csv.gz")
    weights, log_file = folder / "out" / "recognizer.safetensors", folder / "out" / "log.json"
    return predictions.read_bytes(), weights.read_bytes(), log_file.read_bytes()


def trained(folder: Path) -> float:
    """Return the seconds that the stages of a run took, without start and scoring."""
    (record,) = (path for path in (folder / "out").glob("frozen-*.json") if "stages" in json.loads(path.read_text()))
    return float(sum(stage["seconds"] for stage in json.loads(record.read_text())["stages"]))


def workers_of(parent: int) -> list[int]:
    """Return the ids of the workers of a process, in the order of their ranks."""
    try:
        return [int(one) for one in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    except OSError:
        return []


def alive(process: int) -> bool:
    """Return whether a process exists and is not a zombie, which its parent has not waited for."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def killed(words: list[str], rank: int, processes: int, moment: float) -> str:
    """Start a run and kill its process `rank` after `moment` seconds, or at the first moment it exists.

    Returns what is wrong; "ended" if the run had ended before.
    """
    run = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + moment
    workers: list[int] = []
    while run.poll() is None and (time.monotonic() < deadline or len(workers) < processes):
        workers = workers_of(run.pid) or workers
        time.sleep(0.01)
    if run.poll() is not None:
        run.communicate()
        return "ended"
    try:
        os.kill(workers[rank], signal.SIGKILL)
    except ProcessLookupError:
        run.communicate()
        return "ended"
    printed, _ = run.communicate()
    lines = [line for line in printed.splitlines() if "error" in line or "Traceback" in line]
    if run.returncode == 0:
        return "ended"
    wrong = [] if run.returncode == 1 and len(lines) == 1 else [f"code {run.returncode}, {lines}"]
    end = time.monotonic() + 10
    while (left := [one for one in workers if alive(one)]) and time.monotonic() < end:
        time.sleep(0.05)
    return "; ".join([*wrong, *([f"processes {left} are left"] if left else [])])


def main() -> int:
    """Run everything and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2, help="number of processes; default: 2")
    parser.add_argument("--times", type=int, default=10, help="kills of each process; default: 10")
    parser.add_argument("--epochs", type=int, default=20, help="epochs of a run; default: 20")
    parser.add_argument("--device", default="cpu", help="cpu or cuda; default: cpu")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments")
    asked = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    processes, rng, bad = asked.processes, random.Random(asked.seed), 0
    batch = 12 * processes
    with tempfile.TemporaryDirectory(prefix="elrbench-processes-") as work:
        one, several = Path(work) / "one", Path(work) / "several"
        train(command(one, 1, batch, asked.epochs, asked.device))
        words = command(several, processes, batch, asked.epochs, asked.device)
        took = train(words)
        rows = list(zip(log(one)["student"], log(several)["student"], strict=True))
        gap = max(abs(ours["loss"] - theirs["loss"]) for ours, theirs in rows)
        bad += gap > TOLERANCE
        print(f"{len(rows)} epochs, batch {batch}: losses of {processes} processes and of one differ by {gap:.2g}")
        print(f"training took {trained(several):.1f} s by {processes} processes and {trained(one):.1f} s by one")
        expected = outcome(several)
        for number in range(asked.times):
            for rank in range(processes):
                wrong, moment = "ended", 0.0
                while wrong == "ended":
                    folder = Path(work) / "killed"
                    shutil.rmtree(folder, ignore_errors=True)
                    moment = rng.uniform(0, took)
                    again = command(folder, processes, batch, asked.epochs, asked.device)
                    wrong = killed(again, rank, processes, moment)
                train(again)
                if outcome(folder) != expected:
                    wrong = "; ".join(filter(None, [wrong, "the resumed run has another result"]))
                bad += bool(wrong)
                state = "WRONG" if wrong else "same "
                print(f"{state} {number + 1:3} process {rank} killed after {moment:.2f} s {wrong}", flush=True)
    print(f"{asked.times * processes} kills: {bad} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
