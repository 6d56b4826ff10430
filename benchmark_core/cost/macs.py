"""Multiply-adds of the deployed recognizer, counted by fvcore on a trace.

One multiply-add is one: what papers print as "FLOPs" (21.34 M and 6.51 G for ResNet-34 on 256x340). Counted by
fvcore's rules are convolutions, linear layers, normalisation (2 per element in testing) and adaptive average pooling,
by the project's own all other products. Interpolation, activations, other pooling and element-wise arithmetic are
lighter work of their own, in operations; what is left is named, with how often it occurs.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark_core.cost.operators import EXTRAS, HANDLERS, HEAVY
from benchmark_core.networks.recognizer import Recognizer


@dataclass(frozen=True)
class Macs:
    """clip: multiply-adds for one clip of K intervals. view: clip / K. enhancer: the enhancer's part of view.

    kinds: view by kind of operator ("conv", "linear", "batch_norm", …). extras: lighter work of a view by kind, in
    operations. uncounted: operators of a clip left out, and how often.
    heavy: those of them that are no trifle; while there are any, the multiply-adds are a lower bound.
    """

    clip: float
    view: float
    enhancer: float
    kinds: Mapping[str, float]
    extras: Mapping[str, float]
    uncounted: Mapping[str, int]

    @property
    def heavy(self) -> tuple[str, ...]:
        """Sorted."""
        return tuple(sorted(HEAVY & self.uncounted.keys()))


def count_macs(recognizer: Recognizer, low: Tensor) -> Macs:
    """Traces one clip, low float (1, K, 3, T, h, w), where recognizer and clip lie; takes as long as the clip does."""
    intervals = low.shape[1]
    by_module, uncounted = _trace(recognizer, low)
    clip = by_module[""]
    return Macs(
        clip=_macs(clip),
        view=_macs(clip) / intervals,
        enhancer=_macs(by_module["enhancer"]) / intervals,
        kinds={kind: count / intervals for kind, count in sorted(clip.items()) if kind not in EXTRAS},
        extras={kind: clip.get(kind, 0) / intervals for kind in EXTRAS},
        uncounted=dict(sorted(uncounted.items())),
    )


def _trace(module: nn.Module, low: Tensor) -> tuple[dict[str, Counter[str]], Counter[str]]:
    """Work by module and kind, and uncounted operators; in testing mode, which is then undone."""
    training = module.training
    with warnings.catch_warnings(), torch.no_grad(), _each_product_seen():
        warnings.simplefilter("ignore", DeprecationWarning)  # fvcore stands on torch.jit
        from fvcore.nn import FlopCountAnalysis  # type: ignore[import-untyped]

        analysis = FlopCountAnalysis(module.eval(), low)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        analysis.set_op_handle(**HANDLERS)
        try:
            return dict(analysis.by_module_and_operator()), analysis.unsupported_ops()
        finally:
            module.train(training)


@contextmanager
def _each_product_seen() -> Iterator[None]:
    """Without torch's fast path, by which attention or a whole transformer layer is one operator in testing."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _macs(work: Mapping[str, float]) -> float:
    return float(math.fsum(count for kind, count in work.items() if kind not in EXTRAS))
