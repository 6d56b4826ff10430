"""The place of this process among those of a plan, as torchrun, srun or `workers.start` gave it, and its device."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import Plan
from benchmark_core.training.device import pick_device

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Place:
    """This process among those of a plan. local: its number on this machine. where: as `init_method` of torch."""

    rank: int
    size: int
    local: int
    where: str = "env://"


def place_in(environment: Mapping[str, str], processes: int) -> Place | None:
    """Return the place that torchrun, srun or `workers.start` gave this process; None if it is alone.

    processes: number that the plan states; 0 for one. Raises ElrError if another number was started.
    """
    found, by = _torchrun(environment), "torchrun"
    if found is None and processes:
        found, by = _srun(environment), "srun"
    if found is None:
        return None
    if found.size != max(1, processes):
        raise ElrError(
            f"{by} started {found.size} processes, but the plan is trained by {max(1, processes)}; pass --processes "
            f"{found.size}"
        )
    return found


def _torchrun(environment: Mapping[str, str]) -> Place | None:
    try:
        rank, size = int(environment["RANK"]), int(environment["WORLD_SIZE"])
        local = int(environment.get("LOCAL_RANK", rank))
    except (KeyError, ValueError):
        return None
    return Place(rank=rank, size=size, local=local) if size > 1 else None


def _srun(environment: Mapping[str, str]) -> Place | None:
    """Return the place in a step of several tasks. The first host holds the store, at a port made of the job's id."""
    try:
        size, rank = int(environment["SLURM_STEP_NUM_TASKS"]), int(environment["SLURM_PROCID"])
        local, job = int(environment["SLURM_LOCALID"]), int(environment["SLURM_JOB_ID"])
        step = int(environment.get("SLURM_STEP_ID", 0))
    except (KeyError, ValueError):
        return None
    if size < 2:
        return None
    host = environment.get("MASTER_ADDR") or first_host(environment.get("SLURM_STEP_NODELIST", LOOPBACK))
    port = environment.get("MASTER_PORT") or 15000 + (job * 7 + step) % 20000
    return Place(rank=rank, size=size, local=local, where=f"tcp://{host}:{port}")


def first_host(nodes: str) -> str:
    """Return the first host of Slurm's list of nodes: `gpu[03,05-07],cpu1` -> `gpu03`."""
    found = re.match(r"([^\[,]+)(?:\[(\d+)[^\]]*\]([^,\[]*))?", nodes)
    return "".join(filter(None, found.groups())) if found else nodes


def device_of(asked: str | None, place: Place) -> torch.device:
    """Return the device of one process: its own GPU, or the CPU. Raises ElrError if it cannot be used."""
    kind = kind_of(asked)
    if kind != "cuda":
        return pick_device(kind)
    count = torch.cuda.device_count()
    if count == 1:  # each process sees its own alone
        return pick_device("cuda:0")
    if place.local >= count:
        raise ElrError(
            f"process {place.rank} would be number {place.local + 1} on a machine with {count} GPUs; start fewer "
            "processes on each machine or pass --device cpu"
        )
    return pick_device(f"cuda:{place.local}")


def kind_of(asked: str | None) -> str:
    """Return cpu or cuda. Raises ElrError for a device that several processes cannot use."""
    if asked is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    if asked not in ("cpu", "cuda"):
        raise ElrError(f"--device {asked} is one device, but each of several processes has its own; pass cuda or cpu")
    if asked == "cuda" and not torch.cuda.is_available():
        pick_device(asked)  # raises, and says why
    return asked


def check_devices(plan: Plan, asked: str | None) -> None:
    """Raise ElrError if this machine has too few GPUs for the plan's processes, or none for what the plan needs."""
    kind = kind_of(asked)
    if kind == "cuda" and plan.processes > (count := torch.cuda.device_count()):
        raise ElrError(
            f"{plan.processes} processes need as many GPUs, but {count} {'is' if count == 1 else 'are'} visible; pass "
            f"--processes {count} or --device cpu"
        )
    refuse_norms(plan, kind)


def refuse_norms(plan: Plan, kind: str) -> None:
    """Raise ElrError if the plan synchronises batch normalisation and the device is no GPU."""
    if plan.batch_norm == "sync" and kind != "cuda":
        raise ElrError("--batch-norm sync needs a GPU for each process; remove it on a CPU")
