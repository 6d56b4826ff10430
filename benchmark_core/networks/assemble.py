"""Puts a recognizer together from specs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import interpolate

from benchmark_core.errors import ElrError, unknown
from benchmark_core.networks.heads import HEADS
from benchmark_core.networks.losses import Task
from benchmark_core.networks.recognizer import Parts, Recognizer
from benchmark_core.specs import NOTHING, BackboneSpec, EnhancerSpec, MethodSpec, Value


class AtSize(nn.Module):
    """What stands in an enhancer's place on high views (N, 3, h, w): nothing, once they have the size (H, W)."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, high: Tensor) -> Tensor:
        """(N, 3, H, W); another size is brought to it bilinearly, with a kernel wide enough not to alias."""
        if high.shape[-2:] == self.size:
            return high
        return interpolate(high, self.size, mode="bilinear", align_corners=False, antialias=True)


def build_recognizer(
    *,
    backbone_spec: BackboneSpec,
    enhancer_spec: EnhancerSpec | None,
    classes: int,
    size: tuple[int, int],
    sampling: tuple[int, int],
    method_spec: MethodSpec | None = None,
    method_options: Mapping[str, Value] = NOTHING,
    backbone_options: Mapping[str, Value] = NOTHING,
    enhancer_options: Mapping[str, Value] = NOTHING,
    weights: str = "scratch",
    head: str = "mean-logits",
    task: Task = "single-label",
) -> Recognizer:
    """The recognizer that a plan stands for: a function of its arguments and of torch's random state alone.

    enhancer_spec: None for a network on high views. size: (H, W). sampling: (K, T).
    weights: "scratch", or an initialisation that the backbone names.
    head: one of `HEADS`, over the backbone's classifier; a method with a `recognizer` of its own has no use for it.
    Raises ElrError where the backbone cannot take T frames or lacks the weights.
    """
    intervals, frames = sampling
    if backbone_spec.dims == 2 and frames != 1:
        raise ElrError(
            f"backbone '{backbone_spec.name}' sees single frames and cannot take {intervals}x{frames}; "
            f"ask for --sampling {intervals}x1 or a backbone that sees {frames} frames"
        )
    backbone: Any = backbone_spec.build(classes, backbone_options)  # first: no other part then moves its seed
    initialise(backbone, backbone_spec, weights)
    enhancer = AtSize(size) if enhancer_spec is None else enhancer_spec.build(size, enhancer_options)
    assemble = partial(
        _recognizer,
        enhancer=enhancer,
        backbone=backbone,
        dims=backbone_spec.dims,
        mean=backbone_spec.mean,
        std=backbone_spec.std,
    )
    if method_spec is None or method_spec.recognizer is None:
        return assemble(HEADS[head](backbone.get_classifier(), task))
    parts = Parts(
        enhancer=enhancer,
        backbone=backbone,
        num_features=backbone.num_features,
        classes=classes,
        intervals=intervals,
        frames=frames,
        options=method_options,
        assemble=assemble,
    )
    built: Recognizer = method_spec.load(method_spec.recognizer)(parts)
    return built


def initialise(backbone: nn.Module, spec: BackboneSpec, weights: str) -> None:
    """Loads the weights that `spec` names so, in place; "scratch" leaves the fresh ones."""
    if weights == "scratch":
        return
    if weights not in spec.weights:
        raise unknown(f"weights of backbone '{spec.name}':", weights, ["scratch", *spec.weights])
    spec.load(spec.weights[weights])(backbone)


def _recognizer(head: nn.Module, **parts: Any) -> Recognizer:
    return Recognizer(head=head, **parts)
