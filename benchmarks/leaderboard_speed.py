"""Measure time and memory of `elrbench leaderboard` on 2,000 and 10,000 generated records.

    python benchmarks/leaderboard_speed.py

Records are like those of runs: eight tracks with one or three folds, five seeds, 2,000 clips, 51 classes, each method
with its control, and a cost record per structure. Each size is measured in its own process, from start to the last
written table. Another process then checks the tables. CPU seconds do not depend on other processes; wall-clock seconds
do. Exit code 1 if 2,000 records take more than 3 CPU seconds, or 10,000 more than five times that (plus start) or 400
MB.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_core.canonical import digest_of
from benchmark_core.names import file_name
from benchmark_core.records.checksum import add_checksum
from benchmark_core.records.consistency import check_record, check_result
from benchmark_core.records.cost_record import cost_name
from benchmark_core.records.files import COSTS, RECORDS, track_path
from benchmark_core.records.record import record_name
from benchmark_core.scoring.hits import pack_hits
from benchmark_core.scoring.statistics import wilson

SIZES = (2_000, 10_000)
SECONDS = 3.0  # for 2,000 records
MEGABYTES = 400.0  # for 10,000 records
CLIPS = (2_000, 1_990, 1_970)  # of each fold: unequal folds with equal weight take the slower path
CLASSES = 51
SEEDS = range(5)
TRACKS = tuple(
    (dataset, protocol, folds, degradation)
    for dataset, protocol, folds in (("feed", "split1", ("1",)), ("acts", "3splits", ("1", "2", "3")))
    for degradation in ("average-6x8", "average-12x16", "average-18x24", "average-24x32")
)
MEASURE = """
import resource, sys, time
from benchmark_core.cli import main
began = time.perf_counter()
sys.argv = ["elrbench", "leaderboard", *sys.argv[1:]]
try:
    code = main()
except SystemExit as ended:
    code = ended.code or 0
print(time.process_time(), time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, code)
"""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of records")
    parser.add_argument("--keep", type=Path, help="empty folder for records and tables, instead of a temporary one")
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as passing:
        empty = Path(passing) / "empty"
        empty.mkdir()
        start, _, least, _ = measured(empty)
        print(f"{0:6} records: {start:6.2f} s CPU, {least:4.0f} MB")
        found = {}
        for size in asked.sizes:
            board = (asked.keep or Path(passing)) / str(size)
            write_board(board, size)
            seconds, wall, megabytes, code = measured(board)
            check, _, _, stale = measured(board, "--check")
            print(
                f"{size:6} records: {seconds:6.2f} s CPU, {wall:6.2f} s wall clock, {megabytes:4.0f} MB; "
                f"--check {check:6.2f} s"
            )
            assert code == stale == 0, f"exit {code}, --check {stale}"
            found[size] = seconds, megabytes
    small, large = (found.get(size) for size in SIZES)
    slow = small is not None and small[0] > SECONDS
    if small is not None and large is not None:
        slow |= large[0] > start + 5 * 1.1 * (small[0] - start) or large[1] > MEGABYTES
    return int(slow)


def measured(board: Path, *flags: str) -> tuple[float, float, float, int]:
    """Return CPU seconds, wall-clock seconds, peak megabytes and exit code of one process."""
    argv = [sys.executable, "-c", MEASURE, "--folder", str(board), *flags]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    seconds, wall, megabytes, code = done.stdout.splitlines()[-1].split()
    return float(seconds), float(wall), float(megabytes), int(code)


def write_board(board: Path, size: int) -> None:
    """Write `size` records and their cost records."""
    for number, record in zip(range(size), records(np.random.default_rng(0)), strict=False):
        if number == 0:
            check_result(check_record(record))  # generated records pass the checks that `leaderboard` makes
        _write(board / RECORDS / track_path(record["track"]) / record_name(record), record)
    for number in range(8):
        cost = cost_of(f"net{number}-bilinear-mean-logits-96x128", number)
        _write(board / COSTS / cost_name(cost), cost)


def records(rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Yield records without end: method after method, each with its control on every track."""
    hard = {track: [rng.random(clips) for clips in CLIPS[: len(track[2])]] for track in TRACKS}
    for number in range(10_000):
        for track in TRACKS:
            for control in (False, True):
                for seed in SEEDS:
                    for place, fold in enumerate(track[2]):
                        skill = 0.4 + 0.3 * rng.random() + (0.0 if control else 0.02)
                        hits = rng.random(CLIPS[place]) < hard[track][place] * 2 * skill
                        yield record_of(track, fold, seed, number, control, hits, rng)


def record_of(
    track: tuple[str, str, tuple[str, ...], str],
    fold: str,
    seed: int,
    number: int,
    control: bool,
    hits: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return a record of one run with its checksum. `number` makes its plan unique and selects its network."""
    dataset, protocol, folds, degradation = track
    method = "plain:matched" if control else f"transfer-{number:04}:both+rc"
    plan = {
        "method": method,
        "dataset": dataset,
        "protocol": protocol,
        "fold": fold,
        "degradation": degradation,
        "high_source": "",
        "enhancer": "bilinear",
        "backbone": f"net{number % 8}",
        "weights": "scratch",
        "modality": "rgb",
        "size": [96, 128],
        "sampling": "4x1",
        "precision": "bf16",
        "budget": "small",
        "seed": seed,
        "settings": {
            **{f"dataset.option{place}": place for place in range(6)},
            **{f"degradation.sigma{place}": place / 4 for place in range(2)},
            **{f"method.number{place}": place / 8 for place in range(16)},
            "method.epochs": 20 + number // 8,
            "method.joint_epochs": 20,
            "method.batch": 16,
        },
    }
    digest, clips = digest_of(plan), len(hits)
    top1, top5 = float(hits.mean()), float(min(1.0, hits.mean() + 0.3))
    scores = {
        name: {"value": value, "low": wilson(value, clips)[0], "high": wilson(value, clips)[1], "n": clips}
        for name, value in (("top1", top1), ("top5", top5))
    }
    brought = {"plugin": "plugin", "distribution": "elrbench", "version": "0.1.0"}
    return add_checksum(
        {
            "schema": 1,
            "kind": "run",
            "digest": digest,
            "plan": plan,
            "changed": ["precision", "method.epochs"],
            "track": {
                "dataset": dataset,
                "protocol": protocol,
                "folds": list(folds),
                "pooled": False,
                "degradation": degradation,
                "task": "single-label",
            },
            "privileged": False,
            "control": control,
            "primary": "top1",
            "scores": {name: {**score, "interval": "wilson95"} for name, score in scores.items()},
            "per_class": {
                "classes": [f"class-{place}" for place in range(CLASSES)],
                "n": [clips // CLASSES + (place < clips % CLASSES) for place in range(CLASSES)],
                "value": [round(float(value), 4) for value in rng.random(CLASSES)],
            },
            "hits": pack_hits(hits),
            "clips": {"train": 3570, "test": clips, "bad": [], "padded": 3},
            "dataset": {"manifest": "5989731632bfbb17", "classes": CLASSES},
            "initialisation": "scratch",
            "updates": {"teacher-tam": 740, "student": 740, "joint": 740},
            "stages": [
                {"name": name, "key": "44eb75742fd92b19", "reused": False, "seconds": 704.11, "device": "cpu"}
                for name in ("teacher-tam", "student", "joint")
            ],
            "device": "cpu: generated (1 threads)",
            "versions": {"python": "3.11.7", "elrbench": "0.1.0", "torch": "2.13.0+cpu", "numpy": "2.4.6"},
            "plugins": {
                kind: {"name": kind, **brought} for kind in ("dataset", "degradation", "enhancer", "backbone", "method")
            },
            "timings": {"prepare_s": 0.39, "train_s": 1018.17, "test_s": 39.3, "total_s": 1057.98},
            "structure": f"net{number % 8}-bilinear-mean-logits-96x128",
            "predictions": {"file": f"{file_name(method)}-{digest}.predictions.csv.gz", "sha256": "0" * 64},
            "finished": "2026-01-01T00:00:00Z",
        }
    )


def cost_of(structure: str, number: int) -> dict[str, Any]:
    """Return a cost record with a latency and its checksum."""
    quartiles = {"median": 1.5 + number, "q1": 1.4 + number, "q3": 1.7 + number}
    return add_checksum(
        {
            "schema": 1,
            "kind": "cost",
            "structure": structure,
            "describe": {"backbone": f"net{number}", "enhancer": "bilinear", "head": "mean-logits", "size": [96, 128]},
            "params": {"total": 11_176_512, "backbone": 11_170_000, "enhancer": 0, "head": 6_512},
            "macs": {"view": 1.5e8, "clip": 6e8, "enhancer": 1e6},
            "uncounted": {},
            "understated": [],
            "latency": {"single": quartiles},
            "peak_memory": None,
            "device": "cuda: generated",
            "versions": {"elrbench": "0.1.0"},
        }
    )


def _write(path: Path, record: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
