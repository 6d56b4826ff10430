"""Texts and JSON of `elrbench suite show --device`: GPU-hours of suites, the time on several GPUs, and the limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from benchmark_core.cli.console import columns
from elrbench_plugins.commands.suite.cluster.accelerators import SOURCE
from elrbench_plugins.commands.suite.cluster.planning import Costs

COUNTED = (
    "Counted: convolutions and matrix products of training, forward and backward, for every seed and fold. Not\n"
    "counted: normalisation, losses, the optimizer, decoding, enhanced and other derived clips, testing, and\n"
    "unlabelled clips."
)


def costs_json(costs: Costs) -> dict[str, Any]:
    """Return the numbers, and which of them are assumed."""
    return {
        "device": costs.device.name,
        "assumed": {
            "peak": dict(costs.device.peak),
            "efficiency": costs.efficiency,
            "source": SOURCE,
            "clips_of": list(costs.guessed),
        },
        "runs": costs.runs,
        "stages": costs.stages,
        "gpu_hours": costs.hours,
        "gpu_hours_without_sharing": costs.apart,
        "limit": asdict(costs.limit),
        "reading": costs.reading and asdict(costs.reading),
        "gpus": [asdict(one) for one in costs.makespans],
        "suites": [asdict(one) | {"left_out": list(one.left_out)} for one in costs.suites],
    }


def costs_text(costs: Costs) -> str:
    """Return a line per suite, a line per number of GPUs, what limits them, and what is assumed."""
    table: list[Sequence[str]] = [("suite", "runs", "stages", "GPU-hours", "without sharing")]
    for one in costs.suites:
        uncounted = sum(one.uncounted.values())
        runs = f"{one.runs}" + (f" ({uncounted} not counted)" if uncounted else "")
        table.append((one.suite, runs, str(one.stages), _hours(one.hours), _hours(one.apart)))
    if len(costs.suites) > 1:
        table.append(("all", str(costs.runs), str(costs.stages), _hours(costs.hours), _hours(costs.apart)))
    spans = [("GPUs", "hours", "busy")]
    spans += [(str(one.gpus), _hours(one.hours), f"{100 * one.busy:.0f} %") for one in costs.makespans]
    blocks = [_assumed(costs), columns(table), columns(spans), _limits(costs), COUNTED, _left_out(costs)]
    return "\n\n".join(block for block in blocks if block)


def _left_out(costs: Costs) -> str:
    """Return the reasons of runs that are not counted, and the rows that are left out."""
    reasons: Counter[str] = Counter()
    for one in costs.suites:
        reasons.update(one.uncounted)
    lines = [f"Not counted, {number} runs: {reason}." for reason, number in reasons.items()]
    lines += [
        f"Assumed: '{name}' has the training clips that the dataset states for its default." for name in costs.guessed
    ]
    lines += [
        f"Left out of {one.suite}, no data named: {', '.join(one.left_out)}." for one in costs.suites if one.left_out
    ]
    return "\n".join(lines)


def _assumed(costs: Costs) -> str:
    peaks = ", ".join(f"{peak / 1e12:.0f} TFLOP/s in {precision}" for precision, peak in costs.device.peak.items())
    return (
        f"ASSUMED, not measured: {costs.device.title} with a peak of {peaks} (fp32 in TF32), of which training reaches "
        f"{costs.efficiency:g}.\nThe default is that of {SOURCE}.\n"
        "If you have measured it, pass --efficiency X; hours are inversely proportional to it."
    )


def _limits(costs: Costs) -> str:
    limit = costs.limit
    reading = costs.reading
    if not limit.run:
        return ""
    lines = [
        f"Limit: {_hours(limit.hours)} h with one GPU per run; {limit.gpus} GPUs come within 10 % of it. The last run",
        f"to end is {limit.run}; it begins after {_hours(limit.waited)} h, when shared stages are trained.",
    ]
    if reading is not None:
        size = "x".join(map(str, reading.size))
        lines += [
            f"Clip store: at this speed, stage '{reading.stage}' of {reading.run}",
            f"reads {reading.frames:,.0f} frames of high views of {size} per second and GPU, the most bytes of all.",
        ]
    return "\n".join(lines)


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.3g}"
