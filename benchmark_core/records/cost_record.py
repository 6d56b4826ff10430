"""The record of one cost measurement: keyed by structure and device, joined with runs when tables are made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict, cast

from benchmark_core.errors import ElrError
from benchmark_core.names import file_name
from benchmark_core.records.checksum import read_sealed, seal, write_sealed
from benchmark_core.records.schema_check import conform


class Params(TypedDict):
    """Parameters of the deployed recognizer and of its parts."""

    total: int
    backbone: int
    enhancer: int
    head: int


class MacFields(TypedDict):
    """Multiply-adds: of one view, of a whole clip, and of the enhancer's share."""

    view: float
    clip: float
    enhancer: float


class Quartiles(TypedDict):
    """Milliseconds."""

    median: float
    q1: float
    q3: float


class Timed(Quartiles, total=False):
    """passes: how many they are of. peak_memory: bytes. Records before these were kept have neither."""

    passes: int
    peak_memory: float


class Throughput(Timed, total=False):
    """A batch of many clips."""

    batch: int
    clips_per_second: float


class _LatencyFields(TypedDict):
    precision: str
    compiled: bool


class LatencyFields(_LatencyFields, total=False):
    """Another precision, or compiled; `failed` is why it could not be had, and stands alone then."""

    single: Timed
    throughput: Throughput
    failed: str


class _Latency(TypedDict):
    single: Timed


class Latency(_Latency, total=False):
    """`single`: a batch of one clip. It and `throughput` are in fp32 and not compiled; `variants` are the others."""

    throughput: Throughput
    variants: list[LatencyFields]


class _CostRecord(TypedDict):
    """Of one structure on one device; what every record of a cost has.

    uncounted: operators that the counter has no rule for, and how often they ran.
    understated: heavy ones among these; where there are any, `macs` is a lower bound.
    latency: null without a GPU.
    """

    schema: int
    kind: Literal["cost"]
    structure: str
    describe: dict[str, Any]
    params: Params
    macs: MacFields
    uncounted: dict[str, int]
    understated: list[str]
    latency: Latency | None
    peak_memory: float | None
    device: str
    versions: dict[str, str]
    seal: str


class CostRecord(_CostRecord, total=False):
    """kinds: multiply-adds of a view by kind of operator. plugins: who brought the part measured, by kind."""

    kinds: dict[str, float]
    plugins: dict[str, dict[str, str]]


def cost_name(record: Mapping[str, Any]) -> str:
    """STRUCTURE-DEVICE.json"""
    return f"{file_name(record['structure'])}-{file_name(record['device'])}.json"


def write_cost(folder: Path, record: Mapping[str, Any]) -> Path:
    """Checks, seals and writes STRUCTURE-DEVICE.json in `folder`, whole or not at all."""
    conform(seal(record), CostRecord)
    return write_sealed(folder / cost_name(record), record)


def replaces(path: Path, record: Mapping[str, Any]) -> bool:
    """Whether another measurement of the same structure and device stands at `path`. ElrError where one of others does.

    File names are shortened and stripped of signs, so that two may come to one.
    """
    old = _standing(path, record)
    if old is None:
        return False
    new = {key: value for key, value in record.items() if key != "seal"}
    return {key: value for key, value in old.items() if key != "seal"} != new


def stands(path: Path, record: Mapping[str, Any]) -> bool:
    """Whether what `record` would measure is measured: of its structure, device, versions and plugins, and in full.

    record: `structure`, `device`, `versions` and `plugins` alone will do. A record that says nothing of plugins is of
    any. In full is with the variants of latency, where there is a latency. ElrError as by `replaces`.
    """
    old = _standing(path, record)
    if old is None or old["versions"] != record["versions"]:
        return False
    if old.get("plugins", record["plugins"]) != record["plugins"]:
        return False
    return old["latency"] is not None and "variants" in old["latency"] if _is_gpu(old["device"]) else True


def thinner(path: Path, record: Mapping[str, Any]) -> bool:
    """Whether a measurement that stands at `path` has all that `record` has, and times of more variants."""
    old = _standing(path, record)
    if old is None or old["latency"] is None or record["latency"] is None:
        return False
    same = all(old[key] == record[key] for key in ("versions", "params", "macs"))
    return same and "variants" in old["latency"] and "variants" not in record["latency"]


def _is_gpu(device: str) -> bool:
    return device.startswith("cuda")


def _standing(path: Path, record: Mapping[str, Any]) -> CostRecord | None:
    """What stands at `path`. ElrError where that is of another structure or device."""
    if not path.exists():
        return None
    old = read_cost(path)
    for key in ("structure", "device"):
        if old[key] != record[key]:
            raise ElrError(f"{path} is the cost of the {key} '{old[key]}', not of '{record[key]}'; move it away first")
    return old


def read_cost(path: Path) -> CostRecord:
    """The cost record in `path`; ElrError of one line that names the file and what is wrong with it."""
    return cast(CostRecord, read_sealed(path, "cost", CostRecord))
