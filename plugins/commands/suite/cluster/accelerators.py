"""Peak rates of GPUs, and how much of them training is assumed to reach. None of these numbers is measured here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmark_core.errors import ElrError, unknown

# Share of the peak rate. NVIDIA publishes 938 images/s (TF32) and 2,470 images/s (mixed precision) for training
# ResNet-50 on one A100 (DeepLearningExamples, PyTorch 21.03). At 3 x 4.1 G MACs an image, that is 0.15 and 0.19.
EFFICIENCY = 0.15
SOURCE = "ResNet-50 on an A100 by NVIDIA's published figures: 0.15 in TF32, 0.19 in mixed precision"


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """A GPU. peak: operations per second by precision, dense; one MAC is two. fp32 is TF32, as cuDNN uses in torch."""

    name: str
    title: str
    peak: Mapping[str, float]


ACCELERATORS: Mapping[str, Accelerator] = {
    one.name: one
    for one in (
        Accelerator(name="a100", title="A100 SXM", peak={"fp32": 156e12, "bf16": 312e12}),
        Accelerator(name="h100", title="H100 SXM", peak={"fp32": 494.5e12, "bf16": 989e12}),
        Accelerator(name="h200", title="H200 SXM", peak={"fp32": 494.5e12, "bf16": 989e12}),
    )
}


def accelerator(name: str) -> Accelerator:
    """Return the GPU of a name. ElrError, with the known names, if there is none."""
    if name not in ACCELERATORS:
        raise unknown("device to plan for", name, ACCELERATORS)
    return ACCELERATORS[name]


def check_efficiency(value: float) -> float:
    """Return `value`. ElrError if it is no share of a peak rate."""
    if not 0 < value <= 1:
        raise ElrError(f"--efficiency {value} is not a share of the peak rate; pass a number above 0 and up to 1")
    return value
