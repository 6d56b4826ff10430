"""What several processes do in `test_ranks.py`: `python several.py NAME FOLDER RANK SIZE` runs one of `WORK`.

Each process writes what it found to FOLDER/RANK.pt. Processes meet in a file of FOLDER, so that no port is needed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from benchmark_core.clips.batch import Part
from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.training.average import Average
from benchmark_core.training.averaging import average_gradients, averaging, step
from benchmark_core.training.connect import connect
from benchmark_core.training.equal_state import begin_equal, checksums, end_equal
from benchmark_core.training.ranks import PeerLost, Ranks
from benchmark_core.training.recipe import Recipe
from benchmark_core.training.shared_stage import SharedMetrics

SECONDS = 600  # for all processes together
Found = dict[str, Any]


def together(name: str, size: int, folder: Path) -> list[Found]:
    """Run `WORK[name]` in `size` processes and return what each found."""
    folder.mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "OMP_NUM_THREADS": "1",
        "GLOO_SOCKET_IFNAME": "lo",
        "TORCH_CPP_LOG_LEVEL": "ERROR",
    }
    ranks = [
        subprocess.Popen(
            [sys.executable, __file__, name, str(folder), str(rank), str(size)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(size)
    ]
    try:
        for rank, process in enumerate(ranks):
            printed, _ = process.communicate(timeout=SECONDS)
            assert process.returncode == 0, f"process {rank}: {printed}"
    finally:
        for process in ranks:
            process.kill()
            process.wait()
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(size)]


def message(fn: Callable[[], object], kind: type[ElrError] = ElrError) -> str:
    """Return the message of the error that `fn` raises, "" if it raises none."""
    try:
        fn()
    except kind as error:
        return str(error)
    return ""


def gradients(ranks: Ranks) -> Found:
    """Average gradients of parameters that have them on all ranks, on one, on none; whole and complex ones."""
    everywhere, first, nowhere, turning = (
        nn.Parameter(torch.zeros(2)),
        nn.Parameter(torch.zeros(2, 1)),
        nn.Parameter(torch.zeros(3)),
        nn.Parameter(torch.zeros(1, dtype=torch.complex64)),
    )
    members = [everywhere, first, nowhere, turning]

    def fill() -> None:
        everywhere.grad = torch.tensor([1.0, 10.0]) * (ranks.rank + 1)
        first.grad = torch.ones(2, 1) if ranks.leads else None
        nowhere.grad = None
        turning.grad = torch.tensor([complex(ranks.rank, 2)])

    found: Found = {}
    with averaging(ranks, "toy"):
        for name, weight in (("equal", None), ("weighted", float(1 + 2 * ranks.rank))):
            fill()
            average_gradients(members, weight)
            found[name] = [None if each.grad is None else each.grad.clone() for each in members]
        ranks.part = Part(clips=5, rank=ranks.rank, size=ranks.size)  # 3 clips on rank 0, 2 on rank 1
        fill()
        average_gradients(members)
        found["by clips"] = everywhere.grad
        everywhere.grad = torch.sparse_coo_tensor([[0]], [1.0], (2,))
        found["sparse"] = message(lambda: average_gradients(members))
    ranks.wait()
    return found


def updates(ranks: Ranks) -> Found:
    """Train by a recipe and by an optimizer's own steps, and try a step without an average."""
    torch.manual_seed(0)
    net = nn.Linear(4, 2)
    options = {"optimiser": "adamw", "lr": 0.1, "weight_decay": 0.1, "clip_norm": 0.5, "schedule": "constant",
               "warmup_epochs": 0, "momentum": 0.9, "model_ema_decay": 0.9}  # fmt: skip
    recipe = Recipe([net], options, epochs=3, steps=1)
    recipe.begin_epoch(0)
    other = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    data = torch.arange(24.0).reshape(6, 4) / 24
    ranks.part = Part(clips=6, rank=ranks.rank, size=ranks.size)
    own = ranks.turn.share(data)
    found: Found = {}
    with averaging(ranks, "toy"):
        for _ in range(3):
            recipe.step(net(own).square().mean())
        for _ in range(2):
            other.zero_grad()
            net(own).square().mean().backward()
            step(other, clip_norm=0.1)
        found["weights"] = torch.cat([value.flatten() for value in net.state_dict().values()]).clone()
        found["average"] = torch.cat([value.flatten() for value in recipe.averages[0][1].network.state_dict().values()])
        net(own).square().mean().backward()
        found["refused"] = message(other.step)
    other.step()  # outside of the block nothing is refused
    found["sums"] = checksums([recipe])
    ranks.wait()
    return found


def rows(ranks: Ranks) -> Found:
    """Gather the rows of a batch of 5 clips: two per clip, of different lengths, in a list, and with gradients."""
    ranks.part = part = Part(clips=5, rank=ranks.rank, size=ranks.size)
    every = torch.arange(30.0).reshape(10, 3)  # 2 rows for each clip
    longer = torch.ones(part.own, 2 + ranks.rank)
    clips = [torch.full((1, clip + 1), float(clip)) for clip in range(5)]
    inputs = every[::2].clone().requires_grad_(True)
    scale = torch.arange(5.0)  # the loss of a rank is the mean over its clips of scale * (own + next clip's row)
    mine = part.of(inputs)
    mine.retain_grad()
    whole = ranks.whole(mine)
    assert isinstance(whole, torch.Tensor)
    pairs = (whole + whole.roll(-1, 0)).sum(1) * scale
    part.of(pairs).mean().backward()
    assert mine.grad is not None
    return {
        "rows": ranks.whole(part.of(every)),
        "longer": ranks.whole(longer),
        "list": ranks.whole(part.of(clips)),
        "gradient": mine.grad * ranks.weight / ranks.size,  # as `average_gradients` weights it
        "own": list(range(5))[ranks.rank :: ranks.size],
    }


def errors(ranks: Ranks) -> Found:
    """Errors of rank 0, of rank 1 and of all, and what `lead` and `each` return without one."""

    def fail(who: int | None = None, kind: type[ElrError] = ElrError) -> int:
        if who in (None, ranks.rank):
            raise kind(f"wrong on {'all' if who is None else who}")
        return ranks.rank

    return {
        "led": ranks.lead(lambda: {"rank": ranks.rank, "tensor": torch.ones(2)}),
        "lead fails": message(lambda: ranks.lead(lambda: fail(0, RunFailed)), RunFailed),
        "each": ranks.each(lambda: ranks.rank),
        "last fails": message(lambda: ranks.each(lambda: fail(ranks.size - 1))),
        "all fail": message(lambda: ranks.each(fail)),
        "after": ranks.broadcast(ranks.rank),
    }


class Counter:
    """State without tensors."""

    def __init__(self, value: int) -> None:
        self.value = value

    def state_dict(self) -> Any:
        return {"value": self.value}

    def load_state_dict(self, state: Any) -> Any:
        self.value = state["value"]


def equal(ranks: Ranks) -> Found:
    """Buffers follow rank 0, also those of averages; parameters, moments and numbers that differ are refused."""
    torch.manual_seed(ranks.rank)
    net = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    begin_equal(ranks, [net])
    average = Average(net, 0.9)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(torch.randn(8, 3))  # another batch on each rank
    average.update(net)
    found: Found = {"apart": checksums([net])["Sequential 0.1.running_mean"]}
    end_equal(ranks, [net, optimiser, average, Counter(3)], "epoch 1")
    found["sums"] = checksums([net, optimiser, average])
    found["average"] = average.network[1].running_mean.clone()  # type: ignore[union-attr, operator, index]
    found["number"] = message(lambda: end_equal(ranks, [net, Counter(ranks.rank)], "epoch 2"), RunFailed)
    with torch.no_grad():
        net[0].bias[0] += 1e-6 * ranks.rank
    found["weights"] = message(lambda: end_equal(ranks, [net], "epoch 3"), RunFailed)
    return found


def metrics(ranks: Ranks) -> Found:
    """Means over steps and clips of all ranks; a key of one rank; a value that is not finite."""
    logged = SharedMetrics("lower the learning rate", ranks)
    for step_, clips in enumerate((4, 5)):
        ranks.part = Part(clips=clips, rank=ranks.rank, size=ranks.size)
        logged.add("loss", torch.tensor(float(step_ + 10 * ranks.rank)))
    if not ranks.leads:
        logged.add("late", 2.0)
    found: Found = {"means": logged.means("epoch 1"), "again": logged.means("epoch 2")}
    logged.add("loss", float("nan") if ranks.rank else 1.0)
    found["nan"] = message(lambda: logged.means("epoch 3"), RunFailed)
    return found


def unlike(ranks: Ranks) -> Found:
    """Another version on rank 1, a plugin that rank 1 lacks, and one GPU for both."""
    from benchmark_core.runs.together import refuse_shared_gpu, refuse_unlike  # many modules

    plugin = {"the method": "mine"} if ranks.leads else {}
    torch.cuda.get_device_properties = lambda device: SimpleNamespace(uuid="one")  # type: ignore[assignment, misc]
    return {
        "equal": message(lambda: refuse_unlike(ranks, {"torch": "2.13"}, "install equal versions")),
        "version": message(lambda: refuse_unlike(ranks, {"torch": f"2.{ranks.rank}"}, "install equal versions")),
        "plugin": message(lambda: refuse_unlike(ranks, plugin, "install equal versions")),
        "gpu": message(lambda: refuse_shared_gpu(ranks, torch.device("cuda"))),
    }


def lost(ranks: Ranks) -> Found:
    """Rank 1 leaves; the exchange of rank 0 fails."""
    if ranks.leads:
        return {"lost": message(ranks.wait, PeerLost)}
    return {}


WORK: dict[str, Callable[[Ranks], Found]] = {
    each.__name__: each for each in (gradients, updates, rows, errors, equal, metrics, unlike, lost)
}


def main() -> None:
    names, folder, rank, size = sys.argv[1].split(","), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    where = f"file://{folder / 'meeting'}"
    found: Found = {}
    with connect(rank, size, torch.device("cpu"), where=where) as ranks:
        for name in names:
            found[name] = WORK[name](ranks)
        torch.save(found, folder / f"{rank}.pt")
        if "lost" in names:
            os._exit(0)


if __name__ == "__main__":
    main()
