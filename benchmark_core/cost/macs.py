"""Multiply-adds of a network, counted operator by operator while it runs.

One multiply-add counts as one; papers print the same number as "FLOPs" (6.51 G for ResNet-34 on 256x340).

`WorkCounter` is the only counter of the project. It is a `TorchDispatchMode`, as `torch.utils.flop_counter` is, and
uses the formulas of that module for convolutions and matrix products. fvcore counts on a graph from `torch.jit.trace`,
which is deprecated, and cannot count a backward pass; it serves as an independent check in the tests.

Multiply-adds are convolutions, matrix products, normalisation (2 for each element in eval mode) and adaptive average
pooling. Interpolation, activations, other pooling and element-wise arithmetic are reported apart, in operations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from benchmark_core.cost.operators import EXTRAS, HEAVY, MOVEMENT, PRODUCTS, rule_of
from benchmark_core.networks.recognizer import Recognizer


@dataclass(frozen=True)
class Macs:
    """Work of a forward pass on one clip of K intervals; a view is one interval.

    clip: MACs of the clip. view: clip / K. enhancer: the enhancer's part of view.
    kinds: view by kind of operator ("conv", "linear", "batch_norm", …). extras: lighter work of a view by kind, in
    operations. uncounted: operators without a rule, with the number of calls for the clip.
    heavy: uncounted operators that take much work, and all that are not PyTorch's own. If there are any, the MACs are a
    lower bound.
    """

    clip: float
    view: float
    enhancer: float
    kinds: Mapping[str, float]
    extras: Mapping[str, float]
    uncounted: Mapping[str, int]

    @property
    def heavy(self) -> tuple[str, ...]:
        """Sorted names."""
        return tuple(sorted(name for name in self.uncounted if name in HEAVY or not name.startswith("aten::")))


class WorkCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Count the work of all operators that run under this mode, on any device including meta.

    Under autograd, composite operators reach the counter as their parts: a normalisation is then uncounted, and
    `products` includes the backward pass. In inference mode a composite operator with a rule is counted whole.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.work: Counter[str] = Counter()  # by kind
        self.uncounted: Counter[str] = Counter()

    @property
    def macs(self) -> int:
        """Multiply-adds so far."""
        return sum(count for kind, count in self.work.items() if kind not in EXTRAS)

    @property
    def products(self) -> int:
        """Multiply-adds of convolutions and matrix products so far, forward and backward."""
        return sum(self.work[kind] for kind in PRODUCTS)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator and count it; a composite operator without a rule is counted by its parts."""
        kwargs = kwargs or {}
        namespace, name = func.namespace, func.overloadpacket.__name__
        found = rule_of(name) if namespace == "aten" else None
        if found is None:
            with self:
                out = func.decompose(*args, **kwargs)
            if out is not NotImplemented:
                return out
        out = func(*args, **kwargs)
        if found is not None:
            kind, rule = found
            self.work[kind] += rule(args, out)
        elif not (func.is_view or namespace == "prim" or name.removesuffix("_") in MOVEMENT):
            self.uncounted[f"{namespace}::{name}"] += 1
        return out


def count_macs(recognizer: Recognizer, low: Tensor) -> Macs:
    """Run one clip, low float (1, K, 3, T, h, w), on the device of both, and count; on meta nothing is computed."""
    intervals = low.shape[1]
    enhancer = 0
    counter = WorkCounter()

    def entered(*_: object) -> None:
        nonlocal enhancer
        enhancer -= counter.macs

    def left(*_: object) -> None:
        nonlocal enhancer
        enhancer += counter.macs

    hooks = [recognizer.enhancer.register_forward_pre_hook(entered), recognizer.enhancer.register_forward_hook(left)]
    try:
        count_work(recognizer, low, counter=counter)
    finally:
        for hook in hooks:
            hook.remove()
    return Macs(
        clip=float(counter.macs),
        view=counter.macs / intervals,
        enhancer=enhancer / intervals,
        kinds={kind: count / intervals for kind, count in sorted(counter.work.items()) if kind not in EXTRAS},
        extras={kind: counter.work[kind] / intervals for kind in EXTRAS},
        uncounted=dict(sorted(counter.uncounted.items())),
    )


def count_work(module: nn.Module, *inputs: Any, counter: WorkCounter | None = None) -> WorkCounter:
    """Run `module` on `inputs` in eval mode and count its work; the module's own mode is restored."""
    counter, training = counter or WorkCounter(), module.training
    try:
        with torch.inference_mode(), _each_product_seen(), counter:
            module.eval()(*inputs)
    finally:
        module.train(training)
    return counter


@contextmanager
def _each_product_seen() -> Iterator[None]:
    """Disable PyTorch's fast path, which runs attention or a whole transformer layer as one operator in eval mode."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
