"""Render latencies: a column per device in tables of networks, and tables of GPUs and of CPUs, never mixed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from benchmark_core.records.cost_record import CostRecord, CpuMode, Timed, single_on_cpu
from benchmark_core.tables.markup import csv_text

GPU, CPU = "GPU", "CPU"
Device = tuple[str, str]  # GPU or CPU, and its name in records: `cuda: NVIDIA H200`
Named = tuple[str, CostRecord]  # what a table calls the network, and a record of it
TITLES = {GPU: "GPU latency", CPU: "CPU latency"}
LEGENDS = {
    GPU: "Median latency, with quartiles in brackets. Peak memory is that of the larger batch.",
    CPU: (
        "Median latency of one clip, with quartiles in brackets, and clips per second and peak memory of a batch, by "
        "engine and number of threads. Load: the largest part of the CPU that other processes used meanwhile. The "
        "reason of an empty cell is in `cpu_latency.csv`."
    ),
}
NOTHING = "-"


def timed_devices(costs: Iterable[CostRecord]) -> list[Device]:
    """Return the devices with a latency, GPUs first."""
    found = {(kind, cost["device"]) for cost in costs for kind in (GPU, CPU) if single(cost, kind)}
    return sorted(found, key=lambda device: (device[0] != GPU, device[1]))


def single(cost: CostRecord, kind: str) -> Timed | None:
    """Return the times of one clip in fp32, not compiled; on a CPU those of one thread."""
    if kind == CPU:
        return single_on_cpu(cost)
    return cost["latency"]["single"] if cost["latency"] else None


def latency(costs: Sequence[CostRecord], device: Device) -> float | None:
    """Return the median latency of one clip on `device` in milliseconds."""
    kind, name = device
    times = (single(cost, kind) for cost in costs if cost["device"] == name)
    return next((found["median"] for found in times if found), None)


def latencies(costs: Sequence[CostRecord], devices: Sequence[Device]) -> dict[str, str]:
    """Return one cell per device: `GPU latency (ms), NVIDIA H200`; an empty cell for a kind without a device."""
    cells: dict[str, float | None] = {}
    for kind in (GPU, CPU):
        of_kind = [device for device in devices if device[0] == kind]
        found = {f"{kind} latency (ms), {_model(device[1])}": latency(costs, device) for device in of_kind}
        cells |= found or {f"{kind} latency (ms)": None}
    return {heading: NOTHING if ms is None else f"{ms:.3g}" for heading, ms in cells.items()}


def _model(device: str) -> str:
    return device.partition(": ")[2] or device


def latency_tables(found: Sequence[Named]) -> dict[str, list[dict[str, str]]]:
    """Return rows of plain text by title; a kind of device without a latency has no table."""
    tables = {
        TITLES[GPU]: [_on_gpu(name, *entry) for name, cost in found for entry in _gpu_entries(cost)],
        TITLES[CPU]: _cpu_rows(found),
    }
    return {title: rows for title, rows in tables.items() if rows}


def legend_of(title: str) -> str:
    """Return the sentences above a table of `latency_tables`."""
    return next(LEGENDS[kind] for kind, named in TITLES.items() if named == title)


def latency_files(found: Sequence[Named]) -> dict[str, str]:
    """Return CSV text by file name, one line per latency; a kind of device without a latency has no file."""
    files = {
        "latency.csv": [_gpu_fields(name, *entry) for name, cost in found for entry in _gpu_entries(cost)],
        "cpu_latency.csv": [_cpu_fields(name, cost, mode) for name, cost in found for mode in _modes(cost)],
    }
    return {file: csv_text(rows) for file, rows in files.items() if rows}


# -- GPUs


def _gpu_entries(cost: CostRecord) -> Iterator[tuple[CostRecord, str, bool, Mapping[str, Any]]]:
    """Yield (record, precision, compiled, times) for each latency, including variants that failed."""
    if cost["latency"]:
        yield cost, "fp32", False, cost["latency"]
        for variant in cost["latency"].get("variants", []):
            yield cost, variant["precision"], variant["compiled"], variant


def _on_gpu(name: str, cost: CostRecord, precision: str, compiled: bool, times: Mapping[str, Any]) -> dict[str, str]:
    one, many = times.get("single"), times.get("throughput")
    peak = (many or one or {}).get("peak_memory") or (cost["peak_memory"] if not compiled else None)
    return {
        "device": cost["device"],
        "network": name,
        "precision": precision,
        "compiled": "yes" if compiled else "no",
        "1 clip (ms)": _quartiles(one),
        "batch": str(many.get("batch", NOTHING)) if many else NOTHING,
        "batch (ms)": _quartiles(many),
        "clips/s": _rate(many),
        "peak memory (GiB)": f"{peak / 2**30:.2f}" if peak else NOTHING,
        "failure": str(times.get("failed", NOTHING)),
    }


def _gpu_fields(
    name: str, cost: CostRecord, precision: str, compiled: bool, times: Mapping[str, Any]
) -> dict[str, object]:
    return {
        "name": name,
        "structure": cost["structure"],
        "device": cost["device"],
        "precision": precision,
        "compiled": compiled,
        **_times(times),
    }


# -- CPUs


def _modes(cost: CostRecord) -> Sequence[CpuMode]:
    return cost["cpu_latency"]["modes"] if "cpu_latency" in cost else ()


def _cpu_rows(found: Sequence[Named]) -> list[dict[str, str]]:
    """Return a row for each network, device and number of threads, with columns for each engine."""
    engines = dict.fromkeys(_engine(mode) for _, cost in found for mode in _modes(cost))
    rows = []
    for name, cost in found:
        for threads in dict.fromkeys(mode["threads"] for mode in _modes(cost)):
            modes = {_engine(mode): mode for mode in _modes(cost) if mode["threads"] == threads}
            many = {engine: mode.get("throughput") for engine, mode in modes.items()}
            batches = (times.get("batch") for times in many.values() if times)
            rows.append(
                {
                    "device": cost["device"],
                    "network": name,
                    "threads": str(threads),
                    "load (%)": f"{100 * max(mode['load'] for mode in modes.values()):.1f}",
                    **{
                        f"{each} (ms)": _quartiles(modes[each].get("single") if each in modes else None)
                        for each in engines
                    },
                    "batch": str(next(batches, None) or NOTHING),
                    **{f"{each} (clips/s)": _rate(many.get(each)) for each in engines},
                    **{f"{each} (MiB)": _mebibytes(many.get(each)) for each in engines},
                }
            )
    return rows


def _engine(mode: CpuMode) -> str:
    return mode["engine"] + ("" if mode["precision"] == "fp32" else f" {mode['precision']}")


def _cpu_fields(name: str, cost: CostRecord, mode: CpuMode) -> dict[str, object]:
    return {
        "name": name,
        "structure": cost["structure"],
        "device": cost["device"],
        **{key: mode[key] for key in ("engine", "precision", "threads", "load")},
        **_times(mode),
    }


# -- both


def _times(times: Mapping[str, Any]) -> dict[str, object]:
    one, many = times.get("single") or {}, times.get("throughput") or {}
    return {
        **{f"single_{key}": one.get(key) for key in ("median", "q1", "q3", "peak_memory")},
        **{f"batch_{key}": many.get(key) for key in ("batch", "median", "q1", "q3", "clips_per_second", "peak_memory")},
        "failed": times.get("failed"),
    }


def _quartiles(times: Mapping[str, Any] | None) -> str:
    return f"{times['median']:.3g} ({times['q1']:.3g} to {times['q3']:.3g})" if times else NOTHING


def _rate(times: Mapping[str, Any] | None) -> str:
    return f"{times['clips_per_second']:.4g}" if times and "clips_per_second" in times else NOTHING


def _mebibytes(times: Mapping[str, Any] | None) -> str:
    return f"{times['peak_memory'] / 2**20:.0f}" if times and times.get("peak_memory") else NOTHING
