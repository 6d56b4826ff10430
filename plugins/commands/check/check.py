"""Run the checks of every component of a plugin and report each result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError, unknown
from benchmark_core.specs import NOTHING, Spec
from elrbench_plugins.commands.check.assertions import CheckFailed, CheckSkipped
from elrbench_plugins.commands.check.component_checks import ComponentChecks
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


def check_plugin(catalog: Catalog, plugin: str, *, work: Path, data: Mapping[str, Path] = NOTHING) -> Iterator[Finding]:
    """Yield findings in order, each as soon as its check is made.

    work: an empty folder for runs and clips. data: dataset name -> its folder.
    Raises ElrError if the plugin is not in the catalog or offers nothing.
    """
    if plugin not in (known := {owner.plugin for owner in catalog.plugins}):
        raise unknown("plugin", plugin, known)
    specs = [section[name] for section in catalog.sections.values() for name in section]
    offered = [spec for spec in specs if catalog.owner(spec).plugin == plugin]
    if not offered:
        raise ElrError(f"plugin '{plugin}' offers no component: none of its hooks returned a spec")
    checks = ComponentChecks(with_minimal_components(catalog), work, data)
    for spec in offered:
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
