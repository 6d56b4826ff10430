"""A catalog of plugins under test and of named built-in plugins, whatever else is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points

from benchmark_core.catalog import GROUP, Catalog, load_catalog
from benchmark_core.errors import unknown

ALL = "*"


def catalog_of(plugins: Sequence[str], built_ins: Sequence[str]) -> Catalog:
    """Return the catalog of `plugins` and of built-in plugins.

    plugins: modules or .py files. built_ins: names as `elrbench doctor` prints them, such as "supervised"; "*": all.
    Raises ElrError if a name is unknown, a plugin cannot be loaded, or two plugins offer one name.
    """
    known = built_in_plugins()
    for name in built_ins:
        if name not in known and name != ALL:
            raise unknown("built-in plugin", name, known)
    modules = known.values() if ALL in built_ins else (known[name] for name in built_ins)
    return load_catalog([*(module for module in modules if module not in plugins), *plugins], entry_points=False)


def built_in_plugins() -> Mapping[str, str]:
    """Return name -> module of the plugins that elrbench itself installs."""
    points = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    return {point.name: point.module for point in points if point.dist is not None and point.dist.name == GROUP}
