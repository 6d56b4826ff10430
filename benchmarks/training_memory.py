"""Measure the peak memory of training on a CPU: `elrbench run` on a few clips, each case in its own process.

    python benchmarks/training_memory.py                                 # the cases in the documentation
    python benchmarks/training_memory.py --only wide-resnet3d-50
    python benchmarks/training_memory.py -- --method cstat --backbone resnet34 --size 256x340 --set method.batch=16

Arguments after `--` are passed to `elrbench run`, in addition to `puppets`, the budget smoke and 12 clips, so that
every stage makes at least one update. The peak is of the whole process, torch included.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

CLI = "import sys; from benchmark_core.cli import main; sys.exit(main())"
CLIPS = 12  # one of each class, a full batch
RUN = ("--dataset", "puppets", "--budget", "smoke", "--set", f"dataset.train={CLIPS}", "--set", f"dataset.test={CLIPS}")
# The enhancer's update has 8 clips; the recognizer after it has 2 clips and needs less memory.
UPSCALED = "--method supervised --size 112x112 --set enhancer.batch=8 --set method.batch=2"
X8 = f"{UPSCALED} --backbone resnet3d-18 --enhancer dvsr --degradation bicubic-14x14"
X4 = f"{UPSCALED} --backbone resnet3d-18 --enhancer dvsr --degradation bicubic-28x28"
ATTENTION = f"{UPSCALED} --backbone i3d --enhancer prog-dvsr-att --degradation bicubic-14x14"
WIDE = "--method supervised --size 112x112 --set method.batch=8 --backbone wide-resnet3d-50 --degradation bicubic-14x14"
CASES = {
    "dvsr x8 from 14x14": X8,
    "dvsr x8 from 14x14, micro_batch": f"{X8} --set enhancer.micro_batch=1",
    "dvsr x8 from 14x14, checkpoint": f"{X8} --set enhancer.checkpoint=true",
    "dvsr x8 from 14x14, micro_batch, checkpoint": f"{X8} --set enhancer.micro_batch=1 --set enhancer.checkpoint=true",
    "dvsr x4 from 28x28": X4,
    "dvsr x4 from 28x28, micro_batch": f"{X4} --set enhancer.micro_batch=1",
    "prog-dvsr-att x8 from 14x14, i3d": ATTENTION,
    "prog-dvsr-att x8 from 14x14, i3d, micro_batch": f"{ATTENTION} --set enhancer.micro_batch=2",
    "wide-resnet3d-50 on 8 clips at 112x112": WIDE,
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="TEXT", default="", help="run only cases whose names contain this text")
    parser.add_argument(
        "run", nargs="*", metavar="...", help="after --: arguments of elrbench run, instead of the cases"
    )
    asked = parser.parse_args(arguments)
    cases = {name: case.split() for name, case in CASES.items() if asked.only in name}
    if asked.run:
        cases = {" ".join(asked.run): asked.run}
    if not cases:
        parser.error(f"no case has {asked.only!r} in its name; cases: {'; '.join(CASES)}")
    worst = 0
    for name, case in cases.items():
        with tempfile.TemporaryDirectory() as folder:  # one cache each, as another case may have trained the same stage
            code, peak, took = measured(case, Path(folder))
        worst = max(worst, code)
        result = f"{peak / 2**30:.2f} GiB" if code == 0 else f"exit {code}"
        print(f"{result:>9}  {took:4.0f} s  {name}", flush=True)
    return worst


def measured(case: Sequence[str], folder: Path) -> tuple[int, int, float]:
    """Return exit code, peak resident memory in bytes, and seconds of `elrbench run` with these arguments."""
    command = [sys.executable, "-c", CLI, "run", *RUN, *case, "--cache", str(folder / "cache")]
    command += ["--out", str(folder / "run"), "--json"]
    began = time.perf_counter()
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    process = os.posix_spawn(command[0], command, os.environ, file_actions=silent)
    _, status, used = os.wait4(process, 0)
    kilobyte = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes
    return os.waitstatus_to_exitcode(status), used.ru_maxrss * kilobyte, time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
