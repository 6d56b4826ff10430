"""Fixtures: a catalog that loads no entry points, so that tests do not depend on what else is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, resolve_plan

TOY = Path(__file__).with_name("toy.py")

BUILTINS = (
    "c3d",
    "cstat",
    "dbpn",
    "degradations",
    "dvsr",
    "efficientnet_lite",
    "folder",
    "hmdb51",
    "i3d",
    "interpolation",
    "ixmas",
    "jhmdb",
    "kd",
    "nagoya_fir",
    "native3d",
    "puppets",
    "purwanto",
    "r2plus1d",
    "resnet",
    "resnet3d",
    "stat",
    "strong_kd",
    "supervised",
    "tinyvirat",
    "tinyvirat_method",
    "ucf101",
)


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """The built-in plugins, by module name."""
    return load_catalog([f"elrbench_plugins.{name}" for name in BUILTINS], entry_points=False)


@pytest.fixture(scope="session")
def toy_catalog() -> Catalog:
    """The built-in plugins and the toy dataset of `toy.py`."""
    return load_catalog([*(f"elrbench_plugins.{name}" for name in BUILTINS), str(TOY)], entry_points=False)


@pytest.fixture
def toy_plan(toy_catalog: Catalog) -> Plan:
    """The student alone on the toy dataset, small enough for a second."""
    settings = ("method.batch=12", "method.epochs=2")
    request = PlanRequest(
        method="supervised", dataset="toy", backbone="toynet", budget="smoke", size="24x32", settings=settings
    )
    return resolve_plan(toy_catalog, request)
