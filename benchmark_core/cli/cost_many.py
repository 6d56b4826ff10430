"""`elrbench cost --all` and `--records`: measure many networks, print them, and return the exit code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark_core.cli.console import ConsoleReporter, print_json
from benchmark_core.errors import ElrError

if TYPE_CHECKING:
    import torch

    from benchmark_core.catalog import Catalog
    from benchmark_core.cli.cost_all import CostOutcome
    from benchmark_core.cost.cpu_latency import CpuRequest


def measure_components(
    catalog: Catalog,
    only: tuple[str, ...],
    device: torch.device,
    cpu: CpuRequest | None,
    folder: Path | None,
    refresh: bool,
    as_json: bool,
) -> int:
    """Measure and print every backbone and enhancer; return the exit code."""
    from benchmark_core.cli.cost_all import every_cost
    from benchmark_core.records.files import COSTS

    costs = None if folder is None else folder / COSTS
    outcomes = list(every_cost(catalog, only, device, costs, cpu=cpu, refresh=refresh, say=ConsoleReporter()))
    return _report(outcomes, device, cpu, as_json)


def measure_records(
    catalog: Catalog,
    device: torch.device,
    cpu: CpuRequest | None,
    folder: Path,
    refresh: bool,
    as_json: bool,
    *,
    keep: bool,
) -> int:
    """Measure and print the recognizer of every record in `folder`; return the exit code."""
    from benchmark_core.cli.cost_records import recorded_costs
    from benchmark_core.cli.leaderboard import print_left_out
    from benchmark_core.records.files import COSTS
    from benchmark_core.tables.load import load_leaderboard

    found = load_leaderboard(folder)
    if not found.runs:
        raise ElrError(f"{folder} has no run records; pass --folder DIR or publish a run")
    costs, say = folder / COSTS if keep else None, ConsoleReporter()
    print_left_out(found.problems)
    code = _report(
        list(recorded_costs(catalog, found, device, costs, cpu=cpu, refresh=refresh, say=say)),
        device,
        cpu,
        as_json,
    )
    return 1 if found.problems else code


def _report(outcomes: list[CostOutcome], device: torch.device, cpu: CpuRequest | None, as_json: bool) -> int:
    """Print the outcomes of many measurements; return the exit code."""
    from benchmark_core.cli.cost_all import as_text as table
    from benchmark_core.cost.structure import device_of

    if as_json:
        found = [outcome.as_json() for outcome in outcomes]
        print_json({"device": device_of(device, cpu), "costs": found})
    else:
        click.echo(table(outcomes, device_of(device, cpu)))
    return 1 if any(outcome.state == "failed" for outcome in outcomes) else 0
