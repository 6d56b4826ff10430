"""Run the checks of a plugin and of its components and report each result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.specs import NOTHING, Spec
from elrbench_plugins.commands.check.assertions import CheckFailed, CheckSkipped
from elrbench_plugins.commands.check.component_checks import ComponentChecks
from elrbench_plugins.commands.check.find_plugin import components_of_plugin
from elrbench_plugins.commands.check.imports import author_of, importable_name, torch_import
from elrbench_plugins.commands.check.minimal import with_minimal_components
from elrbench_plugins.commands.check.source_lines import definition_of, raised_at


@dataclass(frozen=True)
class Finding:
    """The result of one check of one component. where: FILE:LINE of the author's code, for a failure."""

    component: str
    check: str
    outcome: Literal["ok", "failed", "skipped"]
    detail: str = ""
    where: str = ""

    def __str__(self) -> str:
        """Text such as `failed   method mine  builds its recognizer: DETAIL (FILE:LINE)`."""
        detail = f": {self.detail}" if self.detail else ""
        where = f" ({self.where})" if self.where else ""
        return f"{self.outcome:7}  {self.component}  {self.check}{detail}{where}"


def check_import(plugin: str, module: ModuleType) -> Finding:
    """Check that loading the module of a plugin does not import torch. Raises ElrError if it cannot be imported."""
    component, name = f"plugin {plugin}", "loads without torch"
    if where := torch_import([importable_name(module)], author_of(module)):
        detail = "it imports torch when it is loaded; import torch inside the functions that need it"
        return Finding(component, name, "failed", detail, where)
    return Finding(component, name, "ok")


def check_plugin(catalog: Catalog, plugin: str, *, work: Path, data: Mapping[str, Path] = NOTHING) -> Iterator[Finding]:
    """Yield the findings of all components of a plugin in order, each as soon as its check is made.

    work: an empty folder for runs and clips. data: dataset name -> its folder.
    Raises ElrError if the plugin is not in the catalog or offers nothing.
    """
    yield from check_components(catalog, components_of_plugin(catalog, plugin), work=work, data=data)


def check_components(
    catalog: Catalog, specs: list[Spec], *, work: Path, data: Mapping[str, Path] = NOTHING
) -> Iterator[Finding]:
    """Yield the findings of components in order; see `check_plugin`."""
    checks = ComponentChecks(with_minimal_components(catalog), work, data)
    for spec in specs:
        yield from _follow(spec, checks.steps(spec))


def _follow(spec: Spec, steps: Iterator[str]) -> Iterator[Finding]:
    """Yield the findings of one component, until a check fails.

    `steps` yields the name of a check before making it, so an error belongs to the last name yielded.
    """
    component = f"{spec.kind} {spec.name}"
    current = next(steps)
    while True:
        try:
            following = next(steps)
        except StopIteration:
            yield Finding(component, current, "ok")
            return
        except CheckSkipped as error:
            yield Finding(component, current, "skipped", str(error))
            return
        except CheckFailed as error:
            yield Finding(component, current, "failed", str(error), definition_of(spec))
            return
        except (Exception, SystemExit) as error:  # any error in the author's code is the finding
            detail = str(error) if isinstance(error, ElrError) else f"{type(error).__name__}: {error}"
            yield Finding(component, current, "failed", detail, raised_at(error, spec) or definition_of(spec))
            return
        yield Finding(component, current, "ok")
        current = following
