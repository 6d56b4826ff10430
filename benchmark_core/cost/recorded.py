"""What the plans of published records deploy: one network per structure, to measure on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from benchmark_core.backbone_templates import add_recorded
from benchmark_core.catalog import Catalog
from benchmark_core.cost.cpu_latency import CpuRequest
from benchmark_core.cost.streams import costs_of_plan
from benchmark_core.cost.structure import describe_plan, structure_key
from benchmark_core.errors import ElrError
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.planfile import fields_of
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.weights_file import PREFIX


@dataclass(frozen=True)
class Recorded:
    """The network of one or more records.

    structure: its key. name: method and backbone. track: the dataset of its track. low: (h, w) at which it is counted
    if clips keep their recorded size. fault: why the plan of the record cannot be resolved.
    """

    structure: str
    name: str
    track: str
    low: tuple[int, int] | None = None
    plan: Plan | None = None
    components: Components | None = None
    fault: str = ""

    def measure(self, device: torch.device, cpu: CpuRequest | None) -> list[dict[str, Any]]:
        """Return unsealed cost records; for two fused networks the sum first. Raises ElrError if there is no plan."""
        if self.plan is None or self.components is None:
            raise ElrError(self.fault)
        return costs_of_plan(self.plan, self.components, device, self.low, thorough=True, cpu=cpu)


def recorded(
    catalog: Catalog, records: Sequence[Mapping[str, Any]], costs: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[Recorded]:
    """Return the networks of `records`, each structure once, in the order of the records.

    costs: cost records by structure. Networks for clips that differ in size are counted at the same size again.
    """
    found: dict[str, Recorded] = {}
    for record in records:
        if record["structure"] not in found or found[record["structure"]].fault:
            counted = [cost["low_size"] for cost in costs.get(record["structure"], ()) if "low_size" in cost]
            found[record["structure"]] = _of(catalog, record, (counted[0][0], counted[0][1]) if counted else None)
    return list(found.values())


def _of(catalog: Catalog, record: Mapping[str, Any], low: tuple[int, int] | None) -> Recorded:
    """Return the network of one record. Weights do not change a cost, so that files of weights are not needed."""
    structure, old = record["structure"], record["plan"]
    words = (old["backbone"], *(old[key] for key in ("modality",) if old.get(key, "rgb") != "rgb"))
    shown: dict[str, Any] = {
        "name": f"{old['method']}, {' '.join(words)}",
        "track": record["track"]["dataset"],
        "low": low,
    }
    plain = {key: value for key, value in old.items() if key != "teacher"}
    if str(old["weights"]).startswith(PREFIX):
        plain["weights"] = "scratch"
    if str(old["settings"].get("enhancer.weights", "")).startswith(PREFIX):
        plain["settings"] = {**old["settings"], "enhancer.weights": "fit"}
    try:
        located, _ = catalog.with_folder(old["dataset"], None)
        located = add_recorded(located, old["backbone"], old["settings"], old.get("teacher_backbone", ""))
        fields = fields_of(plain, {})
        plan = resolve_plan(located, PlanRequest(**fields))
        components = components_of(located, plan)
        if structure_key(describe_plan(plan, components)) != structure:
            raise ElrError(
                f"components or defaults of options have changed since {record['digest']} was written; run its plan "
                "again with 'elrbench rerun' and publish that run"
            )
    except ElrError as error:
        return Recorded(structure, **shown, fault=str(error))
    return Recorded(structure, **shown, plan=plan, components=components)
