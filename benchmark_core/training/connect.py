"""Join the other processes of a plan, and leave them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from benchmark_core.training.ranks import ONE, Ranks, exchange
from benchmark_core.training.seeds import restore_only

PATIENCE = timedelta(minutes=30)  # of an exchange of tensors
LONGEST = timedelta(days=20)  # of a wait for rank 0; in ms it fits into 32 bits
_connected: Ranks = ONE


def connected() -> Ranks:
    """Return the ranks that this process is one of; `ONE` unless it is inside `connect`."""
    return _connected


@contextmanager
def connect(
    rank: int,
    size: int,
    device: torch.device,
    *,
    where: str = "env://",
    backend: str | None = None,
    check: Callable[[Ranks], None] = lambda ranks: None,
) -> Iterator[Ranks]:
    """Join the other processes for the block.

    where: as `init_method` of torch. backend: of the group of tensors; by default nccl on a GPU and gloo on a CPU.
    check: called before the devices are connected; it may exchange objects and raise ElrError.
    Raises PeerLost if the others cannot be reached.
    """
    global _connected
    backend = backend or ("nccl" if device.type == "cuda" else "gloo")
    if device.type == "cuda":
        torch.cuda.set_device(device)
        restore_only([torch.cuda.current_device()])
    with exchange():
        dist.init_process_group("gloo", init_method=where, rank=rank, world_size=size, timeout=PATIENCE)
        objects = dist.new_group(backend="gloo", timeout=LONGEST)
    try:
        check(Ranks(rank, size, objects=objects))
        with exchange():
            tensors = dist.new_group(backend=backend, timeout=PATIENCE)
        _connected = Ranks(rank, size, tensors, objects)
        yield _connected
        _connected.wait()  # rank 0 may still need the others' connections
    except BaseException:
        if backend == "gloo":  # nccl would wait for the processes that ended
            dist.destroy_process_group()
        raise
    else:
        dist.destroy_process_group()
    finally:
        _connected = ONE
