"""The record of a plan with two modalities: the mean of the probabilities of two finished runs, scored as any other."""

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
from benchmark_core.records.cost_record import CostRecord, read_cost, write_cost
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.record import find_record, part_folder, read_record, write_record
from benchmark_core.scoring.fusion import fuse
from benchmark_core.scoring.predictions import read_predictions, write_predictions

BESIDE: dict[Literal["unlabelled", "high_source"], str] = {  # clips of other sets, where the plan names any
    "unlabelled": "clips without labels",
    "high_source": "clips that lend high views",
}
SHARED = ("changed", "track", "privileged", "control", "primary", "clips", "dataset", "plugins")


def finished(folder: Path, plan: Plan, plugins: Mapping[str, Mapping[str, str]]) -> RunRecord | None:
    """The record of `plan` in its run folder, where the run is finished and its predictions are those recorded.

    plugins: `plugins_of` today; a run by other versions is to be made anew. The clips of the runs that are fused are
    compared by `fuse_runs`.
    """
    if not folder.is_dir():
        return None
    try:
        record = read_record(find_record(folder))
    except ElrError:  # none, torn or of another version: the run is to be made
        return None
    path = folder / record["predictions"]["file"]
    whole = path.is_file() and file_digest(path) == record["predictions"]["sha256"]
    return record if whole and record["digest"] == plan.digest and record["plugins"] == plugins else None


def fuse_runs(plan: Plan, components: Components, out: Path, reused: Collection[str] = ()) -> dict[str, Any]:
    """Writes what `plan` leaves in `out`, its streams' runs being finished: predictions, record, and cost.

    reused: modalities whose runs were there before; the record's notes say so.
    The cost is the sum of the streams' own, and left out where these are not of one device.
    Raises ElrError where the runs were not made of the same clips by the same plugins.
    """
    folders = [part_folder(out, plan.digest, stream.digest) for stream in plan.streams]
    parts = {stream.modality: read_record(find_record(at)) for stream, at in zip(plan.streams, folders, strict=True)}
    _require_comparable(dict(zip(folders, parts.values(), strict=True)))
    read = [
        read_predictions(at / part["predictions"]["file"]) for at, part in zip(folders, parts.values(), strict=True)
    ]
    mean = fuse(read)
    path = out / f"{file_name(plan.method)}-{plan.digest}.predictions.csv.gz"
    write_predictions(path, mean.ids, mean.targets, mean.logits, mean.classes)
    record = _record(plan, components, parts, path, reused)
    write_record(out, record)
    costs = [_costs(at, part) for at, part in zip(folders, parts.values(), strict=True)]
    for device in set.intersection(*map(set, costs)):
        write_cost(out, sum_costs(describe_plan(plan, components), [of_part[device] for of_part in costs]))
    return record


def _record(
    plan: Plan, components: Components, parts: Mapping[str, RunRecord], predictions: Path, reused: Collection[str]
) -> dict[str, Any]:
    """What the runs have in common, once; what each did, under its modality."""
    first = next(iter(parts.values()))
    notes = [f"{stream}: reused, finished {part['finished']}" for stream, part in parts.items() if stream in reused]
    notes += [f"{stream}: {note}" for stream, part in parts.items() for note in part.get("notes", ())]
    timings = [part["timings"] for part in parts.values()]
    return add_checksum(
        {
            "schema": 1,
            "kind": "run",
            "digest": plan.digest,
            "plan": plan.to_json(),
            **{key: first[key] for key in SHARED},  # type: ignore[literal-required]
            "fused": [part["digest"] for part in parts.values()],
            **read_predictions(predictions).scored().to_json(first["primary"]),
            **{key: first[key] for key in BESIDE if key in first},
            "initialisation": _distinct(part["initialisation"] for part in parts.values()),
            "updates": {f"{stream} {name}": n for stream, part in parts.items() for name, n in part["updates"].items()},
            "stages": [
                {**stage, "name": f"{stream} {stage['name']}"}
                for stream, part in parts.items()
                for stage in part["stages"]
            ],
            **({"notes": notes} if notes else {}),
            "device": _distinct(part["device"] for part in parts.values()),
            "versions": versions(),
            "timings": {key: round(sum(each[key] for each in timings), 2) for key in timings[0]},
            "structure": structure_key(describe_plan(plan, components)),
            "predictions": {"file": predictions.name, "sha256": file_digest(predictions)},
            "finished": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )


def _require_comparable(parts: Mapping[Path, RunRecord]) -> None:
    """A run that is reused may be of clips, or by plugins, that have changed since. parts: by their folders."""
    facts: dict[str, Callable[[RunRecord], str]] = {
        "clips": clip_list,
        **{label: partial(_manifest, key=key) for key, label in BESIDE.items()},
        "versions of plugins": _plugins,
    }
    for what, tell in facts.items():
        told = {folder: tell(part) for folder, part in parts.items()}
        if len(set(told.values())) > 1:
            each = "; ".join(f"{folder}: {fact}" for folder, fact in told.items())
            older = min(parts, key=lambda folder: parts[folder]["finished"])
            raise ElrError(
                f"the runs to be fused are of other {what} ({each}); run them again with --refit, or remove the older, "
                f"{older}"
            )


def _manifest(record: RunRecord, *, key: Literal["unlabelled", "high_source"]) -> str:
    return record[key]["manifest"] if key in record else "none"


def _plugins(record: RunRecord) -> str:
    owners = {f"{owner['distribution']} {owner['version']}".strip() for owner in record["plugins"].values()}
    return ", ".join(sorted(owners))


def _costs(folder: Path, record: RunRecord) -> dict[str, CostRecord]:
    """Cost records of the run's structure in its folder, by device."""
    found = [read_cost(path) for path in sorted(folder.glob(f"{file_name(record['structure'])}-*.json"))]
    return {cost["device"]: cost for cost in found}


def _distinct(texts: Iterable[str]) -> str:
    return " + ".join(dict.fromkeys(texts))
