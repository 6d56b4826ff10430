"""Run and cost records as a run would leave them, any field set by name: `make_record(hits, method="a", seed=1)`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_core.canonical import digest_of
from benchmark_core.records.checksum import add_checksum
from benchmark_core.records.cost_record import write_cost
from benchmark_core.records.files import track_path
from benchmark_core.records.record import write_record
from benchmark_core.scoring.hits import pack_hits
from benchmark_core.scoring.predictions import read_predictions, write_predictions
from benchmark_core.scoring.statistics import wilson

PLAN: Mapping[str, Any] = {
    "method": "mine",
    "dataset": "acts",
    "protocol": "split1",
    "fold": "1",
    "degradation": "average-12x16",
    "high_source": "",
    "enhancer": "bilinear",
    "backbone": "net18",
    "weights": "scratch",
    "modality": "rgb",
    "size": [96, 128],
    "sampling": "4x1",
    "precision": "fp32",
    "budget": "small",
    "seed": 0,
    "settings": {"method.epochs": 20, "method.batch": 16, "enhancer.train": False},
}


def bits(*right: int, n: int = 20) -> np.ndarray:
    """Hits of `n` clips, right at the given places."""
    hits = np.zeros(n, dtype=bool)
    hits[list(right)] = True
    return hits


def make_record(
    hits: Sequence[bool] | np.ndarray | None = None,
    *,
    folds: Sequence[str] = ("1",),
    scores: Mapping[str, Any] | None = None,
    plugin: str = "elrbench",
    more: Mapping[str, Any] | None = None,
    **plan_fields: Any,
) -> dict[str, Any]:
    """A sealed single-label record of `hits`; multi-label of `scores` where there are none. `more`: top-level keys."""
    plan = {**PLAN, **plan_fields}
    hits = bits(*range(10)) if hits is None and scores is None else hits
    if hits is not None:
        hits = np.asarray(hits)
        top1, n = float(hits.mean()), len(hits)
        low, high = wilson(top1, n)
        scores = {
            "top1": {"value": top1, "low": low, "high": high, "n": n, "interval": "wilson95"},
            "top5": {"value": 1.0, "low": wilson(1.0, n)[0], "high": 1.0, "n": n, "interval": "wilson95"},
        }
    assert scores is not None
    first = next(iter(scores))
    digest = digest_of(plan)
    method = plan["method"].replace(":", "-").replace("+", "-")
    record = {
        "schema": 1,
        "kind": "run",
        "digest": digest,
        "plan": plan,
        "changed": [],
        "track": {
            "dataset": plan["dataset"],
            "protocol": plan["protocol"],
            "folds": list(folds),
            "degradation": plan["degradation"],
            "task": "single-label" if hits is not None else "multi-label",
        },
        "privileged": False,
        "control": False,
        "primary": first,
        "scores": dict(scores),
        "per_class": {"classes": ["a", "b"], "n": [scores[first]["n"], 0], "value": [scores[first]["value"], None]},
        "hits": pack_hits(hits) if hits is not None else None,
        "clips": {"train": 30, "test": scores[first]["n"], "bad": [], "padded": 0},
        "dataset": {"manifest": "feed", "classes": 2},
        "initialisation": plan["weights"],
        "updates": {"student": 40},
        "stages": [{"name": "student", "key": "k", "reused": False, "seconds": 1.5}],
        "device": "cpu: test",
        "versions": {"elrbench": "0.1.0"},
        "plugins": {"method": {"name": method, "plugin": "p", "distribution": plugin, "version": "0.1.0"}},
        "timings": {"train_s": 1.0, "test_s": 1, "total_s": 2.0},
        "structure": f"{plan['backbone']}-{plan['enhancer']}",
        "predictions": {"file": f"{method}-{digest}.predictions.csv.gz", "sha256": "0" * 64},
        "finished": "2026-01-01T00:00:00Z",
    }
    whole = {**record, **(more or {})}
    if "clips" not in (more or {}):
        whole["clips"] = {**record["clips"], "test": whole["scores"][whole["primary"]]["n"]}
    return add_checksum(whole)


def make_cost(structure: str, *, device: str = "cpu: test", ms: float | None = None, **more: Any) -> dict[str, Any]:
    """A sealed cost record; `ms` the latency of a clip on a GPU."""
    return add_checksum(
        {
            "schema": 1,
            "kind": "cost",
            "structure": structure,
            "describe": {"backbone": "net18"},
            "params": {"total": 11_176_512, "backbone": 11_170_000, "enhancer": 0, "head": 6_512},
            "macs": {"view": 1.5e8, "clip": 6e8, "enhancer": 0.0},
            "uncounted": {"aten::add": 3},
            "understated": [],
            "latency": None if ms is None else {"single": {"median": ms, "q1": ms, "q3": ms}},
            "peak_memory": None,
            "device": device,
            "versions": {"elrbench": "0.1.0"},
            **more,
        }
    )


def put(leaderboards: Path, *records: Mapping[str, Any]) -> list[Path]:
    """Writes records and costs where they belong under `leaderboards`."""
    return [
        write_record(leaderboards / "records" / track_path(record["track"]), record)
        if record["kind"] == "run"
        else write_cost(leaderboards / "costs", record)
        for record in records
    ]


def put_scored(
    leaderboards: Path,
    targets: np.ndarray,
    logits: np.ndarray,
    *,
    classes: Sequence[str] = "abc",
    primary: str = "",
    decisions: bool = True,
    more: Mapping[str, Any] | None = None,
    **plan_fields: Any,
) -> Path:
    """Writes predictions of clips c000, c001, … and the record that a run makes of them; the record's path."""
    primary = primary or ("top1" if np.ndim(targets) == 1 else "f1_macro")
    bare = make_record(**plan_fields, more=more)
    folder = leaderboards / "records" / track_path(bare["track"])
    ids = [f"c{number:03d}" for number in range(len(targets))]
    path = write_predictions(folder / bare["predictions"]["file"], ids, targets, logits, list(classes))
    made = read_predictions(path).scored().to_json(primary if decisions else "")
    task = "single-label" if np.ndim(targets) == 1 else "multi-label"
    whole = {
        **bare,
        **made,
        "primary": primary,
        "track": {**bare["track"], "task": task},
        "clips": {**bare["clips"], "test": len(ids)},
        "dataset": {**bare["dataset"], "classes": len(classes)},
        "predictions": {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
        "versions": {"elrbench": "0.1.0", "numpy": np.__version__},
        **(more or {}),
    }
    del whole["seal"]
    return write_record(folder, whole)
