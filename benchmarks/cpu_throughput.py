"""Clips per second on one CPU core: native3d-s at 12x16 next to networks for larger pictures, all in one run.

    python benchmarks/cpu_throughput.py                       # about three minutes
    python benchmarks/cpu_throughput.py --only native3d-s --engines onnxruntime --rounds 9

Networks have random weights and 21 classes. `native3d-s` takes clips of 24 frames at 12x16, image networks take four
frames enlarged from 12x16 to 96x128, and r2plus1d-18-tv takes 16 frames at 112x112. Rounds of all networks and engines
alternate, and medians over rounds are of CPU seconds, so that other processes on the machine change them little; their
load is printed. A training step is forward, backward and AdamW in float32. Memory is the peak above that before the
passes, plus the weights that PyTorch holds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional as F

from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.cost.cpu_clock import CpuClock
from benchmark_core.cost.cpu_latency import batch_for
from benchmark_core.cost.engines import ENGINES, Subject, subject_of
from benchmark_core.cost.load import read_ticks
from benchmark_core.cost.macs import count_macs
from benchmark_core.errors import ElrError
from benchmark_core.networks.assemble import build_recognizer
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.training.device import describe_device

CLASSES = 21
NATIVE, RIVAL = "native3d-s", "r2plus1d-18-tv"
# backbone -> enhancer, low size, network size, intervals, frames
NETWORKS = {
    NATIVE: ("none", (12, 16), (12, 16), 1, 24),
    "resnet18": ("bilinear", (12, 16), (96, 128), 4, 1),
    "efficientnet-lite0": ("bilinear", (12, 16), (96, 128), 4, 1),
    RIVAL: ("none", (112, 112), (112, 112), 1, 16),
}
SHOWN = ("onnxruntime", "int8", "eager")
Step = Callable[[], object]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME,NAME", default=",".join(NETWORKS), help="these networks")
    parser.add_argument("--engines", metavar="NAME,NAME", default=",".join(SHOWN), help=f"of {', '.join(ENGINES)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="least CPU seconds of a network in a round")
    parser.add_argument("--batch", type=int, help="clips of a pass; default: what takes half a second, at most 32")
    parser.add_argument("--train-batch", type=int, default=4, help="clips of a training step")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(arguments)
    names, engines = asked.only.split(","), asked.engines.split(",")
    for given, known in ((names, NETWORKS), (engines, ENGINES)):
        if unknown := [name for name in given if name not in known]:
            parser.error(f"{unknown[0]!r} is unknown; choose from {', '.join(known)}")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        before = read_ticks()
        found = measure(names, engines, asked)
        after = read_ticks()
    except ElrError as error:
        print(f"cpu_throughput: error: {error}", file=sys.stderr)
        return error.exit_code
    finally:
        torch.set_num_threads(threads)
    load = before.load_until(after) if before and after else None
    device = describe_device(torch.device("cpu"), 1)
    if asked.json:
        print(json.dumps({"device": device, "load": load, "networks": found}, indent=1))
    else:
        print(as_text(found, engines, device, load))
    return 0


def recognizer(catalog: Catalog, backbone: str) -> Recognizer:
    """Return the network from scratch, in evaluation mode."""
    enhancer, low, size, intervals, frames = NETWORKS[backbone]
    return build_recognizer(
        backbone_spec=catalog.backbones[backbone],
        enhancer_spec=catalog.enhancers[enhancer],
        classes=CLASSES,
        low=low,
        size=size,
        sampling=(intervals, frames),
    ).eval()


def measure(names: Sequence[str], engines: Sequence[str], asked: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return the figures of each network."""
    catalog = load_catalog()
    found: dict[str, dict[str, Any]] = {}
    with contextlib.ExitStack() as stack:
        steps: dict[tuple[str, str], tuple[Step, int]] = {}  # network, engine -> a pass, its clips
        for name in names:
            net = recognizer(catalog, name)
            _, low, _, intervals, frames = NETWORKS[name]
            clip = torch.rand(1, intervals, 3, frames, *low)
            batch = asked.batch or batch_for(clip_ms(net, clip))
            macs = count_macs(net, clip).clip
            shape = f"{intervals}x{frames} of {'x'.join(map(str, NETWORKS[name][2]))}"
            found[name] = {"view": shape, "macs": macs, "batch": batch, "clips_per_second": {}, "memory": {}}
            clips = clip.repeat(batch, 1, 1, 1, 1, 1)
            subject = stack.enter_context(subject_of(net))
            for engine in engines:
                steps[name, engine] = stack.enter_context(prepared(subject, engine, clips)), batch
                found[name]["memory"][engine] = peak(subject, engine, clips)
        took: dict[tuple[str, str], list[float]] = {key: [] for key in steps}
        for _ in range(asked.rounds):
            for key, (step, batch) in steps.items():
                took[key].append(batch / cpu_seconds(step, asked.seconds))
    for (name, engine), rates in took.items():
        found[name]["clips_per_second"][engine] = statistics.median(rates)
    for name in names:
        found[name] |= training_step(recognizer(catalog, name), NETWORKS[name], asked)
    return found


@contextlib.contextmanager
def prepared(subject: Subject, engine: str, clips: torch.Tensor) -> Any:
    """A function that runs one pass, after a first one."""
    ENGINES[engine].ready(subject, clips)
    with ENGINES[engine].prepare(subject, clips, 1) as step:
        step()
        yield step


def peak(subject: Subject, engine: str, clips: torch.Tensor) -> int:
    """Return the peak memory of passes in bytes, with the weights."""
    held = sum(weights.nbytes for weights in subject.network.parameters()) if ENGINES[engine].in_torch else 0
    clock = CpuClock(held)
    with ENGINES[engine].prepare(subject, clips, 1) as step:
        clock.restart_peak()
        step()
        return clock.peak()


def clip_ms(net: Recognizer, clip: torch.Tensor) -> float:
    """Return the CPU milliseconds of one clip in eager PyTorch."""
    with torch.inference_mode():
        net(clip)
        return 1000 * cpu_seconds(lambda: net(clip), 0)


def cpu_seconds(step: Step, least: float) -> float:
    """Return the CPU seconds of a pass, the mean of passes that take `least` seconds together; at least one."""
    began, passes = time.process_time(), 0
    while passes == 0 or time.process_time() - began < least:
        step()
        passes += 1
    return (time.process_time() - began) / passes


def training_step(net: Recognizer, network: Any, asked: argparse.Namespace) -> dict[str, Any]:
    """Return milliseconds and peak memory of a training step; a first step warms up."""
    _, low, _, intervals, frames = network
    held = sum(weights.nbytes for weights in net.parameters())
    clock = CpuClock(held)
    net.train()
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3)
    clips, target = torch.rand(asked.train_batch, intervals, 3, frames, *low), torch.arange(asked.train_batch) % CLASSES

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(net(clips), target).backward()
        optimiser.step()

    step()
    clock.restart_peak()
    took = [1000 * cpu_seconds(step, 0) for _ in range(asked.rounds)]
    return {
        "train_batch": asked.train_batch,
        "train_ms": statistics.median(took),
        "train_memory": clock.peak(),
    }


def as_text(found: Mapping[str, Mapping[str, Any]], engines: Sequence[str], device: str, load: float | None) -> str:
    """Format a row for each network, and the ratio of the native network to r2plus1d-18-tv by engine."""
    heads = [f"{engine:>12}" for engine in engines]
    lines = [f"{'clips/s':20} {'view':16} {'GMAC':>8} {''.join(heads)} {'training step':>20} {'memory (MiB)':>16}"]
    for name, row in found.items():
        rates = "".join(f"{row['clips_per_second'][engine]:12.4g}" for engine in engines)
        step = f"{row['train_ms']:.0f} ms of {row['train_batch']}"
        memory = " ".join(f"{row['memory'][engine] / 2**20:.0f}" for engine in engines)
        memory = f"{memory}, {row['train_memory'] / 2**20:.0f}"
        lines.append(f"{name:20} {row['view']:16} {row['macs'] / 1e9:8.4g} {rates} {step:>20} {memory:>16}")
    if NATIVE in found and RIVAL in found:
        each = (
            f"{engine} {found[NATIVE]['clips_per_second'][engine] / found[RIVAL]['clips_per_second'][engine]:.0f}"
            for engine in engines
        )
        lines.append(f"{NATIVE} over {RIVAL}, times as many clips: {', '.join(each)}")
        if {"onnxruntime", "eager"} <= set(engines):
            native, rival = (found[name]["clips_per_second"] for name in (NATIVE, RIVAL))
            times = native["onnxruntime"] / rival["eager"]
            lines.append(f"{NATIVE} by onnxruntime over {RIVAL} in eager PyTorch: {times:.0f}")
    other = "unknown" if load is None else f"{100 * load:.0f} %"
    lines.append(f"memory: a batch by engine, then a training step; {device}; load from other processes: {other}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
