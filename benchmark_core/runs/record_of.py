"""Build the record of a finished run from what was trained, tested and written."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from benchmark_core.catalog import Catalog
from benchmark_core.cost.structure import describe_plan, structure_key
from benchmark_core.names import ComponentName
from benchmark_core.networks.assemble import initialisation_of
from benchmark_core.plans.budgets import changed_from_budget
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import track_name
from benchmark_core.provenance import file_digest, plugins_of, versions
from benchmark_core.records.checksum import add_checksum
from benchmark_core.runs.fold_data import Data
from benchmark_core.runs.teachers import Teacher
from benchmark_core.scoring.action_guess import guess
from benchmark_core.scoring.predictions import read_predictions
from benchmark_core.scoring.scores import Score, score
from benchmark_core.specs import DatasetSpec, MethodSpec
from benchmark_core.training.device import describe_device, describe_processor
from benchmark_core.training.training import Training


@dataclass
class Stopwatch:
    """Times of a run's phases in seconds of a monotonic clock."""

    marks: list[float] = field(default_factory=lambda: [time.monotonic()])

    def lap(self) -> None:
        """End a phase: preparation, training, testing, in this order."""
        self.marks.append(time.monotonic())

    def timings(self, earlier: float = 0.0) -> dict[str, float]:
        """Return the seconds of each phase and of all until now. earlier: training time of earlier processes."""
        began, prepared, trained, tested = self.marks
        seconds = {"prepare_s": prepared - began, "train_s": trained - prepared, "test_s": tested - trained}
        if earlier:
            seconds["train_all_s"] = seconds["train_s"] + earlier
        return {key: round(value, 2) for key, value in {**seconds, "total_s": time.monotonic() - began}.items()}


def record_of(
    plan: Plan,
    components: Components,
    catalog: Catalog,
    *,
    data: Data,
    training: Training,
    teacher: Teacher | None,
    padded: int,
    predictions: Path,
    window_scores: Mapping[str, Score],
    device: torch.device,
    stopwatch: Stopwatch,
) -> dict[str, Any]:
    """Return the sealed record. Scores are computed from the predictions file, so that anyone can compute them again.

    padded: number of clips, training and test, that are shorter than the sampling needs.
    """
    dataset = components.dataset
    protocol = dataset.protocols[plan.protocol]
    return add_checksum(
        {
            "schema": 1,
            "kind": "run",
            "digest": plan.digest,
            "plan": plan.to_json(),
            "changed": changed_from_budget(catalog, plan),
            "track": {
                "dataset": track_name(catalog, plan, "dataset"),
                "protocol": plan.protocol_name,
                "folds": list(protocol.folds),
                "pooled": protocol.pooled,
                "degradation": track_name(catalog, plan, "degradation"),
                "task": dataset.task,
            },
            "privileged": components.method.oracle,
            "control": is_control(plan, components),
            **({"yardstick": True} if components.method.yardstick else {}),
            **_controls(components.method),
            "primary": dataset.metric,
            **read_predictions(predictions).scored(dataset.metric).to_json(dataset.metric),
            **({"window_scores": {k: asdict(score) for k, score in window_scores.items()}} if window_scores else {}),
            **_action_guess(data, dataset),
            "clips": {"train": len(data.train), "test": len(data.test), "bad": list(data.bad), "padded": padded},
            "dataset": {"manifest": data.index.digest(), "classes": len(dataset.classes)},
            **({"shared_clips": data.shared} if data.shared else {}),
            **_extra_data(data, teacher),
            "initialisation": initialisation_of(plan, components),
            **_stages(training),
            "device": describe_device(device),
            "processor": describe_processor(),
            "versions": versions(),
            "plugins": plugins_of(catalog, components),
            "timings": stopwatch.timings(sum(stage["earlier"] for stage in training.stages)),
            "structure": structure_key(describe_plan(plan, components)),
            "predictions": {"file": predictions.name, "sha256": file_digest(predictions)},
            "finished": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )


def _extra_data(data: Data, teacher: Teacher | None) -> Mapping[str, Any]:
    """Return the record's entries for the extra data that the plan names."""
    entries = {"unlabelled": data.unlabelled, "high_source": data.hr_source, "teacher": teacher}
    return {key: entry.to_json() for key, entry in entries.items() if entry is not None}


def _action_guess(data: Data, dataset: DatasetSpec) -> Mapping[str, Any]:
    """Return the record's scores of a guess from the actions of the test clips, if the dataset names any."""
    test = sorted(data.test, key=lambda clip: clip.id)  # as in the predictions
    if not any(clip.action for clip in test):
        return {}
    truth = [data.test_views(high=False).targets(clips).numpy() for clips in (data.train, test)]
    seen, asked = ([clip.action for clip in clips] for clips in (data.train, test))
    scored = score(guess(seen, truth[0], asked, len(dataset.classes)), truth[1], dataset.classes, dataset.metric)
    return {"action_guess": {key: scored.to_json()[key] for key in ("scores", "hits")}}


def _stages(training: Training) -> Mapping[str, Any]:
    """Return updates and stages in training order, and notes if there are any."""
    fields = ("name", "key", "reused", "seconds", "device")
    return {
        "updates": {stage["name"]: stage["updates"] for stage in training.stages},
        "stages": [{key: stage[key] for key in fields} for stage in training.stages],
        **({"notes": training.notes} if training.notes else {}),
    }


def _controls(method: MethodSpec) -> Mapping[str, Any]:
    """Return the record's entries for the controls that the method names, if it names any."""
    if not method.own_controls:
        return {}
    return {"own_controls": dict(method.own_controls), "idea_options": [f"method.{key}" for key in method.idea_options]}


def is_control(plan: Plan, components: Components) -> bool:
    """Return whether the plan names a control of its method and has an option that the control sets."""
    named = set(ComponentName.parse(plan.method).variants) & set(components.method.controls)
    options = components.options(plan, "method")
    return any(options[key] == value for name in named for key, value in components.method.variants[name].items())
