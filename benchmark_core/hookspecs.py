"""The hooks of elrbench. Each takes no arguments and returns specs; built-in and third-party plugins use the same ones.

from elrbench import MethodSpec, hookimpl

@hookimpl
def elr_methods():
    return [MethodSpec(name="mine", summary="…", fit="my_package.fit:fit")]
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from benchmark_core.specs import (
        BackboneSpec,
        CommandSpec,
        DatasetSpec,
        DegradationSpec,
        EnhancerSpec,
        MethodSpec,
        TrackerSpec,
    )

PROJECT = "elrbench"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def elr_datasets() -> Iterable[DatasetSpec]:
    """Return datasets: classes, protocols, and how to list the clips in a folder."""
    raise NotImplementedError


@hookspec
def elr_degradations() -> Iterable[DegradationSpec]:
    """Return degradations, which make a low view from a high one."""
    raise NotImplementedError


@hookspec
def elr_enhancers() -> Iterable[EnhancerSpec]:
    """Return enhancers, which bring a low view to network size by interpolation or super-resolution."""
    raise NotImplementedError


@hookspec
def elr_backbones() -> Iterable[BackboneSpec]:
    """Return backbones: feature extractors with their published classifier."""
    raise NotImplementedError


@hookspec
def elr_methods() -> Iterable[MethodSpec]:
    """Return methods, which train a recognizer alone or with the help of high views."""
    raise NotImplementedError


@hookspec
def elr_commands() -> Iterable[CommandSpec]:
    """Return commands that `elrbench` gains, each a click command."""
    raise NotImplementedError


@hookspec
def elr_trackers() -> Iterable[TrackerSpec]:
    """Return experiment trackers, which log a run while it trains."""
    raise NotImplementedError
