"""How much work each operator is, by hand: what fvcore leaves out or gets wrong, and what is beside multiply-adds."""

import functools

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmark_core.cost.macs import _trace
from benchmark_core.cost.operators import EXTRAS, HANDLERS, HEAVY
from benchmark_core.cost.products import attention, einsum_macs

ATEN = torch.ops.aten
weight = torch.ones  # an operand that is no input of the network


class Calls(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def traced(function, *shapes):
    """Work by kind, uncounted operators, and the names of all operators."""
    inputs = tuple(torch.rand(shape) for shape in shapes)
    by_module, uncounted = _trace(Calls(function), inputs)
    graph, _ = torch.jit._get_trace_graph(Calls(function), inputs)
    names = {node.kind().removeprefix("aten::") for node in graph.nodes()}
    return {kind: count for kind, count in by_module[""].items() if count}, uncounted, names


heads = (2, 4, 5, 8)  # batch, heads, tokens, width of a head
PRODUCTS = [
    # attention: queries 2·4·5, keys 7 of width 8, values of width 3: 40·7·(8 + 3)
    (
        "scaled_dot_product_attention",
        F.scaled_dot_product_attention,
        [heads, (2, 4, 7, 8), (2, 4, 7, 3)],
        "attention",
        40 * 7 * 11,
    ),
    (
        "scaled_dot_product_attention",
        lambda q: F.scaled_dot_product_attention(q, q, q, is_causal=True),
        [heads],
        "attention",
        40 * 5 * 16,
    ),
    (
        "scaled_dot_product_attention",  # 4 heads of queries share 2 of keys and values
        lambda q, k: F.scaled_dot_product_attention(q, k, k, enable_gqa=True),
        [heads, (2, 2, 7, 8)],
        "attention",
        40 * 7 * 16,
    ),
    (
        "_scaled_dot_product_attention_math",
        lambda q: ATEN._scaled_dot_product_attention_math(q, q, q)[0],
        [heads],
        "attention",
        40 * 5 * 16,
    ),
    (
        "_scaled_dot_product_flash_attention_for_cpu",
        lambda q: ATEN._scaled_dot_product_flash_attention_for_cpu(q, q, q)[0],
        [heads],
        "attention",
        40 * 5 * 16,
    ),
    ("matmul", torch.matmul, [(2, 3, 4, 5), (5, 6)], "matmul", 2 * 3 * 4 * 6 * 5),
    ("matmul", torch.matmul, [(4, 5), (2, 3, 5, 6)], "matmul", 2 * 3 * 4 * 6 * 5),  # the first is broadcast
    ("matmul", torch.matmul, [(2, 1, 4, 5), (1, 3, 5, 6)], "matmul", 2 * 3 * 4 * 6 * 5),  # both are
    ("matmul", torch.matmul, [(4, 5), (5,)], "matmul", 4 * 5),
    ("matmul", torch.matmul, [(5,), (5, 6)], "matmul", 5 * 6),
    ("matmul", torch.matmul, [(5,), (5,)], "matmul", 5),
    ("mm", torch.mm, [(4, 5), (5, 6)], "matmul", 4 * 5 * 6),
    ("mv", torch.mv, [(4, 5), (5,)], "matmul", 4 * 5),
    ("dot", torch.dot, [(5,), (5,)], "matmul", 5),
    ("vdot", torch.vdot, [(5,), (5,)], "matmul", 5),
    ("inner", torch.inner, [(4, 5), (3, 5)], "matmul", 4 * 3 * 5),
    ("tensordot", lambda a, b: torch.tensordot(a, b, 2), [(2, 3, 4), (3, 4, 5)], "matmul", 2 * 5 * 3 * 4),
    ("tensordot", lambda a, b: torch.tensordot(a, b, ([0], [1])), [(2, 3), (5, 2)], "matmul", 3 * 5 * 2),
    ("addmv", torch.addmv, [(4,), (4, 5), (5,)], "matmul", 4 * 5),
    ("bmm", torch.bmm, [(3, 4, 5), (3, 5, 6)], "bmm", 3 * 4 * 5 * 6),
    ("baddbmm", torch.baddbmm, [(3, 4, 6), (3, 4, 5), (3, 5, 6)], "bmm", 3 * 4 * 5 * 6),
    ("baddbmm", torch.baddbmm, [(1, 1, 6), (3, 4, 5), (3, 5, 6)], "bmm", 3 * 4 * 5 * 6),
    ("addbmm", torch.addbmm, [(4, 6), (3, 4, 5), (3, 5, 6)], "bmm", 3 * 4 * 5 * 6),
    ("addmm", torch.addmm, [(4, 6), (4, 5), (5, 6)], "addmm", 4 * 5 * 6),
    ("linear", lambda x: F.linear(x, weight(7, 5)), [(2, 3, 5)], "linear", 2 * 3 * 5 * 7),
    ("einsum", lambda a, b: torch.einsum("bik,bkj->bij", a, b), [(3, 4, 5), (3, 5, 6)], "einsum", 3 * 4 * 5 * 6),
    ("einsum", lambda a, b: torch.einsum("...c, dc -> ...d", a, b), [(2, 3, 5), (7, 5)], "einsum", 2 * 3 * 5 * 7),
    ("_convolution", lambda x: F.conv1d(x, weight(4, 3, 5)), [(2, 3, 9)], "conv", 2 * 4 * 5 * 3 * 5),
    ("_convolution", lambda x: F.conv2d(x, weight(4, 3, 3, 3)), [(2, 3, 6, 8)], "conv", 2 * 4 * (4 * 6) * 3 * 9),
    ("_convolution", lambda x: F.conv2d(x, weight(6, 1, 3, 3), groups=3), [(2, 3, 6, 8)], "conv", 2 * 6 * 24 * 9),
    (
        "_convolution",
        lambda x: F.conv_transpose2d(x, weight(3, 4, 6, 6), stride=2, padding=2),
        [(2, 3, 6, 8)],
        "conv",
        2 * (6 * 8) * 3 * 4 * 36,
    ),
    (
        "_convolution_mode",
        lambda x: F.conv2d(x, weight(4, 3, 3, 3), padding="same"),
        [(2, 3, 6, 8)],
        "conv",
        2 * 4 * 48 * 27,
    ),
    (
        "_convolution_mode",
        lambda x: F.conv3d(x, weight(6, 1, 3, 3, 3), padding="valid", groups=3),
        [(2, 3, 4, 6, 8)],
        "conv",
        2 * 6 * (2 * 4 * 6) * 27,
    ),
    ("adaptive_avg_pool1d", lambda x: F.adaptive_avg_pool1d(x, 2), [(2, 3, 9)], "adaptive_avg_pool", 54),
    ("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, (2, 1)), [(2, 3, 4, 5)], "adaptive_avg_pool", 120),
    ("adaptive_avg_pool3d", lambda x: F.adaptive_avg_pool3d(x, 1), [(2, 3, 4, 5, 6)], "adaptive_avg_pool", 720),
]


def resize(mode, **more):
    return functools.partial(F.interpolate, mode=mode, **more)


def grid(*shape):
    return lambda x: F.grid_sample(x, weight(shape) * 0.5, align_corners=False)


line, plane, box = (2, 3, 4), (2, 3, 4, 6), (2, 3, 4, 6, 2)
BESIDE = [
    ("upsample_nearest1d", resize("nearest", size=8), [line], "interpolation", 2 * 3 * 8),
    ("upsample_nearest2d", resize("nearest", size=(8, 9)), [plane], "interpolation", 2 * 3 * 72),
    ("upsample_nearest3d", resize("nearest", size=(8, 9, 4)), [box], "interpolation", 2 * 3 * 288),
    ("_upsample_nearest_exact1d", resize("nearest-exact", size=8), [line], "interpolation", 2 * 3 * 8),
    ("_upsample_nearest_exact2d", resize("nearest-exact", size=(8, 9)), [plane], "interpolation", 2 * 3 * 72),
    ("_upsample_nearest_exact3d", resize("nearest-exact", size=(8, 9, 4)), [box], "interpolation", 2 * 3 * 288),
    ("upsample_linear1d", resize("linear", size=8), [line], "interpolation", 2 * 3 * 8 * 2),
    ("upsample_bilinear2d", resize("bilinear", size=(8, 9)), [plane], "interpolation", 2 * 3 * 72 * 4),
    ("upsample_trilinear3d", resize("trilinear", size=(8, 9, 4)), [box], "interpolation", 2 * 3 * 288 * 8),
    ("upsample_bicubic2d", resize("bicubic", size=(8, 9)), [plane], "interpolation", 2 * 3 * 72 * 16),
    # the kernel widens by 2 along rows, which go from 4 to 2, and not along columns, which go from 6 to 9
    (
        "_upsample_bilinear2d_aa",
        resize("bilinear", size=(2, 9), antialias=True),
        [plane],
        "interpolation",
        2 * 3 * 18 * (2 * 2) * 2,
    ),
    (
        "_upsample_bicubic2d_aa",
        resize("bicubic", size=(2, 9), antialias=True),
        [plane],
        "interpolation",
        2 * 3 * 18 * (4 * 2) * 4,
    ),
    ("grid_sampler", grid(2, 5, 7, 2), [plane], "interpolation", 2 * 3 * 35 * 4),
    ("grid_sampler", grid(2, 5, 7, 1, 3), [box], "interpolation", 2 * 3 * 35 * 8),
    ("max_pool1d", lambda x: F.max_pool1d(x, 2), [line], "pooling", 2 * 3 * 2 * 2),
    ("max_pool2d", lambda x: F.max_pool2d(x, 3, 1), [plane], "pooling", 2 * 3 * (2 * 4) * 9),
    ("max_pool3d", lambda x: F.max_pool3d(x, (1, 3, 2)), [box], "pooling", 2 * 3 * (4 * 2) * 6),
    (
        "max_pool2d_with_indices",
        lambda x: F.max_pool2d(x, 3, 1, return_indices=True)[0],
        [plane],
        "pooling",
        2 * 3 * (2 * 4) * 9,
    ),
    (
        "max_pool3d_with_indices",
        lambda x: F.max_pool3d(x, (1, 3, 2), return_indices=True)[0],
        [box],
        "pooling",
        2 * 3 * (4 * 2) * 6,
    ),
    (
        "max_pool1d_with_indices",
        lambda x: F.max_pool1d(x, 2, return_indices=True)[0],
        [line],
        "pooling",
        2 * 3 * 2 * 2,
    ),
    ("avg_pool1d", lambda x: F.avg_pool1d(x, 2), [line], "pooling", 2 * 3 * 2 * 2),
    ("avg_pool2d", lambda x: F.avg_pool2d(x, 3, 1), [plane], "pooling", 2 * 3 * (2 * 4) * 9),
    ("avg_pool3d", lambda x: F.avg_pool3d(x, (1, 3, 2)), [box], "pooling", 2 * 3 * (4 * 2) * 6),
    ("max_pool2d", lambda x: F.max_pool2d(x, x.shape[-2:]), [plane], "pooling", 2 * 3 * 24),  # the size is computed
    ("adaptive_max_pool1d", lambda x: F.adaptive_max_pool1d(x, 2), [line], "pooling", 2 * 3 * 4),
    ("adaptive_max_pool2d", lambda x: F.adaptive_max_pool2d(x, 2), [plane], "pooling", 2 * 3 * 24),
    ("adaptive_max_pool3d", lambda x: F.adaptive_max_pool3d(x, 2), [box], "pooling", 2 * 3 * 48),
]
ACTIVATIONS = {
    **{name: getattr(F, name) for name in ("relu", "relu6", "hardtanh", "leaky_relu", "elu", "celu", "selu", "gelu")},
    **{name: getattr(F, name) for name in ("silu", "mish", "softplus", "hardsigmoid", "hardswish")},
    "prelu": lambda x: F.prelu(x, weight(1)),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softmax": lambda x: x.softmax(-1),
    "log_softmax": lambda x: x.log_softmax(-1),
    "log_sigmoid": F.logsigmoid,
}
ELEMENTWISE = {
    **{name: getattr(torch, name) for name in ("sqrt", "rsqrt", "exp", "log", "neg", "abs", "square")},
    "add": lambda x: x + 1,
    "sub": lambda x: x - 1,
    "rsub": lambda x: 1 - x,
    "mul": lambda x: x * 2,
    "div": lambda x: x / 2,
    "pow": lambda x: x**2,
    "clamp": lambda x: x.clamp(0, 1),
    "where": lambda x: torch.where(x > 0, x, x),
    "cumsum": lambda x: x.cumsum(0),
    "addcmul": lambda x: torch.addcmul(x, x, x),
    "lerp": lambda x: torch.lerp(x, x, 0.5),
    **{name: functools.partial(getattr(torch, name), dim=1) for name in ("sum", "mean", "var", "std", "amax", "amin")},
    "max": torch.max,
    "min": torch.min,
    "logsumexp": lambda x: x.logsumexp(1),
    "norm": lambda x: ATEN.norm(x, 2),
}
EACH = [(name, call, [(2, 3, 4)], "activation", 24) for name, call in ACTIVATIONS.items()]
EACH += [(name, call, [(2, 3, 4)], "elementwise", 24) for name, call in ELEMENTWISE.items()]
ALL = [*PRODUCTS, *BESIDE, *EACH]
NO_KERNEL_HERE = {  # a GPU's alone
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
}


@pytest.mark.parametrize(("name", "call", "shapes", "kind", "due"), ALL, ids=[case[0] for case in ALL])
def test_by_hand(name, call, shapes, kind, due):
    work, uncounted, names = traced(call, *shapes)
    assert name in names  # it is what is traced
    assert work[kind] == due
    assert sum(count for other, count in work.items() if other not in EXTRAS) == (0 if kind in EXTRAS else due)
    assert not HEAVY & uncounted.keys()


def test_every_rule_has_a_test_by_hand():
    ruled = {name.removeprefix("aten::") for name, rule in HANDLERS.items() if rule is not None}
    assert {name for name in ruled if not name.endswith("_")} == {case[0] for case in ALL} & ruled | NO_KERNEL_HERE


@pytest.mark.parametrize("name", sorted(NO_KERNEL_HERE))
def test_attention_of_a_gpus_own_kernels_is_the_same_rule(name):
    assert HANDLERS[f"aten::{name}"] is attention
    first = [argument.name for argument in getattr(ATEN, name).default._schema.arguments[:3]]
    assert first == ["query", "key", "value"]


TORCH_TOO = {"_scaled_dot_product_attention_math", "matmul", "mm", "bmm", "baddbmm", "addmm", "linear", "einsum"}
TORCH_TOO |= {"tensordot", "_convolution", "_convolution_mode"}
COUNTED_TOO = [case for case in PRODUCTS if case[0] in TORCH_TOO and min(map(len, case[2])) > 1]  # it skips vectors


@pytest.mark.parametrize(("name", "call", "shapes", "kind", "due"), COUNTED_TOO, ids=[case[0] for case in COUNTED_TOO])
def test_torch_counts_products_alike(name, call, shapes, kind, due):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call(*(torch.rand(shape) for shape in shapes))
    assert counter.get_total_flops() / 2 == due


@pytest.mark.parametrize(
    ("equation", "sides", "due"),
    [
        ("ij,jk->ik", [(2, 3), (3, 5)], 30),
        ("ij,jk", [(2, 3), (3, 5)], 30),  # the result's letters are those that occur once
        ("ij,jk->k", [(2, 3), (3, 5)], 15),  # i is summed first
        ("ij,ij->", [(2, 3), (2, 3)], 6),
        ("i,j->ij", [(2,), (3,)], 6),
        ("bhid,bhjd->bhij", [(2, 4, 5, 8), (2, 4, 7, 8)], 2 * 4 * 5 * 7 * 8),
        ("...ij,jk->...ik", [(7, 2, 3), (3, 5)], 7 * 30),
        ("...ij,...jk", [(7, 2, 3), (1, 3, 5)], 7 * 30),  # a side of 1 is broadcast
        ("ab,bc,cd->ad", [(2, 3), (3, 5), (5, 7)], 2 * 3 * 5 + 2 * 5 * 7),
        ("ab,bc,cd,de->ae", [(2, 3), (3, 5), (5, 7), (7, 11)], 2 * 3 * 5 + 2 * 5 * 7 + 2 * 7 * 11),
        ("ii->i", [(4, 4)], 0),  # nothing is multiplied
    ],
)
def test_sums_by_letters(equation, sides, due):
    assert einsum_macs(equation, sides) == due


def test_sums_by_letters_in_a_given_order():
    sides = [(2, 3), (3, 5), (5, 7)]
    assert einsum_macs("ab,bc,cd->ad", sides, [1, 2, 0, 1]) == 3 * 5 * 7 + 2 * 3 * 7


@pytest.mark.parametrize("fast", [True, False])
def test_attention_layers_are_counted_where_torch_would_take_one_step(fast):
    """A transformer's layer of width 8, 2 heads, 16 hidden, on 5 tokens of 2 clips; torch's setting is left alone."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    was = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(fast)
    try:
        by_module, uncounted = _trace(layer, torch.rand(2, 5, 8))
        assert torch.backends.mha.get_fastpath_enabled() is fast
    finally:
        torch.backends.mha.set_fastpath_enabled(was)
    work = {kind: count for kind, count in by_module[""].items() if kind not in (*EXTRAS, "layer_norm")}
    tokens = 2 * 5
    assert sum(work.values()) == tokens * (3 * 8 * 8 + 8 * 8 + 2 * 8 * 16) + tokens * 5 * (8 + 8)
    assert not HEAVY & uncounted.keys()
