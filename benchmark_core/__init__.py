"""elrbench: a plugin-based benchmark suite for recognising actions in extreme-low-resolution video."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from benchmark_core.catalog import Catalog, load_catalog
    from benchmark_core.specs import (
        BackboneSpec,
        CommandSpec,
        DatasetSpec,
        DegradationSpec,
        EnhancerSpec,
        MethodSpec,
        Option,
        Protocol,
        TrackerSpec,
    )
    from benchmark_core.specs.published import Published

_PUBLIC = {
    "Catalog": "catalog",
    "load_catalog": "catalog",
    "BackboneSpec": "specs",
    "CommandSpec": "specs",
    "DatasetSpec": "specs",
    "DegradationSpec": "specs",
    "EnhancerSpec": "specs",
    "MethodSpec": "specs",
    "Option": "specs",
    "Protocol": "specs",
    "TrackerSpec": "specs",
    "Published": "specs",
}

__all__ = [
    "BackboneSpec",
    "Catalog",
    "CommandSpec",
    "DatasetSpec",
    "DegradationSpec",
    "ElrError",
    "EnhancerSpec",
    "MethodSpec",
    "Option",
    "Protocol",
    "Published",
    "RunFailed",
    "TrackerSpec",
    "hookimpl",
    "load_catalog",
]


def __getattr__(name: str) -> Any:
    """Specs and the catalog are imported when first asked for."""
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"benchmark_core.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'benchmark_core' has no attribute '{name}'")
