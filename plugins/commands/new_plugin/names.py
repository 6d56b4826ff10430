"""Names of a new plugin: of its component, package and module; and whether they are free."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from benchmark_core.catalog import GROUP, load_catalog
from benchmark_core.cli.app import COMMANDS
from benchmark_core.errors import ElrError
from elrbench_plugins.commands.new_plugin.kinds import Kind

PREFIX = "elrbench-"
LONGEST = 32  # characters; lines of the templates with it have 120 at most
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class PluginNames:
    """name: of the component and the entry point. distribution: of the package. module: what Python imports."""

    name: str
    distribution: str
    module: str

    @classmethod
    def parse(cls, text: str) -> PluginNames:
        """Return the names of plugin `text`. Raises ElrError if it cannot be part of the name of a module."""
        if text.startswith(PREFIX):
            plain = text.removeprefix(PREFIX)
            raise ElrError(f"the package is named {PREFIX}NAME, so leave out '{PREFIX}': elrbench new-plugin {plain}")
        if not _NAME.fullmatch(text) or len(text) > LONGEST:
            raise ElrError(
                f"{text!r} cannot name a plugin and its module; use lower-case letters and digits, in words joined by "
                f"single dashes, {LONGEST} characters at most: my-method"
            )
        return cls(name=text, distribution=f"{PREFIX}{text}", module=f"{PREFIX}{text}".replace("-", "_"))


def check_free(names: PluginNames, kind: Kind) -> None:
    """Raise ElrError that names the owner if a plugin, a component of `kind` or a module already has the name."""
    other = "choose another name"
    if kind.kind == "command" and names.name in COMMANDS:
        raise ElrError(f"'{names.name}' is a core command of elrbench; {other}")
    catalog = load_catalog()
    section = catalog.sections[kind.kind]
    for taken in (names.name, kind.component(names.name)):
        if taken in section:
            owner = catalog.owner(section[taken])
            raise ElrError(f"{kind.kind} '{taken}' exists: plugin {owner} offers it; {other}")
    for point in entry_points(group=GROUP):  # also those that ELRBENCH_BLOCK leaves out
        if point.name == names.name:
            version = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
            raise ElrError(f"plugin '{names.name}' is installed ({version}); {other}")
    found = importlib.util.find_spec(names.module)
    if found is not None:
        where = found.origin or next(iter(found.submodule_search_locations or ()), "")
        raise ElrError(f"the module {names.module} exists ({Path(where)}); {other}")
