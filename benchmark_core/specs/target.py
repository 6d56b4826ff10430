"""Code that a spec names without importing it: "module:attribute"."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeAlias

from benchmark_core.errors import ElrError, exit_call

Target: TypeAlias = str | Callable[..., Any]


def resolve(target: Target) -> Callable[..., Any]:
    """Import and return the object of "module:attribute"; a callable is returned unchanged.

    Raises ElrError naming the module if it cannot be imported.
    """
    if callable(target):
        return target
    module, _, attribute = target.partition(":")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, SystemExit) as error:
        why = exit_call(error) if isinstance(error, SystemExit) else error
        raise ElrError(f"'{target}' cannot be loaded: {why}") from error
    return found


def target_name(target: Target) -> str:
    """Return "module:attribute" for a target given either way. It is part of stored keys."""
    return target if isinstance(target, str) else f"{target.__module__}:{target.__qualname__}"
