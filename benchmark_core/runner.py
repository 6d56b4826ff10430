"""One run as a story: index, store, stages, score, record."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmark_core.atomic import check_writable, write_whole
from benchmark_core.catalog import Catalog
from benchmark_core.combinations import Chosen
from benchmark_core.cost.structure import cost_of, describe_plan, structure_key
from benchmark_core.names import ComponentName, file_name
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plan import Plan
from benchmark_core.prepare import prepare
from benchmark_core.progress import Reporter
from benchmark_core.provenance import file_digest, owners_of, plugins_of, versions
from benchmark_core.records.cost_record import write_cost
from benchmark_core.records.record import seal, write_record
from benchmark_core.rehearsal import tell_estimate
from benchmark_core.resolve import changed_from_budget, chosen_by, track_name
from benchmark_core.scoring.predict import predict
from benchmark_core.scoring.predictions import read_predictions, write_predictions
from benchmark_core.training.device import describe_device, pick_device
from benchmark_core.training.stages import packed
from benchmark_core.training.training import Training


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
    for folder in (out, cache / "clips", cache / "stages"):
        check_writable(folder)
    ready = prepare(plan, chosen, data=data, cache=cache, bad_clips=bad_clips, reporter=reporter)
    inputs = ready.stage_inputs({kind: owner.identity for kind, owner in owners_of(catalog, chosen).items()})
    prepared = time.monotonic()
    if plan.budget != "smoke":
        tell_estimate(
            plan,
            chosen,
            catalog,
            clips=len(ready.train),
            inputs=inputs,
            device=place,
            cache=cache,
            refit=refit,
            reporter=reporter,
        )
    training = Training(
        plan=plan,
        chosen=chosen,
        inputs=inputs,
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
    predictions = write_predictions(out / f"{stem}.predictions.csv.gz", ids, targets, logits, chosen.dataset.classes)
    write_whole(out / "recognizer.safetensors", packed(recognizer))
    history = {stage["name"]: stage["history"] for stage in training.stages}
    write_whole(out / "log.json", json.dumps(history, indent=1).encode())
    record = seal(
        {
            "schema": 1,
            "kind": "run",
            "digest": plan.digest,
            "plan": plan.to_json(),
            "changed": changed_from_budget(catalog, plan),
            "track": {
                "dataset": track_name(catalog, plan, "dataset"),
                "protocol": plan.protocol_name,
                "folds": list(chosen.dataset.protocols[plan.protocol].folds),
                "pooled": chosen.dataset.protocols[plan.protocol].pooled,
                "degradation": track_name(catalog, plan, "degradation"),
                "task": chosen.dataset.task,
            },
            "privileged": chosen.method.privileged,
            "control": is_control(plan, chosen),
            "primary": chosen.dataset.metric,
            **read_predictions(predictions).scored().to_json(),  # of the file, so that anyone can score it again
            "clips": {
                "train": len(ready.train),
                "test": len(ready.test),
                "bad": list(ready.bad),
                "padded": test.padded + ready.training_views(low=not high, high=high, seed=0).padded,
            },
            "dataset": {"manifest": ready.index.digest(), "classes": len(chosen.dataset.classes)},
            "initialisation": plan.weights,
            "updates": {stage["name"]: stage["updates"] for stage in training.stages},
            "stages": [
                {key: stage[key] for key in ("name", "key", "reused", "seconds", "device")} for stage in training.stages
            ],
            "device": describe_device(place),
            "versions": versions(),
            "plugins": plugins_of(catalog, chosen),
            "timings": {
                "prepare_s": round(prepared - began, 2),
                "train_s": round(trained - prepared, 2),
                "test_s": round(tested - trained, 2),
                "total_s": round(time.monotonic() - began, 2),
            },
            "structure": structure_key(describe_plan(plan, chosen)),
            "predictions": {"file": predictions.name, "sha256": file_digest(predictions)},
            "finished": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )
    write_record(out, record)
    structure = describe_plan(plan, chosen)
    low = plan.size if high else chosen.degradation.low or ready.median_size()
    write_cost(out, cost_of(recognizer, structure, low, place))
    return RunResult(record=record, folder=out)


def is_control(plan: Plan, chosen: Chosen) -> bool:
    """Whether `plan` names a control of its method, and does what that control does."""
    named = set(ComponentName.parse(plan.method).variants) & set(chosen.method.controls)
    options = chosen.options(plan, "method")
    return any(options[key] == value for name in named for key, value in chosen.method.variants[name].items())
