"""Measure the peak memory of an update of the attention head by the number of chunks, and the longest clip that fits.

    python benchmarks/head_memory.py                       # chunks of 64 frames at 224x224, as in the documentation
    python benchmarks/head_memory.py --memory 24 --shape 512 1 7 10 --frames 16

Each case runs in its own process: forward, backward and a step of Adam on one clip (`method.head_batch=1`). The peak is
of the whole process, torch included. The memory of a chunk is the slope between two numbers of chunks.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

KINDS = ("printed", "softmax")
SIZES = (16, 48)  # chunks
CHILD = "--update"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shape = [1024, 8, 7, 7]
    parser.add_argument(
        "--shape", type=int, nargs=4, metavar=("F", "T", "H", "W"), default=shape, help="shape of a chunk's map"
    )
    parser.add_argument("--frames", type=int, metavar="N", default=64, help="frames of a chunk")
    parser.add_argument("--memory", type=float, metavar="GIB", default=8.0, help="memory for the longest clip, in GiB")
    parser.add_argument(
        "--chunks", type=int, nargs=2, metavar="K", default=SIZES, help="two numbers of chunks to measure"
    )
    parser.add_argument(CHILD, metavar="KIND", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    few, many = sorted(asked.chunks)
    if few == many:
        parser.error("--chunks needs two different numbers")
    if asked.update:
        print(json.dumps(peak_of_update(asked.update, many, asked.shape)))
        return 0
    for kind in KINDS:
        low, high = (in_a_process(kind, chunks, asked.shape) for chunks in (few, many))
        each = (high - low) / (many - few)
        if each <= 0:
            parser.error(
                f"{few} and {many} chunks of {asked.shape} do not differ in memory; pass larger numbers as --chunks"
            )
        longest = many + int((asked.memory * 2**30 - high) / each)
        print(
            f"{kind:8}  {each / 2**20:5.1f} MiB a chunk  {longest} chunks in {asked.memory:g} GiB: "
            f"{longest * asked.frames} frames"
        )
    return 0


def in_a_process(kind: str, chunks: int, shape: Sequence[int]) -> int:
    """Return the peak memory in bytes of an update in a new process."""
    command = [sys.executable, __file__, CHILD, kind, "--chunks", str(chunks), "0", "--shape", *map(str, shape)]
    done = subprocess.run(command, check=True, capture_output=True, env={**os.environ, "MALLOC_ARENA_MAX": "1"})
    return int(json.loads(done.stdout))


def peak_of_update(kind: str, chunks: int, shape: Sequence[int]) -> int:
    """Return the peak memory of this process in bytes after an update on one clip of `chunks` maps of `shape`."""
    import torch

    from elrbench_plugins.purwanto.attention import SpatialTemporalAttention

    features, _, height, width = shape
    head = SpatialTemporalAttention(features, 51, positions=height * width, kind=kind)
    optimiser = torch.optim.Adam(head.parameters())
    maps = torch.randn(1, chunks, *shape)
    head(maps, torch.ones(1, chunks)).square().sum().backward()
    optimiser.step()
    return own_peak()


def own_peak() -> int:
    """Return the peak in bytes. On Linux not from `ru_maxrss`, which starts at the peak of the parent process."""
    status = Path("/proc/self/status")
    if status.is_file():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024  # type: ignore[index]
    kilobyte = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kilobyte


if __name__ == "__main__":
    sys.exit(main())
