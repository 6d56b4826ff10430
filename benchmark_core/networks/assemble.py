"""Build a recognizer from a plan's specs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from benchmark_core.clips.modality import FLOW, RGB, early_parts, input_channels, kind
from benchmark_core.clips.sampling import Sampling
from benchmark_core.errors import ElrError, unknown
from benchmark_core.networks.channels import with_channels
from benchmark_core.networks.checkpoint import load_public
from benchmark_core.networks.early_inputs import EarlyInputs
from benchmark_core.networks.frame_picker import FramePicker
from benchmark_core.networks.heads import HEADS
from benchmark_core.networks.losses import Task
from benchmark_core.networks.recognizer import Parts, Recognizer
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.specs import NOTHING, BackboneSpec, EnhancerSpec, MethodSpec, Value
from benchmark_core.weights_file import WeightsFile


class ResizeIfNeeded(nn.Module):
    """The enhancer of a network for high views: resize (N, 3, h, w) to (N, 3, H, W) unless they have that size."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, high: Tensor) -> Tensor:
        """Return (N, 3, H, W), resized bilinearly with anti-aliasing."""
        if high.shape[-2:] == self.size:
            return high
        return interpolate(high, self.size, mode="bilinear", align_corners=False, antialias=True)


def recognizer_of(
    plan: Plan, components: Components, *, high: bool = False, head: str | None = None, enhanced: bool = False
) -> Recognizer:
    """Return the plan's recognizer, a function of the plan and torch's random state.

    high: return the network for high views: the teacher, which sees the views of the plan's sampling at its own size.
    enhanced: return the student's network for views that have its size already. Networks for high views, enhanced views
    or flow have no enhancer. head: a core head instead of the method's own.
    """
    if len(plan.streams) > 1:
        raise ValueError(f"no network takes {plan.modality}; build the recognizer of each of the plan's streams")
    drawn, teacher = Sampling.parse(plan.sampling), Sampling.parse(plan.of_teacher.sampling)
    picker = None
    if high:
        if plan.teacher_frames:
            picker = FramePicker(intervals=drawn.k, frames=drawn.t, wanted=plan.teacher_frames)
        plan, components = plan.of_teacher, components.of_teacher
    sampling = teacher if high else drawn
    return build_recognizer(
        backbone_spec=components.backbone,
        enhancer_spec=None if high or enhanced or kind(plan.modality) == "flow" else components.enhancer,
        classes=len(components.dataset.classes),
        low=components.degradation.low,
        size=plan.size,
        sampling=(sampling.k, sampling.t),
        method_spec=components.method if head is None else None,
        head=head or "mean-logits",
        task=components.dataset.task,
        method_options=components.options(plan, "method"),
        backbone_options=components.options(plan, "backbone"),
        enhancer_options=components.options(plan, "enhancer"),
        weights=plan.weights,
        modality=plan.modality,
        teacher_intervals=teacher.k,
        picker=picker,
    )


def build_recognizer(
    *,
    backbone_spec: BackboneSpec,
    enhancer_spec: EnhancerSpec | None,
    classes: int,
    size: tuple[int, int],
    sampling: tuple[int, int],
    low: tuple[int, int] | None = None,
    method_spec: MethodSpec | None = None,
    method_options: Mapping[str, Value] = NOTHING,
    backbone_options: Mapping[str, Value] = NOTHING,
    enhancer_options: Mapping[str, Value] = NOTHING,
    weights: str = "scratch",
    head: str = "mean-logits",
    task: Task = "single-label",
    modality: str = "rgb",
    teacher_intervals: int | None = None,
    picker: FramePicker | None = None,
) -> Recognizer:
    """Return a recognizer, a function of the arguments and torch's random state.

    enhancer_spec: None for a network on high views or flow. size: (H, W). sampling: (K, T).
    low: (h, w) of the enhancer's input; None if clips differ in size.
    weights: "scratch", or a name among the backbone's weights.
    teacher_intervals: see `Parts`; None: as many as K. picker: see `Recognizer`.
    head: one of `HEADS`, over the backbone's classifier; ignored if the method has a `recognizer` of its own.
    Raises ElrError if the backbone cannot take T frames or lacks the weights.
    """
    intervals, frames = sampling
    if backbone_spec.dims == 2 and frames != 1:
        raise ElrError(
            f"backbone '{backbone_spec.name}' takes single frames, but sampling is {intervals}x{frames}; "
            f"pass --sampling {intervals}x1 or use a 3D backbone"
        )
    backbone: Any  # built first, so that other parts do not change its random initialisation
    backbone, _ = build_backbone(backbone_spec, classes, backbone_options, weights=weights, modality=modality)
    flow = kind(modality) == "flow"
    parts = early_parts(modality)
    mean, std = backbone_spec.mean, backbone_spec.std
    enhancer = ResizeIfNeeded(size) if enhancer_spec is None else enhancer_spec.build(low, size, enhancer_options)
    assemble = partial(
        _recognizer,
        enhancer=enhancer,
        backbone=backbone,
        dims=backbone_spec.dims,
        mean=(0.0,) * FLOW if flow else mean,  # no motion is 0
        std=(1.0,) * FLOW if flow else std,
        flow=flow,
        frames=frames,
        frames_at_once=1 if enhancer_spec is None else enhancer_spec.frames,
        size=size,
        early=EarlyInputs(parts, size, mean=mean, std=std) if parts else None,
        input_channels=input_channels(modality),
        picker=picker,
    )
    if method_spec is None or method_spec.recognizer is None:
        return assemble(HEADS[head](backbone.get_classifier(), task))
    view = (input_channels(modality), *((frames,) if backbone_spec.dims == 3 else ()), *size)
    bundle = Parts(
        enhancer=enhancer,
        backbone=backbone,
        num_features=backbone.num_features,
        classes=classes,
        intervals=intervals,
        frames=frames,
        options=method_options,
        task=task,
        assemble=assemble,
        map_shape=partial(map_shape, backbone, view),
        teacher_intervals=teacher_intervals or intervals,
    )
    built: Recognizer = method_spec.load(method_spec.recognizer)(bundle)
    return built


def map_shape(backbone: Any, view: Sequence[int]) -> tuple[int, ...]:
    """Return (C, [T,] h, w) of the last stage map of `backbone` for one input (C, [T,] H, W), without computing it."""
    ghost = deepcopy(backbone).to("meta").eval()  # tensors without data
    with torch.no_grad():
        last: Tensor = ghost.forward_features(torch.empty(1, *view, device="meta"))[-1]
    return tuple(last.shape[1:])


def build_backbone(
    spec: BackboneSpec,
    classes: int,
    options: Mapping[str, Value] = NOTHING,
    *,
    weights: str = "scratch",
    modality: str = "rgb",
) -> tuple[nn.Module, str]:
    """Return the network and the record's `initialisation`: the weights' name and, for a file, what matched.

    Weights that `spec` names are for its own modality: they are loaded first, then the first convolution is adapted. A
    file may hold weights of either modality. With early fusion, "scratch" draws the first convolution for its channels.
    Loaded weights of red, green and blue stay theirs if the pictures come first; see `with_channels`.
    Raises ElrError if the weights are unknown or the file does not fit.
    """
    backbone = spec.build(classes, options)
    early = early_parts(modality)
    if early:
        channels = input_channels(modality)
    else:
        channels = FLOW if kind(modality) == "flow" and kind(spec.modality) != "flow" else RGB
    keep = early[:1] == ("rgb",)
    if weights == "scratch":
        return with_channels(backbone, channels, fresh=bool(early)), weights
    if weights not in spec.weights:
        raise unknown(f"weights of backbone '{spec.name}'", weights, ["scratch", *spec.weights])
    target = spec.weights[weights]
    if isinstance(target, WeightsFile):
        backbone = with_channels(backbone, channels)
        try:
            return backbone, f"{weights} ({target(backbone, backbone=spec.name, channels=channels, keep=keep)})"
        except ElrError as error:
            if setting := _fitting_setting(spec, classes, options, target, channels):
                raise ElrError(f"{str(error).rpartition('; ')[0]}; pass --set {setting}") from error
            raise
    spec.load(target)(backbone)
    return with_channels(backbone, channels, keep=keep), weights


def _fitting_setting(
    spec: BackboneSpec, classes: int, options: Mapping[str, Value], file: WeightsFile, channels: int
) -> str:
    """Return the choice of one option with which the file fits the backbone, as `backbone.KEY=VALUE`; else ""."""
    for key, value in ((key, value) for key, option in spec.options.items() for value in option.choices):
        with suppress(ElrError):
            file(with_channels(spec.build(classes, {**options, key: value}), channels), channels=channels)
            return f"backbone.{key}={value}"
    return ""


def initialisation_of(plan: Plan, components: Components) -> str:
    """Return the record's `initialisation`, see `build_backbone`. ElrError if a file does not fit the backbone.

    It is that of the recognizer: the teacher's network if the method is scored on high views.
    """
    if components.method.oracle:
        plan, components = plan.of_teacher, components.of_teacher
    if not isinstance(components.backbone.weights.get(plan.weights), WeightsFile):
        return plan.weights
    classes, options = len(components.dataset.classes), components.options(plan, "backbone")
    _, said = build_backbone(components.backbone, classes, options, weights=plan.weights, modality=plan.modality)
    return said


def load_enhancer(
    spec: EnhancerSpec, module: nn.Module, low: tuple[int, int] | None, size: tuple[int, int], weights: str
) -> str:
    """Load the file that the plan calls `weights` into an enhancer's module. Returns its name and what matched.

    low, size: what the module was built for. Raises ElrError if the file does not fit, for example in scale.
    """
    assert spec.public is not None
    if weights not in spec.files:
        raise ElrError(f"--set enhancer.weights={weights} names a file; pass the file as --enhancer-weights PATH")
    low_text, size_text = (f"{each[0]}x{each[1]}" if each else "clips of any size" for each in (low, size))
    said = load_public(
        spec.load(spec.public)(module),
        spec.files[weights],
        owner=f"enhancer '{spec.name}' from {low_text} to {size_text}",
        advice="pass another --enhancer, another scale or other --enhancer-weights",
        optional=spec.public_optional,
        enhancer=module,
    )
    return f"{weights} ({said})"


def enhancer_initialisation_of(plan: Plan, components: Components) -> str:
    """Return the name of the file from which the plan's enhancer is loaded, and what matched; "" if it is not loaded.

    Raises ElrError if the file does not fit.
    """
    spec, options = components.enhancer, components.options(plan, "enhancer")
    if spec.public is None or options["weights"] == "fit" or kind(plan.modality) == "flow":
        return ""
    low = components.degradation.low
    module = spec.build(low, plan.size, options)
    return load_enhancer(spec, module, low, plan.size, str(options["weights"]))


def _recognizer(head: nn.Module, **parts: Any) -> Recognizer:
    return Recognizer(head=head, **parts)
