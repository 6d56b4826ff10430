"""The checks of `elrbench check` for one component, or for a plugin as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError, unknown
from elrbench_plugins.commands.check.find_plugin import components_of_plugin, owner_and_module
from elrbench_plugins.test_kit.catalogs import catalog_of

if TYPE_CHECKING:
    from elrbench_plugins.commands.check.check import Finding

PLUGIN = "plugin"


def component_names(plugins: Sequence[str]) -> list[str]:
    """Return "plugin NAME" for each plugin, and "KIND NAME" for each of its components. Imports no torch.

    Raises ElrError if there is no plugin, one cannot be loaded, or one offers nothing.
    """
    if not plugins:
        raise ElrError(
            'no plugin under test: add elrbench_plugins = ["my_module"] to [tool.pytest.ini_options] in pyproject.toml'
        )
    catalog = catalog_of(plugins, ())
    names = []
    for owner in catalog.plugins:
        names.append(f"{PLUGIN} {owner.plugin}")
        names += [f"{spec.kind} {spec.name}" for spec in components_of_plugin(catalog, owner.plugin)]
    return names


def findings_of(catalog: Catalog, component: str, work: Path, data: Mapping[str, Path]) -> list[Finding]:
    """Return the findings about a component, or about the import of a plugin.

    component: as of `component_names`. work: an empty folder. data: dataset name -> its folder.
    Raises ElrError if the catalog has no such component.
    """
    from elrbench_plugins.commands.check.check import check_components, check_import

    kind, _, name = component.partition(" ")
    if kind == PLUGIN:
        owner, module = owner_and_module(catalog, name)
        return [check_import(owner.plugin, module)]
    if kind not in catalog.sections:
        raise unknown("kind of component", kind, (PLUGIN, *catalog.sections))
    return list(check_components(catalog, [catalog.sections[kind][name]], work=work, data=data))
