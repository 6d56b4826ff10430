"""`elrbench cost --all`: every backbone and enhancer in turn; what is broken is one line, and the rest goes on."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark_core.cli.console import ConsoleReporter, columns
from benchmark_core.errors import ElrError

if TYPE_CHECKING:
    import torch

    from benchmark_core.catalog import Catalog
    from benchmark_core.cost.every import Subject


@dataclass(frozen=True)
class CostOutcome:
    """Of one component in one setting. state: "measured", "stands" (a record said it already) or "failed"."""

    kind: str
    component: str
    setting: str
    state: str
    record: Any = None
    path: Path | None = None
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """What there is of it."""
        facts = {
            "kind": self.kind,
            "component": self.component,
            "setting": self.setting,
            "state": self.state,
            "error": self.error,
            "path": str(self.path) if self.path else None,
            "record": self.record,
        }
        return {key: value for key, value in facts.items() if value}

    def cells(self) -> list[str]:
        """Component, setting, parameters, multiply-adds, latency, state."""
        figures = ["-"] * 3
        if self.record:
            latency = self.record["latency"]
            figures = [
                f"{self.record['params']['total'] / 1e6:.2f} M",
                f"{self.record['macs']['view'] / 1e9:.3f} G",
                f"{latency['single']['median']:.2f} ms" if latency else "-",
            ]
        return [self.component, self.setting, *figures, self.state if not self.error else f"failed: {self.error}"]


def every_cost(
    catalog: Catalog,
    only: tuple[str, ...],
    device: torch.device,
    costs: Path | None,
    *,
    refresh: bool,
    say: ConsoleReporter,
) -> Iterator[CostOutcome]:
    """Outcomes as they are had. costs: where records stand and go to, each as soon as it is measured; None: nowhere.

    ElrError, before anything is measured, where a name of `only` is of no backbone and no enhancer.
    """
    from benchmark_core.cost.every import subjects

    every = subjects(catalog, only)
    for number, subject in enumerate(every, 1):
        outcome = _settle(catalog, subject, device, costs, refresh=refresh, say=say)
        told = ", ".join(cell for cell in outcome.cells()[2:] if cell != "-")
        say.say(f"{number}/{len(every)} {subject}: {told}")
        yield outcome


def _settle(
    catalog: Catalog, subject: Subject, device: torch.device, costs: Path | None, *, refresh: bool, say: ConsoleReporter
) -> CostOutcome:
    """Looked up or measured, and written. Whatever a component raises is its own line."""
    from benchmark_core.cost.every import measure, standing
    from benchmark_core.records.cost_record import cost_name, replaces, write_cost

    owner = catalog.owner(subject.spec)
    of = (subject.spec.kind, subject.spec.name, str(subject.at))
    try:
        if costs is not None and not refresh and (found := standing(subject, owner, device, costs)):
            return CostOutcome(*of, "stands", found, costs / cost_name(found))
        record = measure(subject, owner, device)
        if costs is None:
            return CostOutcome(*of, "measured", record)
        if replaces(costs / cost_name(record), record):
            say.say(f"{costs / cost_name(record)}: an earlier measurement of the same structure and device is replaced")
        return CostOutcome(*of, "measured", record, write_cost(costs, record))
    except ElrError as error:
        return CostOutcome(*of, "failed", error=str(error))
    except Exception as error:  # a plugin's bug, or a network that this device has no memory for
        first = (str(error).strip().splitlines() or ["no reason given"])[0]
        return CostOutcome(*of, "failed", error=f"{type(error).__name__}: {first}"[:240] + f" (plugin {owner})")
    finally:
        _free(device)


def _free(device: torch.device) -> None:
    """The last network's memory goes before the next one's is claimed."""
    import torch

    gc.collect()
    if device.type == "cuda":
        with contextlib.suppress(RuntimeError):  # a device that an earlier error has spoilt says so at the next use
            torch.cuda.empty_cache()


def as_text(outcomes: list[CostOutcome], device: str) -> str:
    """A line each, and how many of which state there are."""
    heading = ["component", "setting", "parameters", "multiply-adds of a view", "latency", "state"]
    count = {state: sum(outcome.state == state for outcome in outcomes) for state in ("measured", "stands", "failed")}
    total = ", ".join(f"{number} {state}" for state, number in count.items() if number)
    table = columns([heading, *(outcome.cells() for outcome in outcomes)])
    return f"{table}\n\n{device}: {total}"
