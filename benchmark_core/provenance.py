"""Provenance of a record: versions, plugins, digests."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmark_core.catalog import Catalog, Owner
from benchmark_core.errors import ElrError
from benchmark_core.names import ComponentName
from benchmark_core.plans.combinations import Components
from benchmark_core.records.fields import PluginFields
from benchmark_core.specs import Spec

PACKAGES = ("elrbench", "torch", "numpy", "av", "pluggy", "fvcore")


def version_of(distribution: str) -> str | None:
    """Return the installed version of a distribution, or None."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that scores may depend on."""
    found = {package: version_of(package) or "not installed" for package in PACKAGES}
    return {"python": platform.python_version(), **found}


def _specs(components: Components) -> dict[str, Spec]:
    """Return kind -> spec; `teacher_backbone` only if the plan names one."""
    kinds = ("dataset", "degradation", "enhancer", "backbone", "method")
    teacher = {} if components.teacher_backbone is None else {"teacher_backbone": components.teacher_backbone}
    return {kind: getattr(components, kind) for kind in kinds} | teacher


def owners_of(catalog: Catalog, components: Components) -> dict[str, Owner]:
    """Return kind -> owner of the plan's component of this kind; also `teacher_backbone`, if the plan names one."""
    return {kind: catalog.owner(spec) for kind, spec in _specs(components).items()}


def check_code(components: Components) -> None:
    """Import the code that the specs name. Raises ElrError naming the plugin to correct."""
    for spec in _specs(components).values():
        spec.check_code()


def plugins_of(catalog: Catalog, components: Components) -> dict[str, dict[str, str]]:
    """Return kind -> the component's name, plugin, distribution and version."""
    return {
        kind: {
            "name": getattr(components, kind).name,
            "plugin": owner.plugin,
            "distribution": owner.distribution,
            "version": owner.version,
        }
        for kind, owner in owners_of(catalog, components).items()
    }


def refuse_absent(recorded: Mapping[str, PluginFields], catalog: Catalog) -> None:
    """Raise ElrError naming the plugin if a component of a recorded run is not in the catalog."""
    for kind, owner in recorded.items():
        if ComponentName.parse(owner["name"]).base not in catalog.sections[kind.removeprefix("teacher_")]:
            release = " ".join(filter(None, (owner["distribution"], owner["version"])))
            raise ElrError(
                f"{kind} '{owner['name']}' is from the plugin '{owner['plugin']}' ({release}), which is not installed; "
                "install it or pass --plugin FILE"
            )


def other_versions(then: Mapping[str, PluginFields], here: Mapping[str, Mapping[str, str]]) -> str:
    """Return `resnet 0.1.0 (0.2.0 here)` for each distribution whose version differs, joined by commas.

    then: a record's plugins. here: the result of `plugins_of`.
    """
    changed: dict[str, None] = {}
    for kind, owner in then.items():
        now = here.get(kind, {}).get("version", "none")
        if owner["version"] != now:
            changed[f"{owner['distribution']} {owner['version']} ({now} here)"] = None
    return ", ".join(changed)


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's bytes, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
