"""Parameters of the deployed recognizer, without the layers of its backbone that it does not use."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from benchmark_core.networks.recognizer import Low, Recognizer


def count_parameters(recognizer: Recognizer, low: Low | None = None) -> dict[str, int]:
    """Count parameters: total, backbone (with its classifier), enhancer, head. Shared ones count once, in this order.

    low: views (1, K, 3, T, h, w) of a clip, of which only the shape is read. With it, unused layers of the backbone are
    left out, for instance its classifier if the head has its own.
    """
    idle = set() if low is None else _idle(recognizer, low)
    counts: dict[str, int] = {}
    seen: set[Tensor] = set()
    for name, part in (("backbone", recognizer.backbone), ("enhancer", recognizer.enhancer), ("head", recognizer.head)):
        new = set(part.parameters()) - seen
        counts[name] = sum(parameter.numel() for parameter in new - idle)
        seen |= new
    return {"total": sum(counts.values()), **counts}


def _idle(recognizer: Recognizer, low: Low) -> set[Tensor]:
    """Return the backbone's parameters that the recognizer does not use: layer not called, no effect on the logits.

    Found by a pass on meta tensors. If the network cannot run on them, no parameter is idle.
    """
    buffers = {name: torch.empty_like(value, device="meta") for name, value in recognizer.named_buffers()}
    weights = {
        name: torch.empty_like(value, device="meta").requires_grad_() for name, value in recognizer.named_parameters()
    }
    called: set[nn.Module] = set()
    hooks = [
        module.register_forward_hook(lambda module, *_: called.add(module)) for module in recognizer.backbone.modules()
    ]
    training = recognizer.training
    views = low.to("meta") if isinstance(low, Tensor) else [clip.to("meta") for clip in low]
    try:
        with torch.enable_grad():
            logits = functional_call(recognizer.eval(), {**weights, **buffers}, (views,))
    except (NotImplementedError, RuntimeError, TypeError, ValueError):
        return set()
    finally:
        recognizer.train(training)
        for hook in hooks:
            hook.remove()
    reached = _leaves(logits)
    active = {parameter for module in called for parameter in module.parameters(recurse=False)}
    names = {parameter: name for name, parameter in recognizer.named_parameters()}
    return {
        parameter
        for parameter in recognizer.backbone.parameters()
        if parameter not in active and weights[names[parameter]] not in reached
    }


def _leaves(result: Tensor) -> set[Tensor]:
    """Return the leaf tensors with requires_grad that `result` is computed from."""
    found: set[Tensor] = set()
    seen = {result.grad_fn}
    queue = [result.grad_fn]
    while queue:
        node = queue.pop()
        if node is None:
            continue
        if hasattr(node, "variable"):
            found.add(node.variable)
        queue += [other for other, _ in node.next_functions if other not in seen]
        seen.update(other for other, _ in node.next_functions)
    return found
