"""Find the plugin that `elrbench check` was given, an installed name, a file, or a module; and its components."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from benchmark_core import catalog as catalogs
from benchmark_core.catalog import GROUP, Catalog, Owner
from benchmark_core.errors import ElrError, unknown
from benchmark_core.specs import Spec

BLOCK = "ELRBENCH_BLOCK"


def find_plugin(text: str) -> tuple[Catalog, Owner, ModuleType]:
    """Return the catalog with the plugin in it, its owner, and its module.

    text: the name of an installed plugin, a FILE.py, or a module. If a file or module is itself an installed plugin,
    the installed plugin is checked. If it is another copy of one, the installed copy is left out.
    Raises ElrError if there is no such file, or the plugin cannot be loaded.
    """
    catalog = catalogs.load_catalog()
    names = {owner.plugin for owner in catalog.plugins}
    is_file = text.endswith(".py")
    if text in names or not (is_file or _importable(text)):
        return catalog, *owner_and_module(catalog, text)
    points = [point for point in entry_points(group=GROUP) if point.name in names]
    for point in points:
        if _same_file(point, text) if is_file else point.module == text:
            return catalog, *owner_and_module(catalog, point.name)
    copies = [point.name for point in points if is_file and point.module.rpartition(".")[2] == _module_name(text)]
    with _blocked(copies):
        catalog = catalogs.load_catalog(extra=(text,))
    return catalog, *owner_and_module(catalog, Path(text).stem if is_file else text)


def owner_and_module(catalog: Catalog, name: str) -> tuple[Owner, ModuleType]:
    """Return the owner with that name, and the loaded module of the plugin. ElrError if there is no such plugin."""
    owners = {owner.plugin: owner for owner in catalog.plugins}
    if name not in owners:
        error = unknown("plugin", name, owners)
        raise ElrError(
            f"{error} No importable module has this name either; pass the file, or put its folder on PYTHONPATH"
        )
    owner = owners[name]
    if owner.digest:  # a file
        return owner, sys.modules[f"elrbench_plugin_{name}_{owner.digest}"]
    named = [point.module for point in entry_points(group=GROUP) if point.name == name]
    return owner, importlib.import_module(named[0] if named else name)


def _importable(name: str) -> bool:
    """Return whether a module has this name. For a package, only its own name is looked up."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _module_name(file: str) -> str:
    """Return the name of the module in `file` when its package is installed."""
    path = Path(file)
    return path.absolute().parent.name if path.name == "__init__.py" else path.stem


def _same_file(point: EntryPoint, file: str) -> bool:
    try:
        spec = importlib.util.find_spec(point.module)
    except (ImportError, ValueError):
        return False
    origin = None if spec is None else spec.origin
    return origin is not None and Path(file).exists() and os.path.realpath(origin) == os.path.realpath(file)


@contextmanager
def _blocked(names: list[str]) -> Iterator[None]:
    """Block installed plugins by name."""
    before = os.environ.get(BLOCK)
    if names:
        os.environ[BLOCK] = ",".join([*filter(None, [before]), *names])
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(BLOCK, None)
        else:
            os.environ[BLOCK] = before


def components_of_plugin(catalog: Catalog, plugin: str) -> list[Spec]:
    """Return the specs that a plugin offers. Raises ElrError if it is not in the catalog or offers nothing."""
    if plugin not in (known := {owner.plugin for owner in catalog.plugins}):
        raise unknown("plugin", plugin, known)
    specs = [section[name] for section in catalog.sections.values() for name in section]
    offered = [spec for spec in specs if catalog.owner(spec).plugin == plugin]
    if not offered:
        raise ElrError(f"plugin '{plugin}' offers no component: none of its hooks returned a spec")
    return offered
