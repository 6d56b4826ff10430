"""What docs/methods.md shows of a paper's files is what the readers take."""

from __future__ import annotations

import re
from pathlib import Path

from benchmark_core.papers.reported import read_reported
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.strict_yaml import parse_yaml
from elrbench import Catalog
from elrbench_plugins.commands.suite.suite import FIELDS, read_suite

PAGE = (Path(__file__).parents[1] / "docs" / "methods.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)


def test_a_paper_and_its_suite(catalog: Catalog) -> None:
    (reported,) = [text for text in BLOCKS if text.startswith("paper:")]
    (listed,) = [text for text in BLOCKS if text.startswith("suite:")]
    paper = read_reported(reported, "docs", "acme-2024")
    assert {figure.id.partition("/")[2]: figure.value for figure in paper.figures.values()} == {
        "table2/plain/net18": 38.5,
        "table2/ours/net18": 41.2,
    }
    suite = read_suite(parse_yaml(listed, "docs"), "docs", "acme-table2")
    assert [figure for row in suite.rows for figure in row.figures] == list(paper.figures)
    assert [row.run for row in suite.rows] == [True, False]
    plan = resolve_plan(catalog, PlanRequest(**suite.rows[0].fields))
    assert (plan.method, plan.dataset, plan.backbone) == ("supervised", "ucf101", "resnet18")


def test_a_rows_fields_are_all_named() -> None:
    (told,) = re.findall(r"The fields of a row are(.*?) for options\.", PAGE, re.S)
    named = re.findall(r"`([a-z_]+)`", told)
    assert sorted(named) == sorted([*FIELDS, "set"])
