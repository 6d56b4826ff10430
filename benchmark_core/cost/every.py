"""What every backbone and every enhancer costs, in the settings that it is published in: no data, no weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmark_core.catalog import Catalog, Owner
from benchmark_core.clips.sampling import Sampling
from benchmark_core.cost.alone import EnhancerAlone
from benchmark_core.cost.structure import cost_of, describe_alone, describe_bare, structure_key
from benchmark_core.errors import ElrError, unknown
from benchmark_core.networks.assemble import build_recognizer
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.provenance import versions
from benchmark_core.published import Published
from benchmark_core.records.cost_record import CostRecord, already_measured, cost_name, read_cost
from benchmark_core.specs import BackboneSpec, EnhancerSpec
from benchmark_core.training.device import describe_device

# Of components that say nothing of where they are published.
STILL = (Published(size=(256, 340), sampling="1x1"), Published(size=(224, 224), sampling="1x1"))
MOVING = (Published(size=(112, 112)),)
ENLARGED = (Published(low=(12, 16), size=(96, 128)),)


@dataclass(frozen=True)
class Subject:
    """One component in one setting."""

    spec: BackboneSpec | EnhancerSpec
    at: Published

    def __str__(self) -> str:
        return f"{self.spec.name} {self.at}"

    def describe(self) -> dict[str, Any]:
        """Its structure. ElrError where the setting is none."""
        spec, at = self.spec, self.at
        for key, value in at.options.items():
            if key not in spec.options:
                raise unknown(f"option of {spec.kind} '{spec.name}'", key, spec.options)
            spec.options[key].check(f"{spec.kind}.{key}", value)
        if isinstance(spec, EnhancerSpec):
            if at.low is None:
                raise ElrError(f"enhancer '{spec.name}' is published at {at}, without the low size that it enlarges")
            return describe_alone(spec, low=at.low, size=at.size, options=at.options)
        sampling = Sampling.parse(at.sampling or spec.sampling)
        return describe_bare(
            spec, classes=at.classes, size=at.size, sampling=sampling, modality=spec.modality, options=at.options
        )

    def build(self) -> Recognizer:
        """The network, freshly initialised."""
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
    """Every backbone, then every enhancer, by name; only those named, where names are given.

    Raises ElrError where a name is of neither.
    """
    specs: list[BackboneSpec | EnhancerSpec] = [*catalog.backbones.values(), *catalog.enhancers.values()]
    known = [spec.name for spec in specs]
    for name in only:
        if name not in known:
            raise unknown("backbone or enhancer", name, known)
    return [Subject(spec, at) for spec in specs if not only or spec.name in only for at in settings(spec)]


def settings(spec: BackboneSpec | EnhancerSpec) -> tuple[Published, ...]:
    """What it declares, or what is usual for its kind."""
    if isinstance(spec, EnhancerSpec):
        return spec.published or ENLARGED
    return spec.published or (STILL if spec.dims == 2 else MOVING)


def brought_by(spec: BackboneSpec | EnhancerSpec, owner: Owner) -> dict[str, dict[str, str]]:
    """Whose code was measured, and of which version: of a plugin that is not installed, its file's digest."""
    whose = {"name": spec.name, "plugin": owner.plugin, "distribution": owner.distribution, "version": owner.version}
    return {spec.kind: whose | ({"digest": owner.digest} if owner.digest else {})}


def standing(subject: Subject, owner: Owner, device: torch.device, costs: Path) -> CostRecord | None:
    """The record under `costs` that says already what a measurement would; None where there is none."""
    due = {
        "structure": structure_key(subject.describe()),
        "device": describe_device(device),
        "versions": versions(),
        "plugins": brought_by(subject.spec, owner),
    }
    path = costs / cost_name(due)
    return read_cost(path) if already_measured(path, due) else None


def measure(subject: Subject, owner: Owner, device: torch.device) -> dict[str, Any]:
    """The cost record, unsealed."""
    describe: Mapping[str, Any] = subject.describe()
    height, width = describe["low"]
    record = cost_of(subject.build(), describe, (height, width), device, thorough=True)
    return {**record, "plugins": brought_by(subject.spec, owner)}
