"""Kill a run with SIGKILL many times, resume it, and compare its results with those of an undisturbed run.

    python benchmarks/kill_and_resume.py --times 20 --writes 32
    python benchmarks/kill_and_resume.py --run prog-dvsr       # an enhancer that grows step by step

The run is cstat on the squares of tests/toy.py, at smoke budget with one thread, and takes a few seconds. `--times` is
the number of kills at random moments. `--writes` is the number of kills inside a write: halfway through the bytes,
after the bytes but before the rename, and after the rename, spread over all written files (clips, formats, checkpoints,
weights, notes, predictions, record, cost). `--chain N` kills each run N times before it may finish.

After each kill, every file in the cache must be intact. After resuming, predictions and weights must equal those of the
undisturbed run byte for byte, and so must the record except for times and reused stages. At the end, two processes run
the plan at once with one cache. Exit code 1 if anything differs.
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

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = ("cstat", "degradations", "dvsr", "interpolation", "supervised")
RUNS: dict[str, dict[str, Any]] = {
    "cstat": {
        "method": "cstat", "size": "48x64", "sampling": "2x1",
        "settings": ("dataset.train=18", "dataset.test=12", "method.batch=6", "method.epochs=4",
                     "method.joint_epochs=4"),
    },
    "prog-dvsr": {
        "method": "supervised", "size": "16x16", "sampling": "1x1", "degradation": "average-2x2",
        "enhancer": "prog-dvsr",
        "settings": ("dataset.train=6", "dataset.test=4", "method.batch=2", "method.epochs=1", "enhancer.batch=2",
                     "enhancer.epochs_between=3", "enhancer.epochs_last=3", "enhancer.fade_step=0.1"),
    },
}  # fmt: skip
components = "cstat"  # key of `RUNS`; children are forks
CHANGING = ("seal", "timings", "finished", "stages")  # fields of a record that may differ


def preload() -> None:
    """Import what every child needs, once, before forking."""
    import torch

    import benchmark_core.cost.macs
    import benchmark_core.runs.runner  # noqa: F401
    import elrbench_plugins.cstat.fit
    import elrbench_plugins.dvsr.fit  # noqa: F401

    torch.set_num_threads(1)
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # the first optimizer imports many modules


def run_once(folder: Path, out: str) -> None:
    """Run the plan, with cache and run folder in `folder`."""
    from benchmark_core.catalog import load_catalog
    from benchmark_core.plans.resolve import PlanRequest, resolve_plan
    from benchmark_core.progress import Silent
    from benchmark_core.runs.context import RunContext
    from benchmark_core.runs.runner import run

    names = [f"elrbench_plugins.{name}" for name in PLUGINS]
    catalog = load_catalog([*names, str(ROOT / "tests" / "toy.py")], entry_points=False)
    plan = resolve_plan(catalog, PlanRequest(dataset="toy", backbone="toynet", budget="smoke", **RUNS[components]))
    run(plan, catalog, RunContext(data=None, out=folder / out, cache=folder / "cache", reporter=Silent(), device="cpu"))


def in_child(folder: Path, before: Callable[[], None] = lambda: None, out: str = "run") -> int:
    """Fork a child that calls `before` and runs the plan; return its process id. Forks share the import of torch."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        before()
        run_once(folder, out)
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


def wait(child: int) -> int:
    """Return the exit code of the child, or minus the number of the signal that ended it."""
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


# -- inside writes


def watch_writes(moment: Callable[[str, Path | None], None]) -> None:
    """Call `moment(what, file)` in every write from now on: `half` (file unknown), `whole` and `placed`."""
    from benchmark_core.clips import clipfile

    replace, path_replace, fdopen, add = os.replace, Path.replace, os.fdopen, clipfile.Writer.add

    def placing(place: Callable[..., Any]) -> Callable[..., Any]:
        def placed(source: Any, target: Any) -> None:
            if place is path_replace and depth:  # Path.replace calls os.replace from Python 3.11 on
                return place(source, target)
            depth.append(1)
            moment("whole", Path(target))
            place(source, target)
            moment("placed", Path(target))
            depth.pop()

        return placed

    depth: list[int] = []

    class Halved:
        def __init__(self, file: Any) -> None:
            self.file = file

        def write(self, content: bytes) -> None:
            self.file.write(content[: len(content) // 2])
            self.file.flush()
            moment("half", None)
            self.file.write(content[len(content) // 2 :])

        def __enter__(self) -> Halved:
            return self

        def __exit__(self, *error: object) -> None:
            self.file.close()

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    def adding(self: Any, pictures: Any) -> None:
        add(self, pictures)
        self.file.flush()
        moment("half", None)

    os.replace, os.fdopen = placing(replace), lambda *given: Halved(fdopen(*given))  # type: ignore[assignment]
    Path.replace = placing(path_replace)  # type: ignore[method-assign]
    clipfile.Writer.add = adding  # type: ignore[method-assign]


def kind_of(file: Path) -> str:
    """Return the kind of a file, such as `clip`, `checkpoint.pt` or `record`."""
    if file.suffix == ".clip":
        return "clip"
    if file.name.endswith(".predictions.csv.gz"):
        return "predictions"
    if file.suffix == ".json" and file.parent.name == "run" and file.name != "log.json":
        return "record" if file.name.startswith(f"{RUNS[components]['method']}-") else "cost"
    return file.name


def write_moments(folder: Path) -> list[str]:
    """Return every moment inside a write, such as `half of clip`, in the order of a run in `folder`."""
    journal = folder / "journal"

    def note(what: str, file: Path | None) -> None:
        with journal.open("a") as lines:
            lines.write(f"{what}\t{file or ''}\n")

    folder.mkdir()
    code = wait(in_child(folder, lambda: watch_writes(note)))
    assert code == 0, f"the run ended with {code}"
    moments: list[str] = []
    for line in reversed(journal.read_text().splitlines()):
        what, _, file = line.partition("\t")
        named = (
            kind_of(Path(file)) if file else moments[-1].partition(" of ")[2]
        )  # half of the file that is placed next
        moments.append(f"{what} of {named}")
    return moments[::-1]


def dying_at(number: int) -> Callable[[], None]:
    """Return a function that makes a child kill itself at the write moment `number`."""
    seen = 0

    def moment(what: str, file: Path | None) -> None:
        nonlocal seen
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1

    return lambda: watch_writes(moment)


# -- results


def read(run: Path) -> dict[str, Any]:
    """Return the record in a run folder."""
    from benchmark_core.records.record import find_record, read_record

    return dict(read_record(find_record(run)))


def outcome(run: Path) -> dict[str, Any]:
    """Return everything that must not depend on kills."""
    record = read(run)
    stages = [(stage["name"], stage["key"]) for stage in record["stages"]]
    plain = {key: value for key, value in record.items() if key not in CHANGING}
    files = {path.name: path.read_bytes() for path in run.iterdir() if path.suffix in (".gz", ".safetensors")}
    return {"record": plain, "stages": stages, "log": (run / "log.json").read_bytes(), **files}


def faults(folder: Path) -> list[str]:
    """Return the damaged files of the cache, with reasons."""
    from benchmark_core.progress import Silent
    from elrbench_plugins.commands.cache.contents import read_cache
    from elrbench_plugins.commands.cache.reading import verify

    cache = folder / "cache"
    if not (cache / "clips").is_dir() and not (cache / "stages").is_dir():
        return []
    return [
        f"{one.path.relative_to(cache)}: {one.reason}" for one in verify(read_cache(cache), reporter=Silent()).broken
    ]


def litter(folder: Path) -> list[str]:
    """Return temporary files that a finished run should have removed."""
    names = ("*.tmp", ".*.part", "checkpoint.pt", "begun.json")
    return [str(path.relative_to(folder)) for name in names for path in (folder / "cache").rglob(name)]


def differences(run: Path, expected: dict[str, Any]) -> list[str]:
    """Return the parts of a run's outcome that differ from `expected`."""
    found = outcome(run)
    return [f"{key} differs" for key in sorted(expected.keys() | found.keys()) if expected.get(key) != found.get(key)]


def resumed(folder: Path, expected: dict[str, Any]) -> list[str]:
    """Resume the killed run in `folder` and return what is wrong."""
    wrong = [f"after the kill {fault}" for fault in faults(folder)]
    code = wait(in_child(folder))
    if code != 0:
        return [*wrong, f"the resumed run ended with {code}"]
    return wrong + differences(folder / "run", expected) + [f"{name} is left over" for name in litter(folder)]


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


def progress(folder: Path) -> str:
    """Return the progress of a killed run as text."""
    stages = folder / "cache" / "stages"
    done = [path.parent.name.rpartition("-")[0] for path in sorted(stages.glob("*/stage.json"))]
    stood = [path.parent.name.rpartition("-")[0] for path in sorted(stages.glob("*/checkpoint.pt"))]
    clips = len(list((folder / "cache").glob("clips/*/*/*.clip")))
    return f"{clips} clips, finished: {' '.join(done) or 'nothing'}, at a checkpoint: {' '.join(stood) or 'nothing'}"


def together(folder: Path, expected: dict[str, Any]) -> list[str]:
    """Run the plan in two processes with one cache and return what is wrong. Each stage must be trained only once."""
    children = [in_child(folder, out=out) for out in ("run", "other")]
    if codes := [code for code in map(wait, children) if code != 0]:
        return [f"one of two ended with {codes[0]}"]
    wrong = [line for out in ("run", "other") for line in differences(folder / out, expected)]
    pairs = zip(read(folder / "run")["stages"], read(folder / "other")["stages"], strict=True)
    wrong += [f"stage {one['name']} was trained twice" for one, other in pairs if not one["reused"] ^ other["reused"]]
    return wrong + [f"{fault}" for fault in faults(folder)] + [f"{name} is left over" for name in litter(folder)]


def spread(moments: list[str], count: int, rng: random.Random) -> list[int]:
    """Return `count` of the moments, of each kind in turn."""
    kinds = list(dict.fromkeys(moments))
    left = {kind: [number for number, one in enumerate(moments) if one == kind] for kind in kinds}
    picked: list[int] = []
    while len(picked) < min(count, len(moments)):
        for kind in kinds:
            if left[kind] and len(picked) < count:
                picked.append(left[kind].pop(rng.randrange(len(left[kind]))))
    return sorted(picked)


def main() -> int:
    global components
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", choices=tuple(RUNS), default="cstat", help="run to kill; default: cstat")
    parser.add_argument("--times", type=int, default=20, help="number of kills at random moments")
    parser.add_argument("--writes", type=int, default=32, help="number of kills inside a write")
    parser.add_argument(
        "--chain", type=int, default=1, help="number of kills of one run at random moments before it may finish"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments")
    asked = parser.parse_args()
    components = asked.run
    preload()
    rng = random.Random(asked.seed)
    bad = 0
    with tempfile.TemporaryDirectory(prefix="elrbench-kill-") as work:
        whole = Path(work) / "whole"
        began = time.monotonic()
        code = wait(in_child(whole))
        took = time.monotonic() - began
        if code != 0:
            print(f"the run itself ended with {code}")
            return 1
        expected = outcome(whole / "run")
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
        for place in spread(moments, asked.writes, rng):
            folder = Path(work) / "killed"
            code = wait(in_child(folder, dying_at(place)))
            assert code == -signal.SIGKILL, f"moment {place} was not reached: the run ended with {code}"
            judge(folder, f"{place:3}  {moments[place]}")
        wrong = together(Path(work) / "both", expected)
        bad += bool(wrong)
        print(f"{'WRONG' if wrong else 'same '}  two processes at once{': ' * bool(wrong)}{'; '.join(wrong)}")
    print(f"{asked.times + min(asked.writes, len(moments))} kills and two runs at once: {bad} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
