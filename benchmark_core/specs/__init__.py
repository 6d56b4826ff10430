"""Specs, which plugins return from hooks, and the clips and folds that datasets list.

Specs are frozen, keyword-only and cheap to import; they name their code as "module:attribute".
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmark_core.specs.backbone import BackboneSpec
from benchmark_core.specs.command import CommandSpec
from benchmark_core.specs.dataset import METRICS, DatasetSpec, Protocol
from benchmark_core.specs.degradation import DegradationSpec
from benchmark_core.specs.enhancer import NO_ENHANCER, EnhancerSpec
from benchmark_core.specs.index import (
    ArrayFrames,
    Clip,
    Drawn,
    Fold,
    FrameFolder,
    FrameFolders,
    Index,
    TableFrames,
    VideoFile,
)
from benchmark_core.specs.method import MethodSpec
from benchmark_core.specs.option import Option, Value
from benchmark_core.specs.published import Published
from benchmark_core.specs.spec import NOTHING, Spec, defaults
from benchmark_core.specs.target import Target, resolve
from benchmark_core.specs.tracker import TrackedRun, Tracker, TrackerSpec

KINDS: Mapping[str, type[Spec]] = {
    spec.kind: spec
    for spec in (DatasetSpec, DegradationSpec, EnhancerSpec, BackboneSpec, MethodSpec, CommandSpec, TrackerSpec)
}

__all__ = [
    "ArrayFrames",
    "KINDS",
    "METRICS",
    "NOTHING",
    "NO_ENHANCER",
    "BackboneSpec",
    "Clip",
    "CommandSpec",
    "DatasetSpec",
    "DegradationSpec",
    "Drawn",
    "EnhancerSpec",
    "Fold",
    "FrameFolder",
    "FrameFolders",
    "Index",
    "MethodSpec",
    "Option",
    "Protocol",
    "Published",
    "Spec",
    "TableFrames",
    "Target",
    "TrackedRun",
    "Tracker",
    "TrackerSpec",
    "Value",
    "VideoFile",
    "defaults",
    "resolve",
]
