"""What finished runs and cost measurements leave: sealed JSON files, one each."""

from benchmark_core.records.checksum import seal, verify_seal
from benchmark_core.records.cost_record import CostRecord, read_cost, write_cost
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.publish import publish
from benchmark_core.records.record import read_record, write_record

__all__ = [
    "CostRecord",
    "RunRecord",
    "publish",
    "read_cost",
    "read_record",
    "seal",
    "verify_seal",
    "write_cost",
    "write_record",
]
