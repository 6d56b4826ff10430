"""Make leaderboards from records, costs and reported figures. No torch, plugin or dataset is loaded."""

from benchmark_core.tables.build import Tables, build_tables, check_tables, write_tables
from benchmark_core.tables.compare import Comparison, compare, compare_groups

__all__ = ["Comparison", "Tables", "build_tables", "check_tables", "compare", "compare_groups", "write_tables"]
