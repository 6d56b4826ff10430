"""Find and register plugins: installed entry points, files and modules."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

import pluggy

import benchmark_core.hookspecs as hookspecs
from benchmark_core.errors import ElrError, unknown
from benchmark_core.papers import GROUP as PAPERS
from benchmark_core.regular_file import read_regular

GROUP = "elrbench"


@dataclass(frozen=True)
class Owner:
    """The plugin that offers a component, and the distribution or file that holds the plugin."""

    plugin: str
    distribution: str
    version: str
    digest: str = ""

    @property
    def identity(self) -> str:
        """The distribution, or the digest of a plugin file: what stage keys hold."""
        return self.digest or self.distribution

    def __str__(self) -> str:
        return f"'{self.plugin}' ({self.distribution} {self.version})".replace(" )", ")")


@dataclass
class Plugins:
    """Registered plugins: pluggy's manager, the owner of each plugin by its name, and the plugins that failed."""

    manager: pluggy.PluginManager
    owners: dict[str, Owner] = field(default_factory=dict)
    failures: list[ElrError] = field(default_factory=list)


def load_plugins(extra: Sequence[str] = (), *, installed: bool = True, tolerant: bool = False) -> Plugins:
    """Import and register all installed plugins and those of `extra`, each a FILE.py or a module name.

    tolerant: keep the error of a plugin that cannot be loaded in `failures`, instead of raising it.
    Raises ElrError that names plugin and distribution.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    plugins = Plugins(manager)
    sources = [*(_entry_points() if installed else ()), *extra]
    for source in sources:
        try:
            owner, module = _named(source) if isinstance(source, str) else _imported(source)
            _register(manager, owner, module)
        except ElrError as error:
            if not tolerant:
                raise
            plugins.failures.append(error)
        else:
            plugins.owners[owner.plugin] = owner
    return plugins


def _entry_points() -> Iterator[EntryPoint]:
    """Entry points of group `elrbench` that ELRBENCH_BLOCK does not name. Raises ElrError for a name used twice."""
    found = sorted(set(entry_points(group=GROUP)), key=lambda point: point.name)
    owners = {point: _owner_of(point) for point in found}
    for name, times in Counter(point.name for point in found).items():
        if times > 1:
            who = " and ".join(
                sorted(
                    {f"{owner.distribution} {owner.version}" for point, owner in owners.items() if point.name == name}
                )
            )
            raise ElrError(f"plugin '{name}' is installed twice, by {who}; uninstall one of them")
    blocked = {name.strip() for name in os.environ.get("ELRBENCH_BLOCK", "").split(",") if name.strip()}
    known = {point.name for point in found} | {point.name for point in entry_points(group=PAPERS)}
    for name in sorted(blocked - known):
        raise ElrError(f"ELRBENCH_BLOCK names '{name}', which is not installed; installed: {', '.join(sorted(known))}")
    yield from (point for point in found if point.name not in blocked)


def _imported(point: EntryPoint) -> tuple[Owner, ModuleType]:
    owner = _owner_of(point)
    try:
        return owner, point.load()
    except (Exception, SystemExit) as error:
        raise ElrError(
            f"plugin {owner} cannot be imported: {type(error).__name__}: {error}; "
            f"correct it, uninstall {owner.distribution} or set ELRBENCH_BLOCK={point.name}"
        ) from error


def _owner_of(point: EntryPoint) -> Owner:
    if point.dist is None:
        return Owner(point.name, point.value, "")
    return Owner(point.name, point.dist.name, point.dist.version)


def _named(text: str) -> tuple[Owner, ModuleType]:
    """The plugin in a Python file, or in an importable module."""
    path = Path(text)
    in_file = path.suffix == ".py"
    if in_file and not os.path.exists(path):
        raise ElrError(f"plugin {text}: the file does not exist")
    content = read_regular(path) if in_file else b""
    try:
        if not in_file:
            module = importlib.import_module(text)
            return Owner(text, "--plugin", ""), module
        digest = hashlib.sha256(content).hexdigest()[:16]
        name = f"elrbench_plugin_{path.stem}_{digest}"  # two files of one name must not share stages
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return Owner(path.stem, path.name, "", digest), module
    except (Exception, SystemExit) as error:
        raise ElrError(f"plugin {text} cannot be imported: {type(error).__name__}: {error}") from error


def _register(manager: pluggy.PluginManager, owner: Owner, module: ModuleType) -> None:
    hooks = [name for name in vars(hookspecs) if name.startswith("elr_")]
    for name in vars(module):
        if (
            name.startswith("elr_")
            and callable(getattr(module, name))
            and not manager.parse_hookimpl_opts(module, name)
        ):
            raise ElrError(
                f"plugin {owner}: '{name}' is not decorated with @hookimpl, so it would be ignored; decorate it"
            )
    try:
        if manager.register(module, name=owner.plugin) is None:
            raise ElrError(f"plugin {owner} is blocked; remove it from ELRBENCH_BLOCK")
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        wrong = [name for name in vars(module) if manager.parse_hookimpl_opts(module, name) and name not in hooks]
        what = unknown("hook", wrong[0], hooks) if wrong else error
        manager.unregister(module)  # otherwise the next plugin's check would fail for this one
        raise ElrError(f"plugin {owner}: {what}") from error
    except ValueError as error:
        raise ElrError(f"plugin {owner} is loaded twice; remove one --plugin") from error
