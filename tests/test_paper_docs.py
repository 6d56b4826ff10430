"""What docs/methods.md shows of a paper's files is what the readers take."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from benchmark_core.cli import main
from benchmark_core.papers.reported import read_reported
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.strict_yaml import parse_yaml
from elrbench import Catalog
from elrbench_plugins.commands.suite.suite import FIELDS, read_suite

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
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


def test_the_recipe_from_drawn_motions_is_that_of_the_published_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The first command has the digest of the published run; the second too, if it starts from scratch."""
    section = PAGE.partition("\n### Starting from drawn figures\n")[2].partition("\n## ")[0]
    block = re.findall(r"^```\n(.*?)^```", section, re.M | re.S)[0]
    for line in block.replace("\\\n", " ").splitlines():
        words = shlex.split(re.sub(r"--weights \S+|--data \S+", "", line))[1:]
        with pytest.raises(SystemExit) as stopped:
            main([*words, "--dry-run"])
        assert not stopped.value.code
        (digest,) = re.findall(r"^digest +(\w+)$", capsys.readouterr().out, re.M)
        assert list((ROOT / "leaderboards" / "records").glob(f"*/*/*/supervised-{digest}.json")), line
