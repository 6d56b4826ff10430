"""Render the cost records of networks: one Markdown page and its CSV files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark_core.records.cost_record import CostRecord
from benchmark_core.tables.cells import NOTHING, billions, enhancer_share, millions
from benchmark_core.tables.latency import (
    CPU,
    GPU,
    Named,
    latencies,
    latency_tables,
    legend_of,
    single,
    timed_devices,
)
from benchmark_core.tables.markup import csv_text, escape_row, markdown_table

TITLE = "What networks cost"

LEGEND = """\
Parameters and multiply-adds (MACs) of deployed networks; papers often call MACs "FLOPs". A view is what the network
receives at once, K x T frames per clip. `≥` marks a lower bound, because an operator could not be counted. Latency:
median milliseconds for one clip in fp32, not compiled, on the named GPU, and on one thread of the named CPU. `-`: not
measured."""

_TIMES = {"ms": "median", "q1": "q1", "q3": "q3"}
BACKBONES, ENHANCERS, RECOGNIZERS = "Backbones", "Enhancers", "Recognizers"


@dataclass(frozen=True)
class CostedNetwork:
    """One network structure with its cost records, one per device. Parameters and MACs are equal in all."""

    costs: Sequence[CostRecord]

    @property
    def first(self) -> CostRecord:
        """A record, for the fields that all records share."""
        return self.costs[0]

    @property
    def kind(self) -> str:
        """`Backbones` (no enhancer, mean of logits), `Enhancers` (no backbone) or `Recognizers` (everything else)."""
        if self.describe("backbone") == "none":
            return ENHANCERS
        bare = self.describe("enhancer") == "none" and self.describe("head") == "mean-logits"
        return BACKBONES if bare else RECOGNIZERS

    def describe(self, key: str) -> str:
        """Return a field of the structure's description as text; `-` if it is missing. Sizes are `96x128`."""
        value = self.first["describe"].get(key)
        if isinstance(value, list):
            return "x".join(map(str, value))
        return NOTHING if value is None else str(value)

    def pixels(self, key: str) -> int:
        """Return the number of pixels of a size, to sort by; 0 if the field is not a size."""
        value = self.first["describe"].get(key)
        return math.prod(side for side in value if isinstance(side, int)) if isinstance(value, list) else 0

    @property
    def name(self) -> str:
        """Name with modality and options: `resnet34`, `i3d (flow)`, `dbpn (units=10)`."""
        options = self.first["describe"].get("options")
        items = options.items() if isinstance(options, dict) else ()
        details = [f"{key.partition('.')[2] or key}={value}" for key, value in items]
        details += [self.describe("modality")] if self.describe("modality") != NOTHING else []
        of = "enhancer" if self.kind == ENHANCERS else "backbone"
        return self.describe(of) + (f" ({', '.join(details)})" if details else "")

    @property
    def view(self) -> str:
        """`resnet34, 1x1 of 256x340`; for a recognizer also its enhancer."""
        before = f"{self.describe('enhancer')}, " if self.kind == RECOGNIZERS else ""
        return f"{self.name}, {before}{self.describe('sampling')} of {self.describe('size')}"


def networks(costs: Mapping[str, Sequence[CostRecord]]) -> list[CostedNetwork]:
    """Return all networks, sorted by kind, name, sizes and structure."""
    found = [CostedNetwork(records) for records in costs.values() if isinstance(records[0]["describe"], dict)]
    kinds = (BACKBONES, ENHANCERS, RECOGNIZERS)
    return sorted(
        found,
        key=lambda network: (
            kinds.index(network.kind),
            network.name,
            *(network.pixels(key) for key in ("low", "size")),
            network.first["structure"],
        ),
    )


def costs_markdown(found: Sequence[CostedNetwork], mark: str) -> str:
    """Return a page with one table per kind of network, and tables of latencies on GPUs and CPUs if there are any."""
    parts = [mark, "# Costs", LEGEND]
    for kind, rows in cost_tables(found).items():
        parts += [f"## {kind}", markdown_table([escape_row(row) for row in rows])]
    for title, rows in latency_tables(named(found)).items():
        parts += [f"## {title}", legend_of(title), markdown_table([escape_row(row) for row in rows])]
    return "\n\n".join(parts) + "\n"


def cost_tables(found: Sequence[CostedNetwork]) -> dict[str, list[dict[str, str]]]:
    """Return rows of plain text by kind of network; empty kinds are left out."""
    devices = timed_devices(cost for network in found for cost in network.costs)
    cells: Mapping[str, Callable[[CostedNetwork], dict[str, str]]] = {
        BACKBONES: _backbone,
        ENHANCERS: _enhancer,
        RECOGNIZERS: _recognizer,
    }
    tables = {
        kind: [of_kind(network) | latencies(network.costs, devices) for network in found if network.kind == kind]
        for kind, of_kind in cells.items()
    }
    return {kind: rows for kind, rows in tables.items() if rows}


def named(found: Iterable[CostedNetwork]) -> list[Named]:
    """Return all records with the names that tables of latencies have for their networks."""
    return [(network.view, cost) for network in found for cost in network.costs]


def _backbone(network: CostedNetwork) -> dict[str, str]:
    return {
        "backbone": network.name,
        "view": f"{network.describe('sampling')} of {network.describe('size')}",
        "classes": network.describe("classes"),
        **_figures(network),
    }


def _enhancer(network: CostedNetwork) -> dict[str, str]:
    return {
        "enhancer": network.name,
        "from": _low(network),
        "to": network.describe("size"),
        "frames": network.describe("sampling"),
        **_figures(network),
    }


def _recognizer(network: CostedNetwork) -> dict[str, str]:
    share = enhancer_share(network.first)
    return {
        "backbone": network.name,
        "enhancer": network.describe("enhancer"),
        "head": network.describe("head"),
        "from": _low(network),
        "view": f"{network.describe('sampling')} of {network.describe('size')}",
        "classes": network.describe("classes"),
        **_figures(network),
        "enhancer, % of MACs": NOTHING if share is None else f"{100 * share:.3g}",
    }


def _low(network: CostedNetwork) -> str:
    return "as recorded" if network.describe("low") == NOTHING else network.describe("low")


def _figures(network: CostedNetwork) -> dict[str, str]:
    cost = network.first
    return {
        "params (M)": millions(cost["params"]["total"]),
        "MACs/view (G)": billions(cost["macs"]["view"], cost["understated"]),
        "MACs/clip (G)": billions(cost["macs"]["clip"], cost["understated"]),
    }


def costs_csv(found: Iterable[CostedNetwork]) -> str:
    """Return all cost records, one line per structure and device."""
    return csv_text([_fields(network, cost) for network in found for cost in network.costs])


def _fields(network: CostedNetwork, cost: CostRecord) -> dict[str, object]:
    described = ("backbone", "modality", "enhancer", "head", "classes", "size", "sampling", "low")
    times: dict[str, Mapping[str, Any]] = {kind: single(cost, kind) or {} for kind in (GPU, CPU)}
    return {
        "kind": network.kind.lower().removesuffix("s"),
        "name": network.name,
        **{key: None if network.describe(key) == NOTHING else network.describe(key) for key in described},
        **{f"params_{part}": cost["params"][part] for part in ("total", "backbone", "enhancer", "head")},
        **{f"macs_{part}": round(cost["macs"][part]) for part in ("view", "clip", "enhancer")},
        "lower_bound": bool(cost["understated"]),
        "device": cost["device"],
        **{f"{kind.lower()}_latency_{name}": times[kind].get(key) for kind in times for name, key in _TIMES.items()},
        "structure": cost["structure"],
    }
