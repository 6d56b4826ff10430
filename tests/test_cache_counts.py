"""`elrbench cache` lists and clears what `suite show` has counted."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmark_core.catalog import Catalog
from benchmark_core.cli.app import cli
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of
from elrbench_plugins.commands.cache.contents import COUNTS
from elrbench_plugins.commands.suite import counts


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Two counted plans, one of them long ago, and a file of another program."""
    folder = tmp_path / "cache" / COUNTS
    folder.mkdir(parents=True)
    for name in ("0123456789abcdef.json", "fedcba9876543210.json", "mine.json"):
        (folder / name).write_text("{}" * 50)
    old = time.time() - 40 * 86400
    os.utime(folder / "0123456789abcdef.json", (old, old))
    return tmp_path / "cache"


def call(*argv: str, cache: Path) -> str:
    result = CliRunner().invoke(cli, ["cache", *argv, "--cache", str(cache)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_they_are_listed(cache: Path) -> None:
    assert counts.FOLDER == COUNTS
    found = json.loads(call("ls", "--json", cache=cache))
    assert found["counts"] == {"files": 2, "bytes": 200} and found["bytes"] == 200
    assert "2 plans" in call("ls", cache=cache) and "200 B" in call("ls", cache=cache)


def test_they_are_cleared_by_name_and_by_age(cache: Path) -> None:
    old, new = (cache / COUNTS / f"{name}.json" for name in ("0123456789abcdef", "fedcba9876543210"))
    assert json.loads(call("clear", "clips", "stages", "--yes", "--json", cache=cache))["files"] == 0
    assert json.loads(call("clear", "--older-than", "30d", "--yes", "--json", cache=cache))["files"] == 1
    assert not old.exists() and new.exists()
    assert json.loads(call("clear", "counts", "--yes", "--json", cache=cache)) == {
        "files": 1, "bytes": 100, "kept": [],
    }  # fmt: skip
    assert [path.name for path in (cache / COUNTS).iterdir()] == ["mine.json"]


def test_clearing_asks_and_names_them(cache: Path) -> None:
    result = CliRunner().invoke(cli, ["cache", "clear", "counts", "--cache", str(cache)])
    assert "--yes" in str(result.exception) and "counts of 2 plans" in result.stderr
    assert len(list((cache / COUNTS).iterdir())) == 3


def test_what_suite_show_writes_is_listed(tmp_path: Path, toy_catalog: Catalog, toy_plan: Plan) -> None:
    estimate = counts.Estimate(params=1, clip_macs=2.0, stages={})
    counts.CountCache(tmp_path).write(toy_plan, components_of(toy_catalog, toy_plan), estimate)
    assert json.loads(call("ls", "--json", cache=tmp_path))["counts"]["files"] == 1
