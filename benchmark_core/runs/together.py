"""A run by several ranks: join them, compare what they have, and prepare the clips once."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from benchmark_core.canonical import digest_of
from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of
from benchmark_core.progress import SILENT, Reporter, Silent
from benchmark_core.provenance import owners_of, versions
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.extra_data import clips_digest
from benchmark_core.runs.fold_data import Data
from benchmark_core.runs.lists import Listing
from benchmark_core.runs.places import Place, device_of, refuse_norms
from benchmark_core.runs.prepare import prepare
from benchmark_core.training.connect import connect
from benchmark_core.training.ranks import Ranks


class WarningsOf(Silent):
    """The reporter of another rank than 0: warnings alone, with the number of the process."""

    def __init__(self, reporter: Reporter, rank: int) -> None:
        self.reporter = reporter
        self.rank = rank

    def warn(self, line: str) -> None:
        """Report a warning of this process."""
        self.reporter.warn(f"process {self.rank}: {line}")


@contextmanager
def joined(place: Place, plan: Plan, catalog: Catalog, context: RunContext) -> Iterator[RunContext]:
    """Join the ranks for the block; yields the context with the device and the reporter of this one.

    Raises ElrError if the ranks differ in plan, versions or plugins, or if two of them have one GPU.
    """
    device = device_of(context.device, place)
    refuse_norms(plan, device.type)
    reporter = context.reporter if place.rank == 0 else WarningsOf(context.reporter, place.rank)

    def check(ranks: Ranks) -> None:
        refuse_unlike(ranks, _facts(plan, catalog), "install equal versions and pass equal options")
        refuse_shared_gpu(ranks, device)

    with connect(place.rank, place.size, device, where=place.where, check=check):
        yield replace(context, device=str(device), reporter=reporter)


def refuse_unlike(ranks: Ranks, facts: dict[str, str], remedy: str) -> None:
    """Raise ElrError, on all ranks, if a fact of one rank differs from that of rank 0."""
    found = ranks.gather((socket.gethostname(), facts))
    host, first = found[0]
    for rank, (other_host, other) in enumerate(found):
        for name in {**first, **other}:
            if first.get(name) != other.get(name):
                raise ElrError(
                    f"process {rank} on {other_host} has {name} {other.get(name, 'none')}, but process 0 on {host} has "
                    f"{first.get(name, 'none')}; {remedy}"
                )


def _facts(plan: Plan, catalog: Catalog) -> dict[str, str]:
    """Return what must be equal on all ranks before anything is read."""
    owners = owners_of(catalog, components_of(catalog, plan))
    plugins = {f"the {kind}": f"{owner} {owner.digest}".strip() for kind, owner in owners.items()}
    return {"the plan": plan.digest, **versions(), **plugins}


def refuse_shared_gpu(ranks: Ranks, device: torch.device) -> None:
    """Raise ElrError, on all ranks, if two of them have the same GPU."""
    own = None
    if device.type == "cuda":
        own = (socket.gethostname(), str(torch.cuda.get_device_properties(device).uuid))
    found = ranks.gather(own)
    for rank, gpu in enumerate(found):
        if gpu is not None and gpu in found[:rank]:
            raise ElrError(
                f"processes {found.index(gpu)} and {rank} have the same GPU on {gpu[0]}; start as many processes on a "
                "machine as it has GPUs"
            )


def prepare_together(ranks: Ranks, plan: Plan, components: Components, context: RunContext, listing: Listing) -> Data:
    """Return `prepare(...)`: rank 0 decodes what is missing, then the others find it.

    Raises ElrError if the ranks read different clips, or if there are fewer training clips than ranks.
    """
    if not ranks.several:
        return prepare(plan, components, context, listing)
    made: list[Data] = []
    ranks.lead(lambda: made.append(prepare(plan, components, context, listing)))
    data = made[0] if made else prepare(plan, components, replace(context, reporter=SILENT), listing)
    facts: dict[str, Any] = {
        "training clips": clips_digest(data.train, data.store),
        "test clips": clips_digest(data.test, data.store),
        "the order of clips": digest_of([clip.id for clip in (*data.train, *data.test)]),
        "unlabelled clips": "" if data.unlabelled is None else data.unlabelled.digest,
        "clips of the high source": "" if data.hr_source is None else data.hr_source.digest,
        "stored views": digest_of([each.key for each in (data.view_plan.low, data.view_plan.high) if each]),
    }
    refuse_unlike(ranks, facts, "give every process the same --data and --cache")
    if len(data.train) < ranks.size:
        raise ElrError(
            f"{components.dataset.name}: fold {plan.fold} has {len(data.train)} training clips for {ranks.size} "
            "processes; pass a smaller --processes"
        )
    return data
