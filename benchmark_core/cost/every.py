"""Cost of each backbone and each enhancer in its published settings. Needs no data and no weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark_core.catalog import Catalog, Owner
from benchmark_core.clips.sampling import Sampling
from benchmark_core.cost.cpu_latency import CpuRequest
from benchmark_core.cost.engines import ENGINES
from benchmark_core.cost.structure import cost_of, describe_alone, describe_bare, device_of, structure_key
from benchmark_core.errors import ElrError, unknown
from benchmark_core.networks.assemble import build_recognizer
from benchmark_core.networks.recognizer import Low, Recognizer
from benchmark_core.provenance import versions
from benchmark_core.records.cost_record import CostRecord, already_measured, cost_name, read_cost
from benchmark_core.specs import BackboneSpec, EnhancerSpec
from benchmark_core.specs.published import Published

# Settings of components that declare none: 2D backbones, 3D backbones, enhancers.
STILL = (Published(size=(256, 340), sampling="1x1"), Published(size=(224, 224), sampling="1x1"))
MOVING = (Published(size=(112, 112)),)
ENLARGED = (Published(low=(12, 16), size=(96, 128)),)


class EnhancerAlone(Recognizer):
    """An enhancer without backbone and head: low float (B, K, 3, T, h, w) in [0, 1] to (B*K, 3, T, H, W).

    frames: frames T that the enhancer takes at once; all of them are kept.
    """

    def __init__(self, enhancer: nn.Module, frames: int) -> None:
        super().__init__(
            enhancer=enhancer,
            backbone=nn.Identity(),
            head=nn.Identity(),
            dims=3,
            mean=(0.0,) * 3,
            std=(1.0,) * 3,
            frames=frames,
            frames_at_once=frames,
        )

    def forward(self, low: Low, mask: Tensor | None = None, box: Tensor | None = None) -> Tensor:
        """Return the enlarged view."""
        return self.enhance_and_crop(low, box)[0]


@dataclass(frozen=True)
class Subject:
    """One component in one published setting."""

    spec: BackboneSpec | EnhancerSpec
    at: Published

    def __str__(self) -> str:
        return f"{self.spec.name} {self.at}"

    def describe(self) -> dict[str, Any]:
        """Return the structure. Raises ElrError if the setting has an unknown option or an enhancer has no low size."""
        spec, at = self.spec, self.at
        for key, value in at.options.items():
            if key not in spec.options:
                raise unknown(f"option of {spec.kind} '{spec.name}'", key, spec.options)
            spec.options[key].check(f"{spec.kind}.{key}", value)
        if isinstance(spec, EnhancerSpec):
            if at.low is None:
                raise ElrError(f"enhancer '{spec.name}': its published setting {at} has no low size; set low=(h, w)")
            return describe_alone(spec, low=at.low, size=at.size, options=at.options)
        sampling = Sampling.parse(at.sampling or spec.sampling)
        return describe_bare(
            spec, classes=at.classes, size=at.size, sampling=sampling, modality=spec.modality, options=at.options
        )

    def build(self) -> Recognizer:
        """Build the network with random weights."""
        spec, at = self.spec, self.at
        if isinstance(spec, EnhancerSpec):
            return EnhancerAlone(spec.build(at.low, at.size, at.options), spec.frames)
        sampling = Sampling.parse(at.sampling or spec.sampling)
        return build_recognizer(
            backbone_spec=spec,
            enhancer_spec=None,
            classes=at.classes,
            size=at.size,
            sampling=(sampling.k, sampling.t),
            backbone_options=at.options,
            modality=spec.modality,
        )


def subjects(catalog: Catalog, only: Sequence[str] = ()) -> list[Subject]:
    """List all backbones, then all enhancers, in all their settings; `only`: names to restrict the list to.

    Raises ElrError if a name is neither a backbone nor an enhancer.
    """
    networks = [spec for spec in catalog.backbones.values() if spec.at is None]
    specs: list[BackboneSpec | EnhancerSpec] = [*networks, *catalog.enhancers.values()]
    known = [spec.name for spec in specs]
    for name in only:
        if name not in known:
            raise unknown("backbone or enhancer", name, known, "elrbench list")
    return [Subject(spec, at) for spec in specs if not only or spec.name in only for at in settings(spec)]


def settings(spec: BackboneSpec | EnhancerSpec) -> tuple[Published, ...]:
    """Return the declared settings, or the defaults of the kind of component."""
    if isinstance(spec, EnhancerSpec):
        return spec.published or ENLARGED
    return spec.published or (STILL if spec.dims == 2 else MOVING)


def brought_by(spec: BackboneSpec | EnhancerSpec, owner: Owner) -> dict[str, dict[str, str]]:
    """Return name, plugin, distribution and version of the component; for a plugin file also its digest."""
    names = {"name": spec.name, "plugin": owner.plugin, "distribution": owner.distribution, "version": owner.version}
    return {spec.kind: names | ({"digest": owner.digest} if owner.digest else {})}


def standing(
    subject: Subject, owner: Owner, device: torch.device, costs: Path, cpu: CpuRequest | None = None
) -> CostRecord | None:
    """Return the cost record under `costs` of the same structure, device, versions and plugin, or None.

    cpu: what a record of a CPU must have timed; None: nothing.
    """
    expected = {
        "structure": structure_key(subject.describe()),
        "device": device_of(device, cpu),
        "versions": versions(),
        "plugins": brought_by(subject.spec, owner),
    }
    path = costs / cost_name(expected)
    engines = [] if cpu is None else [(ENGINES[name].name, ENGINES[name].precision) for name in cpu.engines]
    return read_cost(path) if already_measured(path, expected, engines, 1.0 if cpu is None else cpu.limit) else None


def measure(subject: Subject, owner: Owner, device: torch.device, cpu: CpuRequest | None = None) -> dict[str, Any]:
    """Measure the component and return an unsealed cost record. cpu: what to time on a CPU."""
    describe: Mapping[str, Any] = subject.describe()
    height, width = describe["low"]
    record = cost_of(subject.build(), describe, (height, width), device, thorough=True, cpu=cpu)
    return {**record, "plugins": brought_by(subject.spec, owner)}
