"""The five doors. Each hook takes nothing and returns specs; a built-in enters here like any third party.

from benchmark_core import hookimpl, MethodSpec

@hookimpl
def elr_methods():
    return [MethodSpec(name="mine", summary="…", fit="my_package.fit:fit")]
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from benchmark_core.specs import BackboneSpec, DatasetSpec, DegradationSpec, EnhancerSpec, MethodSpec

PROJECT = "elrbench"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def elr_datasets() -> Iterable[DatasetSpec]:
    """Labelled videos: classes, protocols, and how to list the clips under a folder."""
    raise NotImplementedError


@hookspec
def elr_degradations() -> Iterable[DegradationSpec]:
    """How a low view is made of a high one."""
    raise NotImplementedError


@hookspec
def elr_enhancers() -> Iterable[EnhancerSpec]:
    """What brings a low view to the network's size: interpolation or super-resolution."""
    raise NotImplementedError


@hookspec
def elr_backbones() -> Iterable[BackboneSpec]:
    """Feature extractors with their published classifier."""
    raise NotImplementedError


@hookspec
def elr_methods() -> Iterable[MethodSpec]:
    """How a recognizer is trained: alone, or with the help of a high view."""
    raise NotImplementedError
