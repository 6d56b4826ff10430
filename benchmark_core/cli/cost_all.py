"""`elrbench cost --all`: measure every backbone and enhancer; report a failure in one line and continue."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark_core.cli.console import ConsoleReporter, columns
from benchmark_core.errors import ElrError
from benchmark_core.records.cost_record import single_on_cpu

if TYPE_CHECKING:
    import torch

    from benchmark_core.catalog import Catalog
    from benchmark_core.cost.cpu_latency import CpuRequest
    from benchmark_core.cost.every import Subject


@dataclass(frozen=True)
class CostOutcome:
    """Result for one component in one setting. state: "measured", "kept" (the record is current) or "failed"."""

    kind: str
    component: str
    setting: str
    state: str
    record: Any = None
    path: Path | None = None
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the non-empty fields."""
        fields = {
            "kind": self.kind,
            "component": self.component,
            "setting": self.setting,
            "state": self.state,
            "error": self.error,
            "path": str(self.path) if self.path else None,
            "record": self.record,
        }
        return {key: value for key, value in fields.items() if value}

    def cells(self) -> list[str]:
        """Return the cells of a table row: component, setting, parameters, MACs, latency, state."""
        figures = ["-"] * 3
        if self.record:
            figures = [
                f"{self.record['params']['total'] / 1e6:.2f} M",
                f"{self.record['macs']['view'] / 1e9:.3f} G",
                headline(self.record),
            ]
        return [self.component, self.setting, *figures, self.state if not self.error else f"failed: {self.error}"]


def headline(record: dict[str, Any]) -> str:
    """Format the median latency of one clip in fp32, not compiled; on a CPU that of one thread."""
    if record["latency"]:
        return f"{record['latency']['single']['median']:.2f} ms"
    if "refused" in record:
        return "- (busy machine)"
    single = single_on_cpu(record)
    return f"{single['median']:.2f} ms" if single else "-"


def every_cost(
    catalog: Catalog,
    only: tuple[str, ...],
    device: torch.device,
    costs: Path | None,
    *,
    cpu: CpuRequest | None,
    refresh: bool,
    say: ConsoleReporter,
) -> Iterator[CostOutcome]:
    """Yield outcomes one by one.

    costs: folder of the records, each written as soon as it is measured, or None. cpu: what to time on a CPU.

    Raises ElrError before any measurement if a name in `only` is neither a backbone nor an enhancer.
    """
    from benchmark_core.cost.every import subjects

    every = subjects(catalog, only)
    for number, subject in enumerate(every, 1):
        outcome = _measured(catalog, subject, device, costs, cpu=cpu, refresh=refresh, say=say)
        figures = ", ".join(cell for cell in outcome.cells()[2:] if cell != "-")
        say.say(f"{number}/{len(every)} {subject}: {figures}")
        yield outcome


def _measured(
    catalog: Catalog,
    subject: Subject,
    device: torch.device,
    costs: Path | None,
    *,
    cpu: CpuRequest | None,
    refresh: bool,
    say: ConsoleReporter,
) -> CostOutcome:
    """Read the current record, or measure and write one. An exception of the component becomes its outcome."""
    from benchmark_core.cost.every import measure, standing
    from benchmark_core.records.cost_record import cost_name
    from benchmark_core.records.publish_cost import publish_cost

    owner = catalog.owner(subject.spec)
    of = (subject.spec.kind, subject.spec.name, str(subject.at))
    try:
        if costs is not None and not refresh and (found := standing(subject, owner, device, costs, cpu)):
            return CostOutcome(*of, "kept", found, costs / cost_name(found))
        record = measure(subject, owner, device, cpu)
        if costs is None:
            return CostOutcome(*of, "measured", record)
        return CostOutcome(*of, "measured", record, publish_cost(costs, record, say=say.say))
    except ElrError as error:
        return CostOutcome(*of, "failed", error=str(error))
    except Exception as error:  # a bug of the plugin, or too little memory on the device
        return CostOutcome(*of, "failed", error=f"{one_line(error)} (plugin {owner})")
    finally:
        free(device)


def one_line(error: Exception) -> str:
    """Return the type and the first line of an unexpected error."""
    first = (str(error).strip().splitlines() or ["no reason given"])[0]
    return f"{type(error).__name__}: {first}"[:240]


def free(device: torch.device) -> None:
    """Free the memory of the last network before the next one is built."""
    import torch

    gc.collect()
    if device.type == "cuda":
        with contextlib.suppress(RuntimeError):  # after a CUDA error every call fails; the next measurement reports it
            torch.cuda.empty_cache()


def as_text(outcomes: list[CostOutcome], device: str) -> str:
    """Format a row for each outcome, and the number of outcomes by state."""
    heading = ["component", "setting", "parameters", "MACs per view", "latency", "state"]
    count = {state: sum(outcome.state == state for outcome in outcomes) for state in ("measured", "kept", "failed")}
    total = ", ".join(f"{number} {state}" for state, number in count.items() if number)
    table = columns([heading, *(outcome.cells() for outcome in outcomes)])
    return f"{table}\n\n{device}: {total}"
