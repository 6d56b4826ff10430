"""What is killed: a run, a run of two streams, or a suite; and what must be equal afterwards."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from killing.writes import RECORD

TOY = Path(__file__).resolve().parents[2] / "tests" / "toy.py"
SMALL = ("dataset.train=18", "dataset.test=12", "method.batch=6", "method.epochs=4", "method.joint_epochs=4")
RUNS: dict[str, dict[str, Any]] = {  # fields of plans; a value of `methods` makes a suite
    "cstat": {"method": "cstat", "size": "48x64", "sampling": "2x1", "settings": SMALL},
    "prog-dvsr": {
        "method": "supervised", "size": "16x16", "sampling": "1x1", "degradation": "average-2x2",
        "enhancer": "prog-dvsr",
        "settings": ("dataset.train=6", "dataset.test=4", "method.batch=2", "method.epochs=1", "enhancer.batch=2",
                     "enhancer.epochs_between=3", "enhancer.epochs_last=3", "enhancer.fade_step=0.1"),
    },
    "streams": {
        "method": "supervised", "size": "24x32", "sampling": "2x1", "modality": "rgb+flow",
        "settings": ("dataset.train=6", "dataset.test=6", "method.batch=6", "method.epochs=2"),
    },
    "suite": {
        "methods": {"supervised": (), "cstat:stat": ("method.joint_epochs=2",)},
        "size": "24x32", "sampling": "2x1",
        "settings": ("dataset.train=6", "dataset.test=6", "method.batch=6", "method.epochs=2"),
    },
}  # fmt: skip
CHANGING = ("seal", "timings", "finished", "stages", "notes")  # fields of a record that may differ
TIMED = ("seal", "latency", "flow", "peak_memory")  # fields of a cost record that may differ


def preload() -> None:
    """Import what every child needs, once, before forking."""
    import torch

    from benchmark_core.catalog import load_catalog

    for module in ("cost.macs", "runs.runner"):
        importlib.import_module(f"benchmark_core.{module}")
    for module in ("cstat.fit", "dvsr.fit"):
        importlib.import_module(f"elrbench_plugins.{module}")
    load_catalog(extra=(str(TOY),))
    torch.set_num_threads(1)
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # the first optimizer imports many modules


def command(name: str, folder: Path, out: Path) -> list[str]:
    """Return the arguments of `elrbench` for `RUNS[name]`, with the cache in `folder` and run folders in `out`."""
    fields = dict(RUNS[name])
    settings = fields.pop("settings")
    common = {"dataset": "toy", "backbone": "toynet", "budget": "smoke", **fields}
    flags = ["--plugin", str(TOY), "--cache", str(folder / "cache"), "--device", "cpu"]
    if "methods" not in fields:
        flags += ["--out", str(out / "run")]
        flags += [word for key, value in common.items() for word in (f"--{key}", value)]
        return ["run", *flags, *(word for setting in settings for word in ("--set", setting))]
    methods = common.pop("methods")
    rows = [{"row": method, "method": method, "set": _set((*settings, *own))} for method, own in methods.items()]
    suite = folder / f"{out.name}.yaml"
    suite.write_text(json.dumps({"common": common, "rows": rows}))  # JSON is YAML
    return ["suite", "run", str(suite), *flags, "--out", str(out)]


def _set(settings: Sequence[str]) -> dict[str, int]:
    return {key: int(value) for key, _, value in (setting.partition("=") for setting in settings)}


def run_once(name: str, folder: Path, out: str) -> int:
    """Run `RUNS[name]` by the command line, with run folders in `folder`/`out`. Returns the exit code."""
    from benchmark_core.cli import main

    folder.mkdir(parents=True, exist_ok=True)
    os.environ.pop("ELRBENCH_DATA", None)
    os.chdir(folder)
    with open(folder / f"{out}.log", "a") as log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        try:
            main(command(name, folder, folder / out))
        except SystemExit as stopped:
            return int(stopped.code or 0)
    return 0


# -- results


def records_in(out: Path) -> dict[Path, dict[str, Any]]:
    """Return the records of all run folders in `out` by path."""
    from benchmark_core.records.record import read_record

    return {path: dict(read_record(path)) for path in sorted(out.rglob("*.json")) if RECORD.search(path.name)}


def outcome(out: Path) -> dict[str, Any]:
    """Return everything in the run folders that must not depend on kills, by path."""
    found: dict[str, Any] = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file() and not path.name.startswith(".")):
        name = str(path.relative_to(out))
        if path.suffix != ".json" or path.name == "log.json":
            found[name] = path.read_bytes()
            continue
        content = json.loads(path.read_bytes())
        changing = CHANGING if content["kind"] == "run" else TIMED
        found[name] = {key: value for key, value in content.items() if key not in changing}
        if content["kind"] == "run":
            notes = [note for note in content.get("notes", ()) if ": reused, finished " not in note]
            found[f"{name}, stages"] = [(stage["name"], stage["key"]) for stage in content["stages"]]
            found[f"{name}, notes"] = notes
    return found


def differences(out: Path, expected: dict[str, Any]) -> list[str]:
    """Return the parts of an outcome that differ from `expected`."""
    found = outcome(out)
    return [f"{key} differs" for key in sorted(expected.keys() | found.keys()) if expected.get(key) != found.get(key)]


def unfinished(out: Path) -> list[str]:
    """Return the run folders in `out` with a record and without all other files of a finished run."""
    from benchmark_core.records.finished import is_finished

    return [
        f"{path.relative_to(out)} has no cost or no predictions"
        for path, record in records_in(out).items()
        if not is_finished(path.parent, record)  # type: ignore[arg-type]
    ]


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


def progress(folder: Path) -> str:
    """Return the progress of a killed run as text."""
    stages = folder / "cache" / "stages"
    done = [path.parent.name.rpartition("-")[0] for path in sorted(stages.glob("*/stage.json"))]
    stood = [path.parent.name.rpartition("-")[0] for path in sorted(stages.glob("*/checkpoint.pt"))]
    clips = len(list((folder / "cache").glob("clips/*/*/*.clip")))
    return f"{clips} clips, finished: {' '.join(done) or 'nothing'}, at a checkpoint: {' '.join(stood) or 'nothing'}"


def trained_twice(*outs: Path) -> list[str]:
    """Return the stages that were not trained exactly once by the runs in `outs` together."""
    stages = [
        (stage["key"], stage["reused"])
        for out in outs
        for record in records_in(out).values()
        if "fused" not in record  # it repeats the stages of its streams
        for stage in record["stages"]
    ]
    trained = Counter(key for key, reused in stages if not reused)
    return [f"stage {key} was trained {trained[key]} times" for key in {key for key, _ in stages} if trained[key] != 1]
