"""What a cost is a cost of: the recognizer's structure. Runs that share it share one cost record a device."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from benchmark_core.clips.modality import kind
from benchmark_core.clips.sampling import Sampling
from benchmark_core.names import ComponentName, file_name
from benchmark_core.plans.combinations import Chosen
from benchmark_core.plans.plan import Plan
from benchmark_core.provenance import versions
from benchmark_core.specs import NOTHING, BackboneSpec, EnhancerSpec, MethodSpec, Spec, Value, defaults

if TYPE_CHECKING:
    import torch

    from benchmark_core.networks.recognizer import Recognizer


def describe_plan(plan: Plan, chosen: Chosen) -> dict[str, Any]:
    """The structure of the recognizer that `plan` deploys, in plain names and numbers.

    low: [h, w], or None where clips are taken as recorded. options: those off their default that may shape a part.
    A privileged method is deployed on high views, and a network for flow on flow of network size: no enhancer, and low
    is the network's size. modality: where it is not "rgb".
    """
    method, sampling = chosen.method, Sampling.parse(plan.sampling)
    own_head = method.recognizer is not None
    at_size = method.privileged or kind(plan.modality) == "flow"
    low = plan.size if at_size else chosen.degradation.low
    shaping: dict[str, Spec] = {"backbone": chosen.backbone}
    if not at_size:
        shaping["enhancer"] = chosen.enhancer
    if own_head:
        shaping["method"] = method
    return {
        "backbone": plan.backbone,
        **({} if plan.modality == "rgb" else {"modality": plan.modality}),
        "enhancer": "none" if at_size else plan.enhancer,
        "head": ComponentName.parse(plan.method).base if own_head else "mean-logits",
        "classes": len(chosen.dataset.classes),
        "size": list(plan.size),
        "sampling": f"{sampling.k}x{sampling.t}",  # the stride between frames costs nothing
        "low": list(low) if low else None,
        "options": {
            f"{kind}.{key}": value
            for kind, spec in shaping.items()
            for key, value in sorted(_changed(spec, chosen.options(plan, kind)).items())
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
    """Of a backbone under the mean of its logits, on views of its own size (H, W), or enlarged from low (h, w).

    options: of the backbone; those off its defaults shape it.
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
    """Of an enhancer with nothing behind it, from (h, w) to (H, W): no backbone, no head, no classes.

    A view is as many frames as it takes at once.
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
    """Off the spec's default; of a method and a learnt enhancer only what shapes the recognizer."""
    usual = defaults(spec)
    named = spec.recognizer_options if isinstance(spec, (MethodSpec, EnhancerSpec)) else None
    shaping = tuple(options) if named is None else named
    return {key: value for key, value in options.items() if key in shaping and usual.get(key) != value}


def structure_key(describe: Mapping[str, Any]) -> str:
    """`resnet34-bicubic-mean-logits-256x340-4x1-from-12x16-101-5f0c2a9e`: to be read, and, by its digest, unique."""
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


def cost_of(
    recognizer: Recognizer,
    describe: Mapping[str, Any],
    low_size: tuple[int, int],
    device: torch.device,
    *,
    thorough: bool = False,
) -> dict[str, Any]:
    """A cost record, unsealed: parameters, multiply-adds, and on a GPU latency and peak memory.

    low_size: (h, w) that is traced: describe["low"], or the dataset's median where clips differ in size.
    thorough: latency also in bf16 and compiled, which takes a minute; in fp32 as it is otherwise.
    understated: heavy operators that could not be counted; where there are any, `macs` is a lower bound.
    flow: of a network for optical flow, what a field takes to calculate; it is in no other number.
    """
    import torch

    from benchmark_core.cost.flow_time import time_flow
    from benchmark_core.cost.latency import VARIANTS, measure_latency
    from benchmark_core.cost.macs import count_macs
    from benchmark_core.cost.parameters import count_parameters
    from benchmark_core.training.device import describe_device

    sampling, stream = Sampling.parse(describe["sampling"]), describe.get("modality", "rgb")
    height, width = describe["size"]
    recognizer.to(device)
    frames = sampling.widened(recognizer.frames_at_once)
    low = torch.rand(1, sampling.k, recognizer.channels, frames, *low_size, device=device)
    macs = count_macs(recognizer, low)
    latency = measure_latency(recognizer, low, device, variants=VARIANTS if thorough else ())
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
        "device": describe_device(device),
        "versions": versions(),
    }
