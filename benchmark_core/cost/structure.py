"""The structure of a recognizer, which its cost depends on. Runs of one structure share a cost record per device."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from benchmark_core.clips.modality import kind
from benchmark_core.clips.sampling import Sampling
from benchmark_core.names import ComponentName, file_name
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.provenance import versions
from benchmark_core.specs import NOTHING, BackboneSpec, EnhancerSpec, MethodSpec, Spec, Value, defaults

if TYPE_CHECKING:
    import torch

    from benchmark_core.cost.cpu_latency import CpuRequest
    from benchmark_core.networks.recognizer import Recognizer


def describe_plan(plan: Plan, components: Components) -> dict[str, Any]:
    """Describe the recognizer that `plan` deploys, in plain names and numbers.

    low: [h, w], or None if clips keep their recorded size. options: values that differ from the default and may shape a
    component. modality: only if it is not "rgb". A privileged method runs on high views and a flow network on flow of
    network size: both have no enhancer, and low is the network size. teacher_intervals: only if the method has a head
    of its own and its teacher sees another number of intervals; the head may compare as many parts of a view.
    """
    intervals = Sampling.parse(plan.of_teacher.sampling).k
    if components.method.oracle:
        plan, components = plan.of_teacher, components.of_teacher
    method, sampling = components.method, Sampling.parse(plan.sampling)
    own_head = method.recognizer is not None
    at_size = method.oracle or kind(plan.modality) == "flow"
    low = plan.size if at_size else components.degradation.low
    shaping: dict[str, Spec] = {"backbone": components.backbone}
    if not at_size:
        shaping["enhancer"] = components.enhancer
    if own_head:
        shaping["method"] = method
    return {
        "backbone": plan.backbone,
        **({} if plan.modality == "rgb" else {"modality": plan.modality}),
        "enhancer": "none" if at_size else plan.enhancer,
        "head": ComponentName.parse(plan.method).base if own_head else "mean-logits",
        "classes": len(components.dataset.classes),
        "size": list(plan.size),
        "sampling": f"{sampling.k}x{sampling.t}",  # without the stride between frames, which does not change the cost
        "low": list(low) if low else None,
        **({"teacher_intervals": intervals} if own_head and intervals != sampling.k else {}),
        "options": {
            f"{kind}.{key}": value
            for kind, spec in shaping.items()
            for key, value in sorted(_changed(spec, components.options(plan, kind)).items())
        },
    }


def describe_bare(
    backbone: BackboneSpec,
    *,
    classes: int,
    size: tuple[int, int],
    sampling: Sampling,
    modality: str = "rgb",
    enhancer: EnhancerSpec | None = None,
    low: tuple[int, int] | None = None,
    options: Mapping[str, Value] = NOTHING,
) -> dict[str, Any]:
    """Describe a backbone with the mean of its logits, on views of size (H, W) or enlarged from low (h, w).

    options: of the backbone; only values that differ from the default are kept.
    """
    return {
        "backbone": backbone.name,
        **({} if modality == "rgb" else {"modality": modality}),
        "enhancer": enhancer.name if enhancer else "none",
        "head": "mean-logits",
        "classes": classes,
        "size": list(size),
        "sampling": f"{sampling.k}x{sampling.t}",
        "low": list(low or size),
        "options": {f"backbone.{key}": value for key, value in sorted(_changed(backbone, options).items())},
    }


def describe_alone(
    enhancer: EnhancerSpec, *, low: tuple[int, int], size: tuple[int, int], options: Mapping[str, Value] = NOTHING
) -> dict[str, Any]:
    """Describe an enhancer from (h, w) to (H, W) without backbone, head and classes.

    A view has as many frames as the enhancer takes at once.
    """
    return {
        "backbone": "none",
        "enhancer": enhancer.name,
        "head": "none",
        "classes": 0,
        "size": list(size),
        "sampling": f"1x{enhancer.frames}",
        "low": list(low),
        "options": {f"enhancer.{key}": value for key, value in sorted(_changed(enhancer, options).items())},
    }


def _changed(spec: Spec, options: Mapping[str, Value]) -> dict[str, Value]:
    """Return options that differ from the default; for methods and enhancers, only those that shape the recognizer."""
    usual = defaults(spec)
    named = spec.recognizer_options if isinstance(spec, (MethodSpec, EnhancerSpec)) else None
    shaping = tuple(options) if named is None else named
    return {key: value for key, value in options.items() if key in shaping and usual.get(key) != value}


def structure_key(describe: Mapping[str, Any]) -> str:
    """Return a readable key with a digest, e.g. `resnet34-bicubic-mean-logits-256x340-4x1-from-12x16-101-5f0c2a9e`."""
    height, width = describe["size"]
    low = describe["low"]
    words = [
        describe["backbone"],
        *([describe["modality"]] if "modality" in describe else []),
        describe["enhancer"],
        describe["head"],
        f"{height}x{width}",
        describe["sampling"],
        f"from-{low[0]}x{low[1]}" if low else "from-native",
        str(describe["classes"]),
    ]
    canonical = json.dumps(describe, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).hexdigest()[:8]
    return f"{file_name('-'.join(words))}-{digest}"


def device_of(device: torch.device, cpu: CpuRequest | None) -> str:
    """Return the device of a cost record. A CPU that is timed is named with all the CPUs that may be used."""
    from benchmark_core.cost.load import usable_cpus
    from benchmark_core.training.device import describe_device

    return describe_device(device, len(usable_cpus()) if cpu is not None else None)


def cost_of(
    recognizer: Recognizer,
    describe: Mapping[str, Any],
    low_size: tuple[int, int],
    device: torch.device,
    *,
    thorough: bool = False,
    cpu: CpuRequest | None = None,
) -> dict[str, Any]:
    """Return an unsealed cost record: parameters, MACs, and on a GPU latency and peak memory.

    low_size: (h, w) of the counted clip: describe["low"], or the dataset's median if clips differ in size.
    thorough: also time bf16 and compiled variants, which takes about a minute; otherwise only plain fp32.
    cpu: what to time if `device` is a CPU; None: nothing. A busy machine leaves no latency but `refused`, the reason;
        such a record cannot be written.
    In the record, `understated` names heavy operators without a rule; if there are any, `macs` is a lower bound.
    `flow` is the time to compute one flow field, for a flow network; no other number includes it.
    """
    import torch

    from benchmark_core.cost.cpu_latency import measure_cpu_latency
    from benchmark_core.cost.latency import VARIANTS, measure_latency, time_flow
    from benchmark_core.cost.load import BusyMachine
    from benchmark_core.cost.macs import count_macs
    from benchmark_core.cost.parameters import count_parameters

    sampling, stream = Sampling.parse(describe["sampling"]), describe.get("modality", "rgb")
    height, width = describe["size"]
    recognizer.to(device)
    frames = sampling.widened(recognizer.frames_at_once)
    low = torch.rand(1, sampling.k, recognizer.channels, frames, *low_size, device=device)
    macs = count_macs(recognizer, low)
    latency = measure_latency(recognizer, low, device, variants=VARIANTS if thorough else ())
    on_cpu: dict[str, Any] = {}
    if device.type == "cpu" and cpu is not None:
        try:
            found = measure_cpu_latency(recognizer, low, cpu)
            on_cpu = {} if found is None else {"cpu_latency": found}
        except BusyMachine as busy:
            on_cpu = {"refused": str(busy)}
    return {
        "schema": 1,
        "kind": "cost",
        "structure": structure_key(describe),
        "describe": dict(describe),
        "low_size": list(low_size),
        "params": count_parameters(recognizer, low),
        "macs": {"view": macs.view, "clip": macs.clip, "enhancer": macs.enhancer},
        "kinds": dict(macs.kinds),
        "extras": dict(macs.extras),
        "uncounted": dict(macs.uncounted),
        "understated": list(macs.heavy),
        "latency": latency,
        **({"flow": time_flow(stream, (height, width))} if kind(stream) == "flow" else {}),
        "peak_memory": latency and latency["single"]["peak_memory"],
        **on_cpu,
        "device": device_of(device, cpu),
        "versions": versions(),
    }
