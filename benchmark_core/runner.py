"""One run as a story: index, store, stages, score, record."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from benchmark_core.catalog import Catalog
from benchmark_core.combinations import Chosen
from benchmark_core.cost.structure import cost_of, describe_plan, structure_key
from benchmark_core.errors import ElrError
from benchmark_core.names import ComponentName, file_name
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plan import Plan
from benchmark_core.prepare import prepare
from benchmark_core.progress import Reporter
from benchmark_core.provenance import file_digest, plugins_of, versions
from benchmark_core.records.cost_record import write_cost
from benchmark_core.records.record import seal, write_record
from benchmark_core.rehearsal import rehearse
from benchmark_core.resolve import Request, changed_from_budget, chosen_by, resolve_plan, track_name
from benchmark_core.scoring.predict import predict
from benchmark_core.scoring.predictions import read_predictions, write_predictions
from benchmark_core.training.device import describe_device, pick_device
from benchmark_core.training.training import Training

HOUR = 3600.0


@dataclass(frozen=True)
class RunResult:
    """The record as written, and the folder that holds it."""

    record: dict[str, Any]
    folder: Path


def run(
    plan: Plan,
    catalog: Catalog,
    *,
    data: Path | None,
    out: Path,
    cache: Path,
    reporter: Reporter,
    bad_clips: str = "fail",
    device: str | None = None,
    refit: bool = False,
) -> RunResult:
    """Trains what `plan` names, scores it on its fold's test clips, and leaves a record in `out`.

    Raises ElrError before work began (folders, lists, names) and RunFailed after.
    """
    began = time.monotonic()
    chosen = chosen_by(catalog, plan)
    high = chosen.method.privileged
    place = pick_device(device)
    folder = writable(out)
    ready = prepare(plan, chosen, data=data, cache=writable(cache), bad_clips=bad_clips, reporter=reporter)
    if plan.budget != "smoke":
        tell_estimate(
            plan,
            chosen,
            catalog,
            clips=len(ready.train),
            manifest=ready.index.digest(),
            device=place,
            cache=cache,
            refit=refit,
            reporter=reporter,
        )
    training = Training(
        plan=plan,
        chosen=chosen,
        manifest=ready.index.digest(),
        make_views=ready.training_views,
        device=place,
        cache=cache,
        reporter=reporter,
        refit=refit,
    )
    recognizer: Recognizer = chosen.method.load(chosen.method.fit)(training)
    trained = time.monotonic()
    test = ready.test_views(high=high)
    ids, targets, logits = predict(
        recognizer, test, device=place, precision=plan.precision, high=high, reporter=reporter
    )
    tested = time.monotonic()

    stem = f"{file_name(plan.method)}-{plan.digest}"
    predictions = write_predictions(folder / f"{stem}.predictions.csv.gz", ids, targets, logits, chosen.dataset.classes)
    save_file(
        {key: value.contiguous().cpu() for key, value in recognizer.state_dict().items()},
        folder / "recognizer.safetensors",
    )
    history = {stage["name"]: stage["history"] for stage in training.stages}
    (folder / "log.json").write_text(json.dumps(history, indent=1))
    record = seal(
        {
            "schema": 1,
            "kind": "run",
            "digest": plan.digest,
            "plan": plan.to_json(),
            "changed": changed_from_budget(catalog, plan),
            "track": {
                "dataset": track_name(catalog, plan, "dataset"),
                "protocol": plan.protocol,
                "folds": list(chosen.dataset.protocols[plan.protocol].folds),
                "pooled": chosen.dataset.protocols[plan.protocol].pooled,
                "degradation": track_name(catalog, plan, "degradation"),
                "task": chosen.dataset.task,
            },
            "privileged": chosen.method.privileged,
            "control": bool(set(ComponentName.parse(plan.method).variants) & set(chosen.method.controls)),
            "primary": chosen.dataset.metric,
            **read_predictions(predictions).scored().to_json(),  # of the file, so that anyone can score it again
            "clips": {
                "train": len(ready.train),
                "test": len(ready.test),
                "bad": list(ready.bad),
                "padded": test.padded,
            },
            "dataset": {"manifest": ready.index.digest(), "classes": len(chosen.dataset.classes)},
            "initialisation": plan.weights,
            "updates": {stage["name"]: stage["updates"] for stage in training.stages},
            "stages": [{key: stage[key] for key in ("name", "key", "reused", "seconds")} for stage in training.stages],
            "device": describe_device(place),
            "versions": versions(),
            "plugins": plugins_of(catalog, chosen),
            "timings": {
                "train_s": round(trained - began, 2),
                "test_s": round(tested - trained, 2),
                "total_s": round(time.monotonic() - began, 2),
            },
            "structure": structure_key(describe_plan(plan, chosen)),
            "predictions": {"file": predictions.name, "sha256": file_digest(predictions)},
            "finished": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )
    write_record(folder, record)
    structure = describe_plan(plan, chosen)
    low = plan.size if high else chosen.degradation.low or ready.median_size()
    write_cost(folder, cost_of(recognizer, structure, low, place))
    return RunResult(record=record, folder=folder)


def tell_estimate(plan: Plan, chosen: Chosen, catalog: Catalog, *, reporter: Reporter, **asked: Any) -> None:
    """Says how long training will take; above an hour, what a shorter budget would take."""
    stages = rehearse(plan, chosen, **asked)
    total = sum(stages.values())
    parts = ", ".join(f"{name} {_span(seconds)}" for name, seconds in stages.items())
    reporter.say(f"training will take about {_span(total)} here ({parts})")
    shorter = {"paper": "small", "small": "smoke"}.get(plan.budget)
    if total > HOUR and shorter in chosen.method.budgets:
        other = resolve_plan(
            catalog,
            Request(
                method=plan.method,
                dataset=plan.dataset,
                protocol=plan.protocol,
                fold=plan.fold,
                degradation=plan.degradation,
                budget=str(shorter),
                seed=plan.seed,
            ),
        )
        seconds = sum(rehearse(other, chosen_by(catalog, other), **asked).values())
        reporter.say(f"--budget {shorter} would take about {_span(seconds)}")


def _span(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )


def writable(folder: Path) -> Path:
    """`folder`, made where it was not there. ElrError where nothing can be written in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ElrError(
            f"the folder {folder} cannot be made: {error.strerror}; choose another with --out or --cache"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ElrError(f"nothing can be written in {folder}; choose another with --out or --cache")
    return folder
