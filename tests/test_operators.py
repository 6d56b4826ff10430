"""Work of each operator against a count by hand: multiply-adds, and the lighter work reported apart."""

import functools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from benchmark_core.cost import macs
from benchmark_core.cost.macs import count_work
from benchmark_core.cost.operators import EXTRAS, HEAVY, RULES, attention, rule_of

ATEN = torch.ops.aten
weight = torch.ones  # an operand that is no input of the network


class Calls(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def counted(function, *shapes):
    """Work by kind, uncounted operators, and the names of the operators that a rule counted."""
    names = []

    def noted(name):
        found = rule_of(name)
        names.extend([name] * (found is not None))
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(macs, "rule_of", noted)
        counter = count_work(Calls(function), *(torch.rand(shape) for shape in shapes))
    return {kind: count for kind, count in counter.work.items() if count}, counter.uncounted, names


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
        "matmul",  # counted by its parts
        lambda q: ATEN._scaled_dot_product_attention_math(q, q, q)[0],
        [heads],
        "matmul",
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
    ("mm", torch.inner, [(4, 5), (3, 5)], "matmul", 4 * 3 * 5),
    ("mm", lambda a, b: torch.tensordot(a, b, 2), [(2, 3, 4), (3, 4, 5)], "matmul", 2 * 5 * 3 * 4),
    ("mm", lambda a, b: torch.tensordot(a, b, ([0], [1])), [(2, 3), (5, 2)], "matmul", 3 * 5 * 2),
    ("addmv", torch.addmv, [(4,), (4, 5), (5,)], "matmul", 4 * 5),
    ("bmm", torch.bmm, [(3, 4, 5), (3, 5, 6)], "bmm", 3 * 4 * 5 * 6),
    ("baddbmm", torch.baddbmm, [(3, 4, 6), (3, 4, 5), (3, 5, 6)], "bmm", 3 * 4 * 5 * 6),
    ("baddbmm", torch.baddbmm, [(1, 1, 6), (3, 4, 5), (3, 5, 6)], "bmm", 3 * 4 * 5 * 6),
    ("addbmm", torch.addbmm, [(4, 6), (3, 4, 5), (3, 5, 6)], "bmm", 3 * 4 * 5 * 6),
    ("addmm", torch.addmm, [(4, 6), (4, 5), (5, 6)], "addmm", 4 * 5 * 6),
    ("linear", lambda x: F.linear(x, weight(7, 5)), [(2, 3, 5)], "linear", 2 * 3 * 5 * 7),
    ("bmm", lambda a, b: torch.einsum("bik,bkj->bij", a, b), [(3, 4, 5), (3, 5, 6)], "bmm", 3 * 4 * 5 * 6),
    ("bmm", lambda a, b: torch.einsum("...c, dc -> ...d", a, b), [(2, 3, 5), (7, 5)], "bmm", 2 * 3 * 5 * 7),
    ("convolution", lambda x: F.conv1d(x, weight(4, 3, 5)), [(2, 3, 9)], "conv", 2 * 4 * 5 * 3 * 5),
    ("convolution", lambda x: F.conv2d(x, weight(4, 3, 3, 3)), [(2, 3, 6, 8)], "conv", 2 * 4 * (4 * 6) * 3 * 9),
    ("convolution", lambda x: F.conv2d(x, weight(6, 1, 3, 3), groups=3), [(2, 3, 6, 8)], "conv", 2 * 6 * 24 * 9),
    (
        "convolution",
        lambda x: F.conv_transpose2d(x, weight(3, 4, 6, 6), stride=2, padding=2),
        [(2, 3, 6, 8)],
        "conv",
        2 * (6 * 8) * 3 * 4 * 36,
    ),
    (
        "convolution",
        lambda x: F.conv2d(x, weight(4, 3, 3, 3), padding="same"),
        [(2, 3, 6, 8)],
        "conv",
        2 * 4 * 48 * 27,
    ),
    (
        "convolution",
        lambda x: F.conv3d(x, weight(6, 1, 3, 3, 3), padding="valid", groups=3),
        [(2, 3, 4, 6, 8)],
        "conv",
        2 * 6 * (2 * 4 * 6) * 27,
    ),
    ("adaptive_avg_pool1d", lambda x: F.adaptive_avg_pool1d(x, 2), [(2, 3, 9)], "adaptive_avg_pool", 54),
    ("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, (2, 1)), [(2, 3, 4, 5)], "adaptive_avg_pool", 120),
    ("adaptive_avg_pool3d", lambda x: F.adaptive_avg_pool3d(x, 1), [(2, 3, 4, 5, 6)], "adaptive_avg_pool", 720),
]


NORMS = [  # fvcore's estimates
    ("batch_norm", lambda x: F.batch_norm(x, weight(3), weight(3)), [(2, 3, 4)], "batch_norm", 1 * 24),
    (
        "batch_norm",
        lambda x: F.batch_norm(x, weight(3), weight(3), weight(3), weight(3)),
        [(2, 3, 4)],
        "batch_norm",
        48,
    ),
    ("batch_norm", lambda x: F.batch_norm(x, weight(3), weight(3), training=True), [(2, 3, 4)], "batch_norm", 4 * 24),
    ("layer_norm", lambda x: F.layer_norm(x, (4,)), [(2, 3, 4)], "layer_norm", 4 * 24),
    ("layer_norm", lambda x: F.layer_norm(x, (4,), weight(4), weight(4)), [(2, 3, 4)], "layer_norm", 5 * 24),
    ("group_norm", lambda x: F.group_norm(x, 3, weight(6), weight(6)), [(2, 6, 4)], "group_norm", 5 * 48),
    ("instance_norm", lambda x: F.instance_norm(x), [(2, 3, 4)], "instance_norm", 4 * 24),
]


def resize(mode, **more):
    return functools.partial(F.interpolate, mode=mode, **more)


def grid(*shape):
    return lambda x: F.grid_sample(x, weight(shape) * 0.5, align_corners=False)


line, plane, box = (2, 3, 4), (2, 3, 4, 6), (2, 3, 4, 6, 2)
APART = [
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
    "linalg_vector_norm": torch.linalg.vector_norm,
}
EACH = [(name, call, [(2, 3, 4)], "activation", 24) for name, call in ACTIVATIONS.items()]
EACH += [(name, call, [(2, 3, 4)], "elementwise", 24) for name, call in ELEMENTWISE.items()]
ALL = [*PRODUCTS, *NORMS, *APART, *EACH]


@pytest.mark.parametrize(("name", "call", "shapes", "kind", "expected"), ALL, ids=[case[0] for case in ALL])
def test_by_hand(name, call, shapes, kind, expected):
    work, uncounted, names = counted(call, *shapes)
    assert name in {found.removesuffix("_") for found in names}
    assert work[kind] == expected
    assert sum(count for other, count in work.items() if other not in EXTRAS) == (0 if kind in EXTRAS else expected)
    assert not HEAVY & uncounted.keys()


def test_every_rule_has_a_test_by_hand():
    assert RULES.keys() <= {case[0] for case in ALL}


GPU_ATTENTION = ("flash", "efficient", "cudnn")


@pytest.mark.parametrize("kernel", GPU_ATTENTION)
def test_attention_kernels_of_a_gpu_count_the_same(kernel):
    """They do not run on a CPU: only PyTorch's formula is called."""
    query, key, value = (torch.empty(shape, device="meta") for shape in (heads, (2, 4, 7, 8), (2, 4, 7, 3)))
    kind, rule = rule_of(f"_scaled_dot_product_{kernel}_attention")
    assert kind == "attention" and rule((query, key, value), None) == attention((query, key, value), None)


def test_a_backward_pass_is_counted():
    """Gradients of the weight and of the input cost as much as the convolution; under autograd a norm is uncounted."""
    image, kernel = torch.rand(2, 3, 6, 8, requires_grad=True), torch.rand(4, 3, 3, 3, requires_grad=True)
    with macs.WorkCounter() as counter:
        F.layer_norm(F.conv2d(image, kernel), (6,)).sum().backward()
    assert counter.products == 3 * 2 * 4 * 24 * 27 and "layer_norm" not in counter.work


def test_lstm_and_gru_are_counted_or_named_as_heavy():
    gru = count_work(nn.GRU(4, 5), torch.rand(3, 2, 4))
    assert gru.products == 3 * 2 * 15 * (4 + 5) and not HEAVY & gru.uncounted.keys()
    lstm = count_work(nn.LSTM(4, 5), torch.rand(3, 2, 4))
    assert lstm.products == 3 * 2 * 20 * (4 + 5) or HEAVY & lstm.uncounted.keys()


@pytest.mark.parametrize(
    ("equation", "sides", "expected"),
    [
        ("ij,jk->ik", [(2, 3), (3, 5)], 30),
        ("ij,jk", [(2, 3), (3, 5)], 30),  # the result's letters are those that occur once
        ("ij,jk->k", [(2, 3), (3, 5)], 15),  # i is summed first
        ("ij,ij->", [(2, 3), (2, 3)], 6),
        ("bhid,bhjd->bhij", [(2, 4, 5, 8), (2, 4, 7, 8)], 2 * 4 * 5 * 7 * 8),
        ("...ij,jk->...ik", [(7, 2, 3), (3, 5)], 7 * 30),
        ("...ij,...jk", [(7, 2, 3), (1, 3, 5)], 7 * 30),  # a side of 1 is broadcast
        ("ab,bc,cd->ad", [(2, 3), (3, 5), (5, 7)], 2 * 3 * 5 + 2 * 5 * 7),
        ("ii->i", [(4, 4)], 0),  # nothing is multiplied
    ],
)
def test_einsum(equation, sides, expected):
    counter = count_work(Calls(functools.partial(torch.einsum, equation)), *(torch.rand(side) for side in sides))
    assert counter.products == expected


@pytest.mark.parametrize("fast", [True, False])
def test_attention_layers_are_counted_where_torch_would_take_one_step(fast):
    """A transformer's layer of width 8, 2 heads, 16 hidden, on 5 tokens of 2 clips; torch's setting is left alone."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    was = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(fast)
    try:
        counter = count_work(layer, torch.rand(2, 5, 8))
        assert torch.backends.mha.get_fastpath_enabled() is fast
    finally:
        torch.backends.mha.set_fastpath_enabled(was)
    work = {kind: count for kind, count in counter.work.items() if kind not in (*EXTRAS, "layer_norm")}
    tokens = 2 * 5
    assert sum(work.values()) == tokens * (3 * 8 * 8 + 8 * 8 + 2 * 8 * 16) + tokens * 5 * (8 + 8)
    assert not HEAVY & counter.uncounted.keys()
