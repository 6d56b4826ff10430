"""Suites that tests run: rows on the toy, and the names of those that are shipped."""

from __future__ import annotations

from benchmark_core.strict_yaml import parse_yaml
from elrbench_plugins.commands.suite.suite import Suite, read_suite

NINE = [*(f"stat-table{number}" for number in range(1, 5)), *(f"cstat-table{number}" for number in range(1, 6))]
FOUR = [f"tinyvirat-table{number}" for number in range(2, 6)]
TWO = ["purwanto-table2", "purwanto-table3"]
COMMON = (
    "common: {dataset: toy, backbone: toynet, budget: smoke, size: 24x32, set: {method.batch: 12, method.epochs: 1}}"
)
ROWS = """
rows:
  - {row: student, method: supervised, figure: cstat-2021/table4/student/resnet34}
  - {row: ours, method: "cstat:stat", figure: cstat-2021/table4/stat/resnet34, set: {method.joint_epochs: 1}}
  - {row: again, method: "cstat:stat", set: {method.joint_epochs: 1}}
  - {row: ceiling, method: teacher}
  - {row: pot, figure: cstat-2021/table5/pot/hmdb51, run: none}
"""


def of(text: str, name: str = "mine") -> Suite:
    """Read from its text."""
    return read_suite(parse_yaml(text, f"{name}.yaml"), f"{name}.yaml", name)
