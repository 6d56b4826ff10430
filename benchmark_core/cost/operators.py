"""What fvcore's trace is told about operators: which are multiply-adds, which are lighter work, which are none.

A handler gets the traced operator's inputs and outputs (values of torch's graph, all with known shapes) and returns how
much work it is, under the name of the kind of work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from benchmark_core.cost.products import (
    Handler,
    attention,
    einsum,
    numbers,
    product,
    same_convolution,
    shape,
    summed_product,
    tensordot,
)

# Kinds of work that are no multiply-adds of the network: reported beside them, never added to them.
EXTRAS = ("interpolation", "activation", "pooling", "elementwise")


def adaptive_pool(inputs: Sequence[Any], outputs: Sequence[Any]) -> Counter[str]:
    """One per input element: fvcore's rule for two dimensions, taken for one and three as well."""
    return Counter({"adaptive_avg_pool": prod(shape(inputs[0]))})


def each_element(kind: str) -> Handler:
    """One per element of the first input or of the output, whichever is larger."""

    def handler(inputs: Sequence[Any], outputs: Sequence[Any]) -> Counter[str]:
        return Counter({kind: max(prod(shape(inputs[0])), prod(shape(outputs[0])))})

    return handler


def taps(support: int, *, widens: bool = False) -> Handler:
    """`support` input pixels an axis for each output pixel; `widens`: in proportion along an axis that shrinks."""

    def handler(inputs: Sequence[Any], outputs: Sequence[Any]) -> Counter[str]:
        before, after = shape(inputs[0])[2:], shape(outputs[0])[2:]
        shrinks = [max(1.0, old / new) if widens else 1.0 for old, new in zip(before, after, strict=True)]
        return Counter({"interpolation": round(prod(shape(outputs[0])) * prod(support * shrink for shrink in shrinks))})

    return handler


def window(inputs: Sequence[Any], outputs: Sequence[Any]) -> Counter[str]:
    """Pooling by a window: its size, for each output element; of computed size: one for each input element."""
    sides = [side for side in numbers(inputs[1]) if side is not None]
    if len(sides) < len(numbers(inputs[1])):
        return Counter({"pooling": prod(shape(inputs[0]))})
    return Counter({"pooling": prod(shape(outputs[0])) * prod(sides)})


def _named(names: str, handler: Handler | None) -> dict[str, Handler | None]:
    """The handler under each aten name, and under its in-place form."""
    return {f"aten::{name}{form}": handler for name in names.split() for form in ("", "_")}


HANDLERS: Mapping[str, Handler | None] = {
    **_named("adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d", adaptive_pool),
    # attention as networks ask for it, and as each device's own kernels are called
    **_named("scaled_dot_product_attention _scaled_dot_product_attention_math", attention),
    **_named("_scaled_dot_product_flash_attention _scaled_dot_product_flash_attention_for_cpu", attention),
    **_named("_scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention", attention),
    **_named("matmul mm mv dot vdot inner", product("matmul")),  # fvcore's own rule knows no broadcasting
    **_named("bmm", product("bmm")),
    **_named("baddbmm", product("bmm", first=1)),
    **_named("addmv", product("matmul", first=1)),
    **_named("addbmm", summed_product),
    **_named("tensordot", tensordot),
    **_named("einsum", einsum),
    **_named("_convolution_mode", same_convolution),
    **_named("upsample_nearest1d upsample_nearest2d upsample_nearest3d", taps(1)),
    **_named("_upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d", taps(1)),
    **_named("upsample_linear1d upsample_bilinear2d upsample_trilinear3d grid_sampler", taps(2)),
    **_named("upsample_bicubic2d", taps(4)),
    **_named("_upsample_bilinear2d_aa", taps(2, widens=True)),
    **_named("_upsample_bicubic2d_aa", taps(4, widens=True)),
    **_named("max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d", window),
    **_named("max_pool1d_with_indices max_pool2d_with_indices max_pool3d_with_indices", window),
    **_named("adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d", each_element("pooling")),
    **_named("relu relu6 hardtanh leaky_relu prelu elu celu selu gelu silu mish softplus", each_element("activation")),
    **_named("sigmoid hardsigmoid hardswish tanh softmax log_softmax log_sigmoid", each_element("activation")),
    **_named("add sub rsub mul div pow sqrt rsqrt exp log neg abs square clamp where", each_element("elementwise")),
    **_named("sum mean var std amax amin max min logsumexp norm cumsum addcmul lerp", each_element("elementwise")),
    # movement and bookkeeping: no arithmetic
    **_named("unflatten pad repeat repeat_interleave expand_as clone flip movedim swapaxes", None),
    **_named("new_ones ones_like new_tensor scalar_tensor zeros_like view_as reshape_as lt le ne logical_not", None),
}

# Left uncounted, any of these would make the multiply-adds of a network a fiction.
HEAVY = frozenset(
    _named("convolution conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d conv_tbc", None)
    | _named("outer ger kron chain_matmul linalg_multi_dot addr", None)
    | _named("bilinear _trilinear cdist lstm gru rnn_tanh rnn_relu lstm_cell gru_cell", None)
    | _named("_native_multi_head_attention _transformer_encoder_layer_fwd", None)
    | _named("_flash_attention_forward _efficient_attention_forward _cudnn_attention_forward", None)
    | _named("fft_fft fft_rfft fft_fft2 fft_rfft2 fft_fftn fft_rfftn linalg_svd linalg_inv linalg_solve", None)
)
