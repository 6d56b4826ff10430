"""Choose a device, describe it, and use half precision on it."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import torch

from benchmark_core.errors import ElrError
from benchmark_core.training.fp32_convolutions import ConvolutionsInFp32

USABLE = ("cpu", "cuda", "mps", "xpu")
# Keys of /proc/cpuinfo: four of x86, then of ARM.
GENERATION = ("vendor_id", "cpu family", "model", "stepping", "CPU implementer", "CPU part", "CPU revision")


def pick_device(asked: str | None = None) -> torch.device:
    """Return the device `asked` ("cpu", "cuda", "cuda:1", "mps"); by default a GPU if there is one, else the CPU.

    Raises ElrError if the device cannot be used.
    """
    if asked is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if asked.partition(":")[0] not in USABLE:
        raise ElrError(f"device '{asked}' is not one of {', '.join(USABLE)}; a number selects one of several: cuda:1")
    try:
        device = torch.device(asked)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ElrError(f"device '{asked}' cannot be used: {str(error).splitlines()[0]}; try --device cpu") from error
    return device


def describe_device(device: torch.device, threads: int | None = None) -> str:
    """Return kind and model: `cuda: NVIDIA H200`, `cpu: AMD EPYC (2 threads)`. Tables group by it.

    threads: of a CPU; None: those that torch uses.
    """
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    if device.type == "cpu":
        model = _cpuinfo().get("model name") or platform.processor() or platform.machine()
        return f"cpu: {model} ({threads or torch.get_num_threads()} threads)"
    return device.type


def describe_processor() -> str:
    """Return what decides the last bits of results on processors of one name: generation and instruction set.

    For example `vendor_id AuthenticAMD, cpu family 25, model 17, stepping 1, AVX512`.
    """
    facts = _cpuinfo()
    known = [f"{key} {facts[key]}" for key in GENERATION if key in facts] or [platform.machine()]
    return ", ".join([*known, torch.backends.cpu.get_cpu_capability()])


def _cpuinfo() -> dict[str, str]:
    """Return the entries of the first processor in /proc/cpuinfo; none on systems without this file."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().partition("\n\n")[0].splitlines() if cpuinfo.exists() else ()
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def autocast(device: torch.device, precision: str) -> AbstractContextManager[None]:
    """Return a context in which operations run in the plan's precision: "bf16" by autocast, or "fp32"."""
    if device.type == "meta":  # nothing is computed on it, and torch has no autocast for it
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@contextmanager
def autocast_to_train(device: torch.device, precision: str) -> Iterator[None]:
    """`autocast` for passes with gradients. On a CPU some convolutions stay in fp32, see `fp32_convolutions`."""
    guarded = device.type == "cpu" and precision == "bf16"
    with autocast(device, precision), ConvolutionsInFp32() if guarded else nullcontext():
        yield
