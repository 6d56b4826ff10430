"""Parameters of the deployed recognizer: of its backbone those that the answer depends on, of its enhancer all."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from benchmark_core.networks.recognizer import Low, Recognizer


def count_parameters(recognizer: Recognizer, low: Low | None = None) -> dict[str, int]:
    """total, backbone (with its classifier), enhancer, head; what parts share is counted in the first of them.

    low: views (1, K, 3, T, h, w) of a clip; a backbone's layers that the recognizer goes past, such as the classifier
    where the head has its own, are then left out. Only its shape is read.
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
    """Parameters of the backbone that no answer depends on and whose layer is not called.

    A pass on tensors without content tells; where there can be none, all are in use.
    """
    hollow = {name: torch.empty_like(value, device="meta") for name, value in recognizer.named_buffers()}
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
            logits = functional_call(recognizer.eval(), {**weights, **hollow}, (views,))
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
    """Tensors that need a gradient and that `result` is computed from."""
    found: set[Tensor] = set()
    seen = {result.grad_fn}
    due = [result.grad_fn]
    while due:
        node = due.pop()
        if node is None:
            continue
        if hasattr(node, "variable"):
            found.add(node.variable)
        due += [other for other, _ in node.next_functions if other not in seen]
        seen.update(other for other, _ in node.next_functions)
    return found
