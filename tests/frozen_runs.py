"""Plans of the method of `frozen.py` on the toy, runs of them by one or several processes, and what a run leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import BUILTINS, TOY

from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import RunResult, run
from benchmark_core.scoring.predictions import read_predictions

FROZEN = Path(__file__).with_name("frozen.py")
EVERYTHING = (  # every random draw for a clip of a batch, weights by clip, averages and clipping
    "method.batch=12", "method.epochs=3", "method.optimiser=adamw", "method.lr=0.01", "method.clip_norm=0.5",
    "method.mixup_alpha=0.4", "method.cutmix_time=0.5", "method.random_shift=0.1", "method.random_zoom=0.1",
    "method.colour_jitter=0.3", "method.erase_probability=0.5", "method.random_turn=half",
    "method.model_ema_decay=0.9",
)  # fmt: skip


@pytest.fixture(scope="module")
def frozen_catalog() -> Catalog:
    extra = [*(f"elrbench_plugins.{name}" for name in BUILTINS), str(TOY), str(FROZEN)]
    return load_catalog(extra, entry_points=False)


def planned(catalog: Catalog, *settings: str, **fields: Any) -> Plan:
    usual = {"method": "frozen", "dataset": "toy", "backbone": "toynet", "enhancer": "bilinear", "size": "24x32"}
    settings = ("dataset.test=40", *(settings or ("method.batch=12", "method.epochs=2")))
    return resolve_plan(catalog, PlanRequest(**{**usual, "budget": "smoke", **fields}, settings=settings))


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers have the threads of this process."""
    monkeypatch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))


def go(plan: Plan, catalog: Catalog, folder: Path) -> RunResult:
    return run(plan, catalog, RunContext(out=folder / "out", cache=folder / "cache", device="cpu", reporter=Silent()))


def losses(folder: Path, stage: str = "student") -> list[float]:
    return [row["loss"] for row in json.loads((folder / "out" / "log.json").read_text())[stage]]


def logits(folder: Path) -> np.ndarray:
    (path,) = (folder / "out").glob("*.predictions.csv.gz")
    return read_predictions(path).logits
