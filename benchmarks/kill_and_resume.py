"""Kill a run with SIGKILL many times, resume it, and compare its results with those of an undisturbed run.

    python benchmarks/kill_and_resume.py --times 20 --writes 32
    python benchmarks/kill_and_resume.py --run prog-dvsr                 # an enhancer that grows step by step
    python benchmarks/kill_and_resume.py --run streams                   # rgb+flow: two runs and their mean
    python benchmarks/kill_and_resume.py --run suite --of record,cost    # a suite of two methods

The runs are on the squares of tests/toy.py, at smoke budget with one thread, and take a few seconds. `--times` is
the number of kills at random moments. `--writes` is the number of kills inside a write: halfway through the bytes,
after the bytes but before the rename, and after the rename, spread over all written files (clips, formats, checkpoints,
weights, notes, predictions, record, cost). `--of` restricts them to some kinds of file. `--chain N` kills each run N
times before it may finish.

After each kill, every file in the cache must be intact, and every record must have its cost and its predictions. After
resuming, predictions, weights and logs must equal those of the undisturbed run byte for byte, and so must records and
costs except for times and reused stages. At the end, two processes run the same at once with one cache. Exit code 1 if
anything differs.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from killing.runs import (
    RUNS,
    differences,
    faults,
    litter,
    outcome,
    preload,
    progress,
    run_once,
    trained_twice,
    unfinished,
)
from killing.writes import moments_in, spread, watch_writes

asked_run = "cstat"  # key of `RUNS`; children are forks


def in_child(folder: Path, before: Callable[[], None] = lambda: None, out: str = "runs") -> int:
    """Fork a child that calls `before` and runs the plans; return its process id. Forks share the import of torch."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        before()
        code = run_once(asked_run, folder, out)
    finally:
        sys.stderr.flush()
        os._exit(code)


def wait(child: int) -> int:
    """Return the exit code of the child, or minus the number of the signal that ended it."""
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def write_moments(folder: Path) -> list[str]:
    """Return every moment inside a write, such as `half of clip`, in the order of a run in `folder`."""
    journal = folder / "journal"

    def note(what: str, file: Path | None) -> None:
        with journal.open("a") as lines:
            lines.write(f"{what}\t{file or ''}\n")

    folder.mkdir()
    code = wait(in_child(folder, lambda: watch_writes(note)))
    assert code == 0, f"the run ended with {code}"
    return moments_in(journal.read_text(), folder / "runs")


def dying_at(number: int) -> Callable[[], None]:
    """Return a function that makes a child kill itself at the write moment `number`."""
    seen = 0

    def moment(what: str, file: Path | None) -> None:
        nonlocal seen
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1

    return lambda: watch_writes(moment)


def resumed(folder: Path, expected: dict[str, Any]) -> list[str]:
    """Resume the killed run in `folder` and return what is wrong."""
    wrong = [f"after the kill {fault}" for fault in (*faults(folder), *unfinished(folder / "runs"))]
    code = wait(in_child(folder))
    if code != 0:
        return [*wrong, f"the resumed run ended with {code}"]
    return wrong + differences(folder / "runs", expected) + [f"{name} is left over" for name in litter(folder)]


def by_time(folder: Path, rng: random.Random, took: float, chain: int) -> str | None:
    """Kill a run `chain` times at random moments. Return the times, or None if the run ended before."""
    killed_at = []
    for _ in range(chain):
        at = rng.uniform(0, took)
        child = in_child(folder)
        time.sleep(at)
        os.kill(child, signal.SIGKILL)
        if wait(child) != -signal.SIGKILL:
            return None
        killed_at.append(f"{at:.2f} s")
    return f"killed after {', '.join(killed_at)}, {progress(folder)}"


def together(folder: Path, expected: dict[str, Any]) -> list[str]:
    """Run in two processes with one cache and return what is wrong. Each stage must be trained only once."""
    children = [in_child(folder, out=out) for out in ("runs", "other")]
    if codes := [code for code in map(wait, children) if code != 0]:
        return [f"one of two ended with {codes[0]}"]
    outs = (folder / "runs", folder / "other")
    wrong = [line for out in outs for line in differences(out, expected)] + trained_twice(*outs)
    return wrong + [f"{fault}" for fault in faults(folder)] + [f"{name} is left over" for name in litter(folder)]


def main() -> int:
    global asked_run
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", choices=tuple(RUNS), default="cstat", help="what to kill; default: cstat")
    parser.add_argument("--times", type=int, default=20, help="number of kills at random moments")
    parser.add_argument("--writes", type=int, default=32, help="number of kills inside a write")
    parser.add_argument("--of", default="", help="kinds of file for --writes, e.g. record,cost; default: all")
    parser.add_argument(
        "--chain", type=int, default=1, help="number of kills of one run at random moments before it may finish"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments")
    asked = parser.parse_args()
    asked_run = asked.run
    preload()
    rng = random.Random(asked.seed)
    bad = 0
    with tempfile.TemporaryDirectory(prefix="elrbench-kill-") as work:
        whole = Path(work) / "whole"
        began = time.monotonic()
        code = wait(in_child(whole))
        took = time.monotonic() - began
        if code != 0:
            print(f"the run itself ended with {code}: {(whole / 'runs.log').read_text()}")
            return 1
        expected = outcome(whole / "runs")
        moments = write_moments(Path(work) / "watched")
        print(f"a run takes {took:.1f} s and has {len(moments)} moments inside writes, of {len(set(moments))} kinds")

        def judge(folder: Path, what: str) -> None:
            nonlocal bad
            wrong = resumed(folder, expected)
            bad += bool(wrong)
            print(f"{'WRONG' if wrong else 'same '}  {what}{': ' * bool(wrong)}{'; '.join(wrong)}", flush=True)
            shutil.rmtree(folder)

        for number in range(asked.times):
            killed_at = None
            while killed_at is None:
                folder = Path(work) / "killed"
                shutil.rmtree(folder, ignore_errors=True)
                killed_at = by_time(folder, rng, took, asked.chain)
            judge(folder, f"{number + 1:3}  {killed_at}")
        places = spread(moments, [kind for kind in asked.of.split(",") if kind], asked.writes, rng)
        for place in places:
            folder = Path(work) / "killed"
            code = wait(in_child(folder, dying_at(place)))
            assert code == -signal.SIGKILL, f"moment {place} was not reached: the run ended with {code}"
            judge(folder, f"{place:3}  {moments[place]}")
        wrong = together(Path(work) / "both", expected)
        bad += bool(wrong)
        print(f"{'WRONG' if wrong else 'same '}  two processes at once{': ' * bool(wrong)}{'; '.join(wrong)}")
    print(f"{asked.times + len(places)} kills and two runs at once: {bad} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
