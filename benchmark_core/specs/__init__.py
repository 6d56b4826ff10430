"""What plugins hand over: frozen, keyword-only, cheap. Code is named as "module:attribute" and imported on use."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark_core.specs.backbone import BackboneSpec
from benchmark_core.specs.dataset import METRICS, DatasetSpec, Protocol
from benchmark_core.specs.degradation import DegradationSpec
from benchmark_core.specs.enhancer import EnhancerSpec
from benchmark_core.specs.method import MethodSpec
from benchmark_core.specs.option import Option, Value
from benchmark_core.specs.spec import NOTHING, Spec, defaults
from benchmark_core.specs.target import Target, resolve

KINDS: Mapping[str, type[Spec]] = {
    spec.kind: spec for spec in (DatasetSpec, DegradationSpec, EnhancerSpec, BackboneSpec, MethodSpec)
}

__all__ = [
    "KINDS",
    "METRICS",
    "NOTHING",
    "BackboneSpec",
    "DatasetSpec",
    "DegradationSpec",
    "EnhancerSpec",
    "MethodSpec",
    "Option",
    "Protocol",
    "Spec",
    "Target",
    "Value",
    "defaults",
    "resolve",
]
