"""Fuse the finished runs of two modalities: average their probabilities, score the mean and write its record."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from benchmark_core.cost.streams import sum_costs
from benchmark_core.cost.structure import describe_plan, structure_key
from benchmark_core.errors import ElrError
from benchmark_core.names import file_name
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.provenance import file_digest, versions
from benchmark_core.records.checksum import add_checksum
from benchmark_core.records.clip_results import clip_list
from benchmark_core.records.cost_record import write_cost
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.finished import costs_in, is_finished
from benchmark_core.records.record import find_record, part_folder, read_record, write_record
from benchmark_core.scoring.fusion import fuse
from benchmark_core.scoring.predictions import read_predictions, write_predictions
from benchmark_core.training.device import describe_processor

EXTRA: dict[Literal["unlabelled", "high_source"], str] = {  # a record's entries of extra data, as messages call them
    "unlabelled": "unlabelled clips",
    "high_source": "clips with high views",
}
OPTIONAL = ("yardstick", "own_controls", "idea_options", "shared_clips")  # fields that both streams have, or neither
SHARED = ("changed", "track", "privileged", "control", "primary", "clips", "dataset", "plugins")


def finished(folder: Path, plan: Plan, plugins: Mapping[str, Mapping[str, str]]) -> RunRecord | None:
    """Return the record of `plan` in `folder` if the run is finished and can be reused, otherwise None.

    A run can be reused if its plugins equal `plugins`, from `plugins_of`. `fuse_runs` compares the clips of the runs.
    """
    try:
        record = read_record(find_record(folder))
    except ElrError:  # absent, damaged or of another version
        return None
    same = record["digest"] == plan.digest and record["plugins"] == plugins
    return record if same and is_finished(folder, record) else None


def fuse_runs(plan: Plan, components: Components, out: Path, reused: Collection[str] = ()) -> dict[str, Any]:
    """Write predictions, record and cost of `plan` into `out`. The runs of its streams must be finished.

    reused: modalities whose runs were finished before; the record's notes list them.
    The cost is the sum of the streams' costs; it is not written if these are of different devices.
    Raises ElrError if the runs differ in clips or in versions of plugins.
    """
    folders = [part_folder(out, plan.digest, stream.digest) for stream in plan.streams]
    records = [read_record(find_record(folder)) for folder in folders]
    runs = list(zip(folders, records, strict=True))
    _refuse_different(dict(runs))
    mean = fuse([read_predictions(folder / record["predictions"]["file"]) for folder, record in runs])
    path = out / f"{file_name(plan.method)}-{plan.digest}.predictions.csv.gz"
    write_predictions(path, mean.ids, mean.targets, mean.logits, mean.classes)
    streams = {stream.modality: record for stream, record in zip(plan.streams, records, strict=True)}
    costs = [costs_in(folder, record["structure"]) for folder, record in runs]
    for device in set.intersection(*map(set, costs)):
        write_cost(out, sum_costs(describe_plan(plan, components), [each[device] for each in costs]))
    fused = _fused_record(plan, components, streams, path, reused)
    write_record(out, fused)  # last: it marks the run as finished
    return fused


def _fused_record(
    plan: Plan, components: Components, streams: Mapping[str, RunRecord], predictions: Path, reused: Collection[str]
) -> dict[str, Any]:
    """Return the sealed record: common fields once, stages and updates prefixed with the modality."""
    first = next(iter(streams.values()))
    notes = [
        f"{stream}: reused, finished {record['finished']}" for stream, record in streams.items() if stream in reused
    ]
    notes += [f"{stream}: {note}" for stream, record in streams.items() for note in record.get("notes", ())]
    timings = [record["timings"] for record in streams.values()]
    return add_checksum(
        {
            "schema": 1,
            "kind": "run",
            "digest": plan.digest,
            "plan": plan.to_json(),
            **{key: first[key] for key in SHARED},  # type: ignore[literal-required]
            "fused": [record["digest"] for record in streams.values()],
            **read_predictions(predictions).scored(first["primary"]).to_json(first["primary"]),
            **{key: first[key] for key in (*EXTRA, *OPTIONAL) if key in first},  # type: ignore[literal-required]
            "initialisation": _distinct(record["initialisation"] for record in streams.values()),
            "updates": {
                f"{stream} {name}": n for stream, record in streams.items() for name, n in record["updates"].items()
            },
            "stages": [
                {**stage, "name": f"{stream} {stage['name']}"}
                for stream, record in streams.items()
                for stage in record["stages"]
            ],
            **({"notes": notes} if notes else {}),
            "device": _distinct(record["device"] for record in streams.values()),
            "processor": describe_processor(),
            "versions": versions(),
            "timings": {
                key: round(sum(each.get(key, each["train_s"]) for each in timings), 2)
                for key in max(timings, key=len)  # `train_all_s` may be in one record only
            },
            "structure": structure_key(describe_plan(plan, components)),
            "predictions": {"file": predictions.name, "sha256": file_digest(predictions)},
            "finished": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )


def _refuse_different(streams: Mapping[Path, RunRecord]) -> None:
    """Raise ElrError if clips or plugins changed since a reused run. streams: folder -> record."""
    facts: dict[str, Callable[[RunRecord], str]] = {
        "clips": clip_list,
        **{label: partial(_manifest, key=key) for key, label in EXTRA.items()},
        "versions of plugins": _plugins,
    }
    for what, fact in facts.items():
        found = {folder: fact(record) for folder, record in streams.items()}
        if len(set(found.values())) > 1:
            each = "; ".join(f"{folder}: {text}" for folder, text in found.items())
            older = min(streams, key=lambda folder: streams[folder]["finished"])
            raise ElrError(
                f"the runs to fuse have different {what} ({each}); run them again with --refit, or remove the older "
                f"run folder {older}"
            )


def _manifest(record: RunRecord, *, key: Literal["unlabelled", "high_source"]) -> str:
    return record[key]["manifest"] if key in record else "none"


def _plugins(record: RunRecord) -> str:
    owners = {f"{owner['distribution']} {owner['version']}".strip() for owner in record["plugins"].values()}
    return ", ".join(sorted(owners))


def _distinct(texts: Iterable[str]) -> str:
    return " + ".join(dict.fromkeys(texts))
