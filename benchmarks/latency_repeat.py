"""Measure how well GPU latency repeats: medians of several runs, each in its own process, and their spread.

    python benchmarks/latency_repeat.py --backbone resnet34 --size 256x340 --sampling 1x1

The latency of a bare backbone is measured as in `elrbench cost`: a batch of one clip and a throughput batch, in fp32;
with --variants also in bf16 and compiled. The spread of medians is (largest - smallest) / median. Exit code 1 if a
spread is above --within, 3 % by default; exit code 2 without a GPU.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark_core.errors import ElrError

RUNS = 5
WITHIN = 0.03


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="resnet34")
    parser.add_argument("--classes", type=int, default=101)
    parser.add_argument("--size", default="256x340", metavar="HxW")
    parser.add_argument("--sampling", metavar="KxT", help="default: the backbone's own")
    parser.add_argument("--device", help="default: the first GPU")
    parser.add_argument("--plugin", action="append", default=[], metavar="FILE", help="plugin that is not installed")
    parser.add_argument("--variants", action="store_true", help="also measure bf16 and compiled; takes minutes")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--within", type=float, default=WITHIN, help="largest spread; default: 0.03")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)  # print the latency of one run as JSON
    asked = parser.parse_args(arguments)
    try:
        if asked.once:
            print(json.dumps(one_run(asked)))
            return 0
        refuse_without_gpu(asked.device)
        runs = [another_process(sys.argv[1:] if arguments is None else arguments) for _ in range(asked.runs)]
    except ElrError as error:
        print(f"latency_repeat: error: {error}", file=sys.stderr)
        return error.exit_code
    found = spreads(runs)
    if asked.json:
        print(json.dumps({"within": asked.within, "spreads": found, "runs": runs}, indent=1))
    else:
        print(as_text(found, runs, asked.within))
    return 0 if all(each["spread"] <= asked.within for each in found.values()) else 1


def refuse_without_gpu(device: str | None) -> None:
    """Raise ElrError without a GPU: the time of a CPU is no substitute."""
    import torch

    if not torch.cuda.is_available() or (device is not None and not device.startswith("cuda")):
        asked = "this machine has no GPU" if device is None else f"'{device}' is not a GPU of this machine"
        raise ElrError(f"{asked}, so no latency is measured; use a machine with a CUDA device")


def another_process(arguments: Sequence[str]) -> dict[str, Any]:
    """Return the latency of one run, measured in a new process."""
    ran = subprocess.run([sys.executable, __file__, *arguments, "--once"], stdout=subprocess.PIPE, text=True)
    if ran.returncode:
        raise ElrError(f"a run ended with exit code {ran.returncode}; its output is above")
    latency: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return latency


def one_run(asked: argparse.Namespace) -> Any:
    """Return the latency, measured as in `elrbench cost`."""
    import torch

    from benchmark_core.catalog import load_catalog
    from benchmark_core.clips.sampling import Sampling
    from benchmark_core.cost.latency import VARIANTS, measure_latency
    from benchmark_core.networks.assemble import build_recognizer
    from benchmark_core.plans.plan import read_size
    from benchmark_core.training.device import pick_device

    spec = load_catalog(extra=asked.plugin).backbones[asked.backbone]
    sampling, size = Sampling.parse(asked.sampling or spec.sampling), read_size("--size", asked.size)
    recognizer = build_recognizer(
        backbone_spec=spec,
        enhancer_spec=None,
        classes=asked.classes,
        size=size,
        sampling=(sampling.k, sampling.t),
    )
    low = torch.rand(1, sampling.k, 3, sampling.t, *size)
    return measure_latency(recognizer, low, pick_device(asked.device), variants=VARIANTS if asked.variants else ())


def medians_of(latency: Mapping[str, Any]) -> dict[str, float]:
    """Return the medians of one run in milliseconds, by precision, compilation and batch."""
    found: dict[str, float] = {}
    for variant in (latency, *latency.get("variants", ())):
        name = variant["precision"] + (" compiled" if variant["compiled"] else "")
        if "failed" in variant:
            continue
        found[f"{name}, one clip"] = variant["single"]["median"]
        found[f"{name}, {variant['throughput']['batch']} clips"] = variant["throughput"]["median"]
    return found


def spreads(runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return medians in milliseconds and their spread, for everything that all runs measured."""
    each = [medians_of(latency) for latency in runs]
    names = [name for name in each[0] if all(name in other for other in each)]
    medians = {name: [other[name] for other in each] for name in names}
    return {
        name: {"medians": values, "spread": (max(values) - min(values)) / statistics.median(values)}
        for name, values in medians.items()
    }


def as_text(found: Mapping[str, Mapping[str, Any]], runs: Sequence[Mapping[str, Any]], within: float) -> str:
    lines = [
        f"{name:24} {' '.join(f'{median:9.3f}' for median in each['medians'])} ms  spread {100 * each['spread']:.2f} %"
        + ("" if each["spread"] <= within else f", above {100 * within:g} %")
        for name, each in found.items()
    ]
    failed = {variant["failed"] for latency in runs for variant in latency.get("variants", ()) if "failed" in variant}
    lines += [f"not measured: {why}" for why in sorted(failed)]
    clocks = [(latency.get("clocks") or {}).get("clocks.sm") for latency in runs]
    if any(clocks):
        lines.append(
            "clock after each run, MHz: " + " ".join("-" if clock is None else f"{clock:g}" for clock in clocks)
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
