"""Cost of a plan: of one recognizer, or of two fused ones and their sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from benchmark_core.cost.cpu_latency import CpuRequest
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
    cpu: CpuRequest | None = None,
) -> list[dict[str, Any]]:
    """Return unsealed cost records of what `plan` deploys; for two fused networks the sum first, then each of them.

    low: (h, w) to count at if clips keep their recorded size. thorough, cpu: as in `cost_of`.
    Raises ElrError if clips keep their recorded size and `low` is None.
    """
    costs = []
    for stream in plan.streams:
        describe = describe_plan(stream, components)
        recognizer = recognizer_of(stream, components, high=components.method.oracle)
        counted = describe["low"] or low
        if counted is None:
            raise ElrError("clips of this track differ in size: pass --low HxW, for example their median size")
        height, width = counted
        costs.append(cost_of(recognizer, describe, (height, width), device, thorough=thorough, cpu=cpu))
    return costs if len(costs) == 1 else [sum_costs(describe_plan(plan, components), costs), *costs]


def sum_costs(describe: Mapping[str, Any], costs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the unsealed cost of networks that run on a clip one after the other, on one device.

    describe: structure of the fused plan. Latency is the sum, or None if a network has none. Peak memory is the
    maximum. The fusion itself, a mean of C numbers, is not counted.
    """

    def total(key: str) -> dict[str, Any]:
        summed: Counter[str] = Counter()
        for cost in costs:
            summed.update(cost[key])
        return dict(summed)

    latencies = [cost["latency"] for cost in costs]
    peaks = [cost["peak_memory"] for cost in costs]
    flow = [cost["flow"] for cost in costs if cost.get("flow")]
    return {
        "schema": 1,
        "kind": "cost",
        "structure": structure_key(describe),
        "describe": dict(describe),
        "streams": [cost["structure"] for cost in costs],
        "params": total("params"),
        "macs": total("macs"),
        **({"kinds": total("kinds")} if all("kinds" in cost for cost in costs) else {}),
        "extras": total("extras"),
        "uncounted": dict(sorted(total("uncounted").items())),
        "understated": sorted({name for cost in costs for name in cost["understated"]}),
        "latency": _summed(latencies) if all(latencies) else None,
        "peak_memory": None if None in peaks else max(peaks),
        **_summed_cpu(costs),
        **({"flow": flow[0]} if flow else {}),
        "device": costs[0]["device"],
        "versions": versions(),
    }


def _summed_cpu(costs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return `cpu_latency`, the sum by mode, or `refused`; nothing if a network has neither. Batches are not summed."""
    if refused := [cost["refused"] for cost in costs if "refused" in cost]:
        return {"refused": refused[0]}
    if not all("cpu_latency" in cost for cost in costs):
        return {}
    found = [cost["cpu_latency"] for cost in costs]
    modes = []
    for same in zip(*(each["modes"] for each in found), strict=True):
        facts = {key: same[0][key] for key in ("engine", "precision", "threads")}
        facts["load"] = max(mode["load"] for mode in same)
        if failed := [mode["failed"] for mode in same if "failed" in mode]:
            modes.append({**facts, "failed": failed[0]})
        else:
            modes.append({**facts, "single": _summed(same)["single"]})
    loads = {"load": max(each["load"] for each in found), "of": "the sum of its streams"}
    return {"cpu_latency": {**found[0], **loads, "modes": modes}}


def _summed(latencies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    keys = ("median", "q1", "q3")
    single = {key: sum(latency["single"][key] for latency in latencies) for key in keys}
    return {"unit": "ms", "of": "the sum of its streams", "single": single}
