"""The record of one cost measurement: keyed by structure and device, joined with runs when tables are made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict, cast

from benchmark_core.errors import ElrError
from benchmark_core.names import file_name
from benchmark_core.records.conform import conform
from benchmark_core.records.sealed import read_sealed, seal, write_sealed


class Params(TypedDict):
    """Parameters of the deployed recognizer and of its parts."""

    total: int
    backbone: int
    enhancer: int
    head: int


class Macs(TypedDict):
    """Multiply-adds: of one view, of a whole clip, and of the enhancer's share."""

    view: float
    clip: float
    enhancer: float


class Quartiles(TypedDict):
    """Milliseconds."""

    median: float
    q1: float
    q3: float


class Latency(TypedDict):
    """`single`: a batch of one clip. More is kept beside it."""

    single: Quartiles


class CostRecord(TypedDict):
    """Of one structure on one device.

    uncounted: operators that the counter has no rule for, and how often they ran.
    understated: heavy ones among these; where there are any, `macs` is a lower bound.
    latency: null without a GPU.
    """

    schema: int
    kind: Literal["cost"]
    structure: str
    describe: dict[str, Any]
    params: Params
    macs: Macs
    uncounted: dict[str, int]
    understated: list[str]
    latency: Latency | None
    peak_memory: float | None
    device: str
    versions: dict[str, str]
    seal: str


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
    if not path.exists():
        return False
    old = read_cost(path)
    for key in ("structure", "device"):
        if old[key] != record[key]:
            raise ElrError(f"{path} is the cost of the {key} '{old[key]}', not of '{record[key]}'; move it away first")
    new = {key: value for key, value in record.items() if key != "seal"}
    return {key: value for key, value in old.items() if key != "seal"} != new


def read_cost(path: Path) -> CostRecord:
    """The cost record in `path`; ElrError of one line that names the file and what is wrong with it."""
    return cast(CostRecord, read_sealed(path, "cost", CostRecord))
