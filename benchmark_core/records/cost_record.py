"""The record of one cost measurement, keyed by structure and device. Tables join it with run records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, cast

from benchmark_core.clips.clip_views import ClipViews
from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.names import file_name
from benchmark_core.records.checksum import add_checksum, read_with_checksum, write_with_checksum
from benchmark_core.records.fields import PlanFields
from benchmark_core.records.schema_check import Amount, Fraction, Positive, Whole, check_schema


class Params(TypedDict):
    """Number of parameters of the deployed recognizer and of its parts."""

    total: Whole
    backbone: Whole
    enhancer: Whole
    head: Whole


class MacFields(TypedDict):
    """Multiply-adds of one view, of a whole clip, and of the enhancer within a view."""

    view: Amount
    clip: Amount
    enhancer: Amount


class Quartiles(TypedDict):
    """Quartiles in milliseconds."""

    median: Amount
    q1: Amount
    q3: Amount


class Timed(Quartiles, total=False):
    """Latency with the number of passes and the peak memory in bytes. Old records have neither."""

    passes: Positive
    peak_memory: Amount


class Throughput(Timed, total=False):
    """Latency of a batch of several clips."""

    batch: Positive
    clips_per_second: Amount


class _LatencyFields(TypedDict):
    precision: str
    compiled: bool


class LatencyFields(_LatencyFields, total=False):
    """Latency in another precision, or compiled. If it failed, `failed` has the reason and the rest is missing."""

    single: Timed
    throughput: Throughput
    failed: str


class _Latency(TypedDict):
    single: Timed


class Latency(_Latency, total=False):
    """Latency in fp32, not compiled: `single` for one clip, `throughput` for a batch. `variants` has other modes."""

    throughput: Throughput
    variants: list[LatencyFields]


class _CpuMode(TypedDict):
    engine: str
    precision: str
    threads: Positive
    load: Fraction


class CpuMode(_CpuMode, total=False):
    """Latency on a CPU by one engine with one number of threads.

    Attributes:
        engine: "eager", "compiled" (both PyTorch) or "onnxruntime".
        precision: "fp32" or "int8".
        load: largest fraction of the usable CPUs that other processes used during timed passes.
        failed: the reason, if it failed; `single` and `throughput` are then missing.
    """

    single: Timed
    throughput: Throughput
    failed: str


class CpuLatency(TypedDict):
    """Latency on the CPU that `device` names, in all modes.

    Attributes:
        threads: the usable CPUs, which is the larger number of threads in `modes`.
        load: the largest load of all modes.
        limit: a load above it was refused.
        versions: of the packages that only engines need.
    """

    threads: Positive
    processor: str
    load: Fraction
    limit: Fraction
    versions: dict[str, str]
    modes: list[CpuMode]


class _CostRecord(TypedDict):
    schema: int
    kind: Literal["cost"]
    structure: str
    describe: dict[str, Any]
    params: Params
    macs: MacFields
    uncounted: dict[str, Positive]
    understated: list[str]
    latency: Latency | None
    peak_memory: Amount | None
    device: str
    versions: dict[str, str]
    seal: str


class CostRecord(_CostRecord, total=False):
    """Cost of one structure on one device.

    Attributes:
        uncounted: operators without a counting rule, with the number of their calls.
        understated: those of them that are expensive. If there are any, `macs` is a lower bound.
        latency: null without a GPU.
        kinds: MACs of a view by kind of operator.
        plugins: owner of each measured component, by kind.
        cpu_latency: latency on a CPU. Records of GPUs, of runs and of older versions have none.
    """

    kinds: dict[str, Amount]
    plugins: dict[str, dict[str, str]]
    cpu_latency: CpuLatency


def cost_name(record: Mapping[str, Any]) -> str:
    """Return the file name, STRUCTURE-DEVICE.json."""
    return f"{file_name(record['structure'])}-{file_name(record['device'])}.json"


def write_cost(folder: Path, record: Mapping[str, Any]) -> Path:
    """Check a record, and write it atomically to STRUCTURE-DEVICE.json in `folder`, with its checksum.

    Raises:
        RunFailed: if the record is `refused`, because the machine was busy while it was measured.
    """
    if "refused" in record:
        raise RunFailed(record["refused"])
    check_schema(add_checksum(record), CostRecord)
    return write_with_checksum(folder / cost_name(record), record)


def replaces(path: Path, record: Mapping[str, Any]) -> bool:
    """Whether writing `record` to `path` would replace a different measurement of the same structure and device.

    Raises:
        ElrError: if `path` holds another structure or device. File names are shortened and lose special characters, so
            two structures can have the same name.
    """
    old = _existing(path, record)
    if old is None:
        return False
    new = {key: value for key, value in record.items() if key != "seal"}
    return {key: value for key, value in old.items() if key != "seal"} != new


def already_measured(
    path: Path, record: Mapping[str, Any], engines: Sequence[tuple[str, str]] = (), limit: float = 1.0
) -> bool:
    """Whether `path` already holds a complete measurement with the structure, device, versions and plugins of `record`.

    Args:
        path: file of the cost record.
        record: only `structure`, `device`, `versions` and `plugins` are read.
        engines: (engine, precision) that a complete measurement on a CPU has timed, or failed to time.
        limit: largest load of the machine at which it may have been timed.

    A measurement on a GPU is complete if it has the latency variants. An old record without `plugins` matches any.

    Raises:
        ElrError: if `path` holds another structure or device.
    """
    old = _existing(path, record)
    if old is None or old["versions"] != record["versions"]:
        return False
    if old.get("plugins", record["plugins"]) != record["plugins"]:
        return False
    if _is_gpu(old["device"]):
        return old["latency"] is not None and "variants" in old["latency"]
    loaded = bool(engines) and "cpu_latency" in old and old["cpu_latency"]["load"] > limit
    return set(engines) <= _engines(old) and not loaded


def single_on_cpu(record: Mapping[str, Any], engine: str = "eager", precision: str = "fp32") -> Timed | None:
    """Return the times of one clip on one thread, or None if the record has none."""
    for mode in record.get("cpu_latency", {}).get("modes", ()):
        if (mode["engine"], mode["precision"], mode["threads"]) == (engine, precision, 1):
            return cast("Timed | None", mode.get("single"))
    return None


def has_fewer_variants(path: Path, record: Mapping[str, Any]) -> bool:
    """Whether `record` has the same cost as the measurement at `path`, but lacks latency that is there."""
    old = _existing(path, record)
    if old is None or any(old[key] != record[key] for key in ("versions", "params", "macs")):
        return False
    if "cpu_latency" in old and "cpu_latency" not in record:
        return True
    if old["latency"] is None or record["latency"] is None:
        return False
    return "variants" in old["latency"] and "variants" not in record["latency"]


def _engines(record: CostRecord) -> set[tuple[str, str]]:
    """Return (engine, precision) of each mode on a CPU."""
    if "cpu_latency" not in record:
        return set()
    return {(mode["engine"], mode["precision"]) for mode in record["cpu_latency"]["modes"]}


def _is_gpu(device: str) -> bool:
    return device.startswith("cuda")


def _existing(path: Path, record: Mapping[str, Any]) -> CostRecord | None:
    """Return the record at `path`, or None. ElrError if it has another structure or device."""
    if not path.exists():
        return None
    old = read_cost(path)
    for key in ("structure", "device"):
        if old[key] != record[key]:
            raise ElrError(f"{path} is the cost of the {key} '{old[key]}', not of '{record[key]}'; move it away first")
    return old


def read_cost(path: Path) -> CostRecord:
    """Return the cost record in `path`. ElrError naming the file and the fault if it is not valid."""
    return cast(CostRecord, read_with_checksum(path, "cost", CostRecord))


def of_test_views(costs: Sequence[CostRecord], plan: PlanFields) -> tuple[CostRecord, ...]:
    """Return cost records whose MACs of a clip are those of all test views of `plan`; other numbers stay."""
    count = ClipViews.parse(plan.get("test_views", "")).count
    if count == 1:
        return tuple(costs)
    return tuple(
        cast(CostRecord, {**cost, "macs": {**cost["macs"], "clip": cost["macs"]["clip"] * count}}) for cost in costs
    )
