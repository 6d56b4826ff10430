"""`elrbench cost --records`: measure what the published records deploy, each network once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark_core.cli.console import ConsoleReporter
from benchmark_core.cli.cost_all import CostOutcome, free, one_line
from benchmark_core.errors import ElrError
from benchmark_core.records.cost_record import already_measured, cost_name, read_cost
from benchmark_core.records.publish_cost import publish_cost

if TYPE_CHECKING:
    import torch

    from benchmark_core.catalog import Catalog
    from benchmark_core.cost.cpu_latency import CpuRequest
    from benchmark_core.cost.recorded import Recorded
    from benchmark_core.tables.load import LeaderboardRecords


def recorded_costs(
    catalog: Catalog,
    board: LeaderboardRecords,
    device: torch.device,
    costs: Path | None,
    *,
    cpu: CpuRequest | None,
    refresh: bool,
    say: ConsoleReporter,
) -> Iterator[CostOutcome]:
    """Yield the outcomes one by one. board: the published records. costs, cpu: as in `every_cost`."""
    from benchmark_core.cost.recorded import recorded

    networks = recorded(catalog, board.runs, board.costs)
    for number, network in enumerate(networks, 1):
        outcome = _measured(network, device, costs, cpu=cpu, refresh=refresh, say=say)
        figures = ", ".join(cell for cell in outcome.cells()[2:] if cell != "-")
        say.say(f"{number}/{len(networks)} {network.name} on {network.track}: {figures}")
        yield outcome


def _measured(
    network: Recorded,
    device: torch.device,
    costs: Path | None,
    *,
    cpu: CpuRequest | None,
    refresh: bool,
    say: ConsoleReporter,
) -> CostOutcome:
    """Read the current record, or measure and write one. An exception becomes the outcome."""
    of = ("recognizer", network.name, network.track)
    try:
        if costs is not None and not refresh and (found := _standing(network, device, costs, cpu)):
            return CostOutcome(*of, "kept", found, costs / cost_name(found))
        total, *streams = network.measure(device, cpu)
        if costs is None:
            return CostOutcome(*of, "measured", total)
        for stream in streams:
            publish_cost(costs, stream, say=say.say)
        return CostOutcome(*of, "measured", total, publish_cost(costs, total, say=say.say))
    except ElrError as error:
        return CostOutcome(*of, "failed", error=str(error))
    except Exception as error:  # a bug of a plugin, or too little memory on the device
        return CostOutcome(*of, "failed", error=one_line(error))
    finally:
        free(device)


def _standing(network: Recorded, device: torch.device, costs: Path, cpu: CpuRequest | None) -> Any:
    """Return the cost record of the same structure, device and versions, or None."""
    from benchmark_core.cost.engines import ENGINES
    from benchmark_core.cost.structure import device_of
    from benchmark_core.provenance import versions

    named = {"structure": network.structure, "device": device_of(device, cpu)}
    path = costs / cost_name(named)
    engines = [] if cpu is None else [(ENGINES[name].name, ENGINES[name].precision) for name in cpu.engines]
    # A published setting of a component may have the same structure; its record also names the component's plugin.
    plugins = read_cost(path).get("plugins", {}) if path.exists() else {}
    expected = {**named, "versions": versions(), "plugins": plugins}
    return read_cost(path) if already_measured(path, expected, engines, 1.0 if cpu is None else cpu.limit) else None
