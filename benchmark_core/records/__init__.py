"""Records of finished runs and of cost measurements: one JSON file each, with a checksum."""

from benchmark_core.records.checksum import add_checksum, verify_checksum
from benchmark_core.records.cost_record import CostRecord, read_cost, write_cost
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.publish import publish
from benchmark_core.records.record import read_record, write_record

__all__ = [
    "CostRecord",
    "RunRecord",
    "add_checksum",
    "publish",
    "read_cost",
    "read_record",
    "verify_checksum",
    "write_cost",
    "write_record",
]
