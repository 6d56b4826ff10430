"""`elrbench check`: every component of a plugin builds, holds its shapes, learns, is restored, and trains."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError, unknown
from benchmark_core.specs import NOTHING
from elrbench_plugins.commands.check import kit
from elrbench_plugins.commands.check.bench import Bench
from elrbench_plugins.commands.check.demands import Skipped


@dataclass(frozen=True)
class Finding:
    """One check of one component."""

    component: str
    check: str
    outcome: Literal["ok", "failed", "skipped"]
    detail: str = ""


def check_plugin(catalog: Catalog, plugin: str, *, work: Path, data: Mapping[str, Path] = NOTHING) -> Iterator[Finding]:
    """Findings in order, as they are made. `work` is an empty folder for runs and clips; `data` has datasets' folders.

    Raises ElrError where the plugin is not in the catalog or brings nothing.
    """
    if plugin not in (known := {owner.plugin for owner in catalog.plugins}):
        raise unknown("plugin", plugin, known)
    specs = [section[name] for section in catalog.sections.values() for name in section]
    mine = [spec for spec in specs if catalog.owner(spec).plugin == plugin]
    if not mine:
        raise ElrError(f"plugin '{plugin}' brings no component: none of its hooks returned a spec")
    bench = Bench(kit.with_kit(catalog), work, data)
    for spec in mine:
        yield from _follow(f"{spec.kind} {spec.name}", bench.steps(spec))


def _follow(component: str, steps: Iterator[str]) -> Iterator[Finding]:
    """Each step is named before it is made: what is raised before the next name is its own, and ends the component."""
    current = next(steps)
    while True:
        try:
            following = next(steps)
        except StopIteration:
            yield Finding(component, current, "ok")
            return
        except Skipped as error:
            yield Finding(component, current, "skipped", str(error))
            return
        except ElrError as error:
            yield Finding(component, current, "failed", str(error))
            return
        except Exception as error:  # a plugin's bug: whatever it is, it is the finding
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(last.filename).name}:{last.lineno}"
            yield Finding(component, current, "failed", f"{type(error).__name__}: {error} ({where})")
            return
        yield Finding(component, current, "ok")
        current = following
