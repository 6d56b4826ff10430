"""File and line of a plugin author's code, for failed checks."""

from __future__ import annotations

import inspect
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark_core.errors import ElrError
from benchmark_core.specs import Spec
from benchmark_core.specs.target import Target, resolve

BUILT_IN = "elrbench_plugins"  # each built-in plugin is a package of its own inside this one
MAIN_TARGETS = (
    "index",
    "on_clip",
    "over_time",
    "on_device",
    "factory",
    "fit",
    "command",
)  # the code that defines a component


def definition_of(spec: Spec) -> str:
    """Return FILE:LINE of the function or class that defines the component; "" if none is in Python."""
    targets: Mapping[str, Target] = spec.targets
    for name in MAIN_TARGETS:
        if name not in targets:
            continue
        try:
            found: Any = resolve(targets[name])
            found = getattr(found, "callback", None) or found  # a click command's function
            file, (_, line) = inspect.getsourcefile(found), inspect.getsourcelines(found)
        except (ElrError, TypeError, OSError):
            continue
        if file:
            return place(file, line)
    return ""


def raised_at(error: BaseException, spec: Spec) -> str:
    """Return the last FILE:LINE in the author's code that `error` passed through; "" if there is none."""
    folders = author_folders(spec)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if any(Path(frame.filename).is_relative_to(folder) for folder in folders):
            return place(frame.filename, frame.lineno or 0)
    return ""


def author_folders(spec: Spec) -> set[Path]:
    """Return the files and folders with the code of a component: its modules, or their packages."""
    found = set()
    for target in spec.targets.values():
        name = target.partition(":")[0] if isinstance(target, str) else target.__module__
        words = name.split(".")
        package = ".".join(words[: 2 if words[0] == BUILT_IN else 1])
        found |= {_location(name), _location(package)}
    return {path for path in found if path is not None}


def _location(module: str) -> Path | None:
    """Return a package's folder, or a module's file."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return None
    path = Path(file).resolve()
    return path.parent if path.name == "__init__.py" else path


def place(file: str, line: int) -> str:
    """Return FILE:LINE, with the file relative to the working folder if it is inside."""
    path, here = os.path.realpath(file), os.getcwd()
    return f"{os.path.relpath(path, here) if Path(path).is_relative_to(here) else path}:{line}"
