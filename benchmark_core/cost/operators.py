"""Rules: how much work one call of a torch operator is.

A rule gets the positional arguments of an operator and its result, and reads nothing but their shapes. Convolutions,
most matrix products and their backward passes have no rule here: PyTorch's own formulas apply to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

Rule = Callable[[Sequence[Any], Any], int]

# Lighter work, in operations. Reported next to the MACs, never added to them.
EXTRAS = ("interpolation", "activation", "pooling", "elementwise")
# Convolutions and matrix products: what a training estimate counts.
PRODUCTS = ("conv", "linear", "addmm", "matmul", "bmm", "attention")


def matrix_product(first: int = 0) -> Rule:
    """A B for A (…, E), which is argument number `first`: E for each element of the result."""
    return lambda args, out: int(out.numel() * args[first].shape[-1])


def summed_product(args: Sequence[Any], out: Any) -> int:
    """addbmm: C + sum of A[n] B[n] for A (N, L, E), B (N, E, S): N·L·E·S."""
    return int(args[1].numel() * args[2].shape[-1])


def attention(args: Sequence[Any], out: Any) -> int:
    """softmax(Q Kᵀ) V for Q (…, L, E), K (…, S, E), V (…, S, Ev): L·S·(E + Ev) for each head; a mask saves nothing."""
    query, key, value = (tensor.shape for tensor in args[:3])
    return int(prod(query[:-1]) * key[-2] * (query[-1] + value[-1]))


def batch_norm(args: Sequence[Any], out: Any) -> int:
    """2 for each element, 1 without an affine map. Without running statistics: as `normalisation`."""
    return normalisation(1)(args, out) if args[5] else int(args[0].numel() * (1 if args[1] is None else 2))


def normalisation(weight: int) -> Rule:
    """5 for each element, 4 without an affine map, as fvcore estimates. weight: which argument the weight is."""
    return lambda args, out: int(args[0].numel() * (4 if len(args) <= weight or args[weight] is None else 5))


def each_input(args: Sequence[Any], out: Any) -> int:
    """1 for each element of the input."""
    return int(args[0].numel())


def each_element(args: Sequence[Any], out: Any) -> int:
    """1 for each element of the first argument or of the result, whichever has more."""
    made = out if isinstance(out, Tensor) else out[0]
    return max(tensor.numel() for tensor in (args[0], made) if isinstance(tensor, Tensor))


def resampling(support: int, *, widens: bool = False) -> Rule:
    """`support` input pixels along each axis for each output pixel.

    widens: the support grows with the factor by which an axis shrinks (antialiasing).
    """

    def rule(args: Sequence[Any], out: Any) -> int:
        sizes = zip(args[0].shape[2:], out.shape[2:], strict=True)
        taps: float = prod(support * (max(1.0, old / new) if widens else 1.0) for old, new in sizes)
        return round(int(out.numel()) * taps)

    return rule


def window(args: Sequence[Any], out: Any) -> int:
    """Pooling: the size of the window for each element of the result."""
    made = out if isinstance(out, Tensor) else out[0]
    return int(made.numel() * prod(args[1]))


def _all(names: str, kind: str, rule: Rule) -> dict[str, tuple[str, Rule]]:
    return {name: (kind, rule) for name in names.split()}


def _names(*lines: str) -> frozenset[str]:
    return frozenset(name for line in lines for name in line.split())


# aten operator, without the underscore of its in-place form -> kind of work, rule
RULES: Mapping[str, tuple[str, Rule]] = {
    **_all("linear", "linear", matrix_product()),
    **_all("matmul mv dot vdot", "matmul", matrix_product()),
    **_all("addmv", "matmul", matrix_product(first=1)),
    **_all("addbmm", "bmm", summed_product),
    **_all("scaled_dot_product_attention _scaled_dot_product_flash_attention_for_cpu", "attention", attention),
    **_all("batch_norm", "batch_norm", batch_norm),
    **_all("instance_norm", "instance_norm", normalisation(1)),
    **_all("group_norm", "group_norm", normalisation(2)),
    **_all("layer_norm", "layer_norm", normalisation(2)),
    **_all("adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d", "adaptive_avg_pool", each_input),
    **_all("upsample_nearest1d upsample_nearest2d upsample_nearest3d", "interpolation", resampling(1)),
    **_all("_upsample_nearest_exact1d _upsample_nearest_exact2d", "interpolation", resampling(1)),
    **_all("_upsample_nearest_exact3d", "interpolation", resampling(1)),
    **_all("upsample_linear1d upsample_bilinear2d upsample_trilinear3d", "interpolation", resampling(2)),
    **_all("grid_sampler", "interpolation", resampling(2)),
    **_all("upsample_bicubic2d", "interpolation", resampling(4)),
    **_all("_upsample_bilinear2d_aa", "interpolation", resampling(2, widens=True)),
    **_all("_upsample_bicubic2d_aa", "interpolation", resampling(4, widens=True)),
    **_all("max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d", "pooling", window),
    **_all("max_pool1d_with_indices max_pool2d_with_indices max_pool3d_with_indices", "pooling", window),
    **_all("adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d", "pooling", each_element),
    **_all("relu relu6 hardtanh leaky_relu prelu elu celu selu gelu silu mish", "activation", each_element),
    **_all("softplus sigmoid hardsigmoid hardswish tanh softmax", "activation", each_element),
    **_all("log_softmax log_sigmoid", "activation", each_element),
    **_all("add sub rsub mul div pow sqrt rsqrt exp log neg abs square", "elementwise", each_element),
    **_all("clamp where sum mean var std amax amin max min logsumexp", "elementwise", each_element),
    **_all("norm linalg_vector_norm cumsum addcmul lerp", "elementwise", each_element),
}

# No arithmetic. `func.is_view` recognises views, so that they need no name here.
MOVEMENT = _names(
    "_to_copy copy clone cat stack constant_pad_nd replication_pad2d replication_pad3d",
    "repeat repeat_interleave flip roll unfold _unsafe_view lift",
    "index index_select index_put gather masked_fill fill zero pixel_shuffle pixel_unshuffle scalar_tensor arange",
    "empty empty_like empty_strided zeros zeros_like ones ones_like full full_like new_empty new_zeros new_ones",
    "new_full eq ne lt le gt ge logical_not logical_and logical_or bitwise_not bitwise_and bitwise_or floor",
    "round detach floor_divide remainder nonzero argmax",
)

# Operators without a rule that take much work: while a network uses one, its MACs are a lower bound.
HEAVY = _names(
    "aten::addr aten::conv_tbc aten::_trilinear aten::_cdist_forward aten::_euclidean_dist aten::mkldnn_rnn_layer",
    "aten::_cudnn_rnn aten::miopen_rnn aten::_thnn_fused_lstm_cell aten::_thnn_fused_gru_cell aten::_int_mm",
    "aten::_native_multi_head_attention aten::_transformer_encoder_layer_fwd aten::_fft_c2c aten::_fft_r2c",
    "aten::_fft_c2r aten::_linalg_svd aten::_linalg_solve_ex aten::linalg_inv_ex aten::linalg_qr aten::_linalg_eigh",
)


@cache
def rule_of(name: str) -> tuple[str, Rule] | None:
    """Return kind and rule of an aten operator, or None."""
    if (own := RULES.get(name.removesuffix("_"))) is not None:
        return own
    formula = flop_registry.get(getattr(torch.ops.aten, name, None))
    if formula is None:
        return None
    kind = next((kind for kind in ("conv", "attention", "bmm", "addmm") if kind in name), "matmul")
    return kind, lambda args, out: formula(*args, out_val=out) // 2  # PyTorch counts a multiply-add as two
