"""Fixtures: a catalog that loads no entry points, so that tests do not depend on what else is installed."""

from __future__ import annotations

import pytest

from benchmark_core.catalog import Catalog, load_catalog

BUILTINS = ("cstat", "degradations", "efficientnet_lite", "interpolation", "jhmdb", "puppets", "resnet", "supervised")


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """The built-in plugins, by module name."""
    return load_catalog([f"elrbench_plugins.{name}" for name in BUILTINS], entry_points=False)
