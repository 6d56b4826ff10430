"""What a plan deploys costs: one recognizer, or the two whose answers it fuses, and their sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from benchmark_core.cost.structure import cost_of, describe_plan, structure_key
from benchmark_core.errors import ElrError
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.provenance import versions


def costs_of_plan(
    plan: Plan,
    components: Components,
    device: torch.device,
    low: tuple[int, int] | None = None,
    *,
    thorough: bool = False,
) -> list[dict[str, Any]]:
    """Cost records, unsealed: of what `plan` deploys; where that is two networks, their sum first, then each of them.

    low: (h, w) to trace where clips are taken as recorded and differ in size; ElrError where it is then missing.
    thorough: as `cost_of`.
    """
    parts = []
    for stream in plan.streams:
        describe = describe_plan(stream, components)
        recognizer = recognizer_of(stream, components, high=components.method.oracle)
        traced = describe["low"] or low
        if traced is None:
            raise ElrError("clips of this track differ in size: give --low HxW, the size to trace, e.g. their median")
        height, width = traced
        parts.append(cost_of(recognizer, describe, (height, width), device, thorough=thorough))
    return parts if len(parts) == 1 else [sum_costs(describe_plan(plan, components), parts), *parts]


def sum_costs(describe: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The cost, unsealed, of networks that each see a clip, one after the other, on one device.

    describe: of the fused plan. A latency is the sum of the parts' own, none where one of them has none; peak memory is
    the largest. Fusing itself is a mean of C numbers.
    """

    def total(key: str) -> dict[str, Any]:
        summed: Counter[str] = Counter()
        for part in parts:
            summed.update(part[key])
        return dict(summed)

    latencies = [part["latency"] for part in parts]
    peaks = [part["peak_memory"] for part in parts]
    flow = [part["flow"] for part in parts if part.get("flow")]
    return {
        "schema": 1,
        "kind": "cost",
        "structure": structure_key(describe),
        "describe": dict(describe),
        "streams": [part["structure"] for part in parts],
        "params": total("params"),
        "macs": total("macs"),
        **({"kinds": total("kinds")} if all("kinds" in part for part in parts) else {}),
        "extras": total("extras"),
        "uncounted": dict(sorted(total("uncounted").items())),
        "understated": sorted({name for part in parts for name in part["understated"]}),
        "latency": _summed(latencies) if all(latencies) else None,
        "peak_memory": None if None in peaks else max(peaks),
        **({"flow": flow[0]} if flow else {}),
        "device": parts[0]["device"],
        "versions": versions(),
    }


def _summed(latencies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    keys = ("median", "q1", "q3")
    single = {key: sum(latency["single"][key] for latency in latencies) for key in keys}
    return {"unit": "ms", "of": "the sum of its streams", "single": single}
