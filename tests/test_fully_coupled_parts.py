"""fully-coupled: GRU, fusions, flow, shared filters and parameter counts, each against a case worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from benchmark_core.catalog import Catalog
from benchmark_core.cost.parameters import count_parameters
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from elrbench_plugins.fully_coupled import network as network_module
from elrbench_plugins.fully_coupled.network import Gru, GruHead, Streams
from elrbench_plugins.fully_coupled.options import FUSIONS
from elrbench_plugins.fully_coupled.sharing import own_norms, passes, twin, updates
from elrbench_plugins.native3d.native3d import native3d_xs

C3D = {  # layer -> inputs, outputs and numbers of a filter's window (Tran et al., ICCV 2015, figure 3)
    "conv1": (3, 64, 27), "conv2": (64, 128, 27), "conv3a": (128, 256, 27), "conv3b": (256, 256, 27),
    "conv4a": (256, 512, 27), "conv4b": (512, 512, 27), "conv5a": (512, 512, 27), "conv5b": (512, 512, 27),
    "fc6": (512 * 4 * 4, 4096, 1), "fc7": (4096, 4096, 1),
}  # fmt: skip


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


# -- GRU


def test_a_step_by_hand() -> None:
    """One number in and out. Rows of PyTorch's weights: reset r, update z, new n."""
    gru = Gru(1, 1)
    with torch.no_grad():
        for name, values in (("weight_ih", (0.5, -1.0, 2.0)), ("weight_hh", (1.0, 0.5, -2.0))):
            getattr(gru.forwards, name).copy_(torch.tensor(values).reshape(3, 1))
        for name, values in (("bias_ih", (0.1, 0.2, 0.3)), ("bias_hh", (-0.1, 0.4, 0.6))):
            getattr(gru.forwards, name).copy_(torch.tensor(values))
    state = 0.0
    for x in (1.0, -0.5):
        r = logistic(0.5 * x + 0.1 + state - 0.1)
        z = logistic(-x + 0.2 + 0.5 * state + 0.4)
        n = math.tanh(2 * x + 0.3 + r * (-2 * state + 0.6))
        state = (1 - z) * n + z * state
    units = torch.tensor([1.0, -0.5]).reshape(1, 2, 1)
    assert gru(units, torch.ones(1, 2)).item() == pytest.approx(state, abs=1e-6)


@pytest.mark.parametrize("both_ways", [False, True])
def test_it_is_torchs_gru(both_ways: bool) -> None:
    torch.manual_seed(0)
    ours, theirs = Gru(5, 4, both_ways=both_ways), nn.GRU(5, 4, batch_first=True, bidirectional=both_ways)
    assert ours.outputs == (8 if both_ways else 4)
    with torch.no_grad():
        for suffix, cell in (("", ours.forwards), ("_reverse", ours.backwards)):
            for name, value in () if cell is None else cell.named_parameters():
                getattr(theirs, f"{name.replace('_ih', '_ih_l0').replace('_hh', '_hh_l0')}{suffix}").copy_(value)
    units = torch.randn(3, 6, 5)
    states, _ = theirs(units)  # (3, 6, 4 or 8)
    last = torch.cat([states[:, -1, :4], states[:, 0, 4:]], 1)
    mask = torch.ones(3, 6)
    assert torch.allclose(ours(units, mask), last, atol=1e-6)
    ours.mean = True
    assert torch.allclose(ours(units, mask), states.mean(1), atol=1e-6)


@pytest.mark.parametrize("readout", ["last", "mean"])
def test_units_that_are_masked_have_no_effect(readout: str) -> None:
    gru = Gru(3, 2, readout=readout, both_ways=True)
    units, mask = torch.randn(2, 4, 3), torch.tensor([[1.0, 1, 0, 0], [1, 1, 1, 1]])
    found = gru(units, mask)
    assert torch.allclose(found[0], gru(units[:1, :2], torch.ones(1, 2))[0], atol=1e-6)
    assert torch.allclose(found[1], gru(units[1:], torch.ones(1, 4))[0], atol=1e-6)


# -- the head


@pytest.mark.parametrize("fusion", FUSIONS)
def test_fusions(fusion: str) -> None:
    """Streams of F = 3 features, H = 2: a cell has 3 H (F + H + 2) numbers."""
    torch.manual_seed(0)
    head = GruHead(3, 5, fusion=fusion, width=2).eval()
    cell, wide = 6 * (3 + 2 + 2), 6 * (6 + 2 + 2)
    due = {
        "features-sum": cell + 5 * 3,
        "features-concat": wide + 5 * 3,
        "states-sum": 2 * cell + 5 * 3,
        "states-concat": 2 * cell + 5 * 5,
        "scores": 2 * cell + 2 * 5 * 3,
    }
    assert sum(each.numel() for each in head.parameters()) == due[fusion]
    units, mask = torch.randn(4, 3, 6), torch.ones(4, 3)
    one, other, first = units[..., :3], units[..., 3:], head.grus[0]
    last = head.grus[-1]
    fc, fd = head.classifiers[0], head.classifiers[-1]
    expected = {
        "features-sum": lambda: fc(first(one + other, mask)),
        "features-concat": lambda: fc(first(units, mask)),
        "states-sum": lambda: fc(first(one, mask) + last(other, mask)),
        "states-concat": lambda: fc(torch.cat([first(one, mask), last(other, mask)], 1)),
        "scores": lambda: (fc(first(one, mask)) + fd(last(other, mask))) / 2,
    }
    assert torch.allclose(head(units, mask), expected[fusion](), atol=1e-6)


def test_one_stream_has_one_gru_whatever_the_fusion() -> None:
    shapes = {
        tuple(value.shape for value in GruHead(3, 5, streams=1, fusion=fusion, width=2).parameters())
        for fusion in FUSIONS
    }
    assert len(shapes) == 1 and GruHead(3, 5, streams=1, width=2)(torch.randn(2, 4, 3), torch.ones(2, 4)).shape == (
        2,
        5,
    )


# -- streams


class Pass(nn.Module):
    """A backbone whose map is its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.num_features = channels

    def forward_features(self, x: Tensor) -> list[Tensor]:
        return [x]

    def pool(self, last: Tensor) -> Tensor:
        return last.mean((2, 3, 4))


def test_flow_has_the_range_of_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures minus 0.4, over 0.25, have a range of 4: 20 pixels become 2."""
    seen: list[Tensor] = []

    def field(grey: Tensor) -> Tensor:
        seen.append(grey)
        return torch.tensor([10.0, -30.0]).reshape(1, 2, 1, 1).expand(2, 2, 12, 12)

    monkeypatch.setattr(network_module, "flow_of", field)
    streams = Streams(None, Pass(2), mean=torch.full((3,), 0.4), std=torch.full((3,), 0.25), bound=20.0)
    pictures = torch.rand(1, 3, 3, 12, 12)
    flow = streams.flow((pictures - 0.4) / 0.25)
    assert flow.shape == (1, 2, 3, 12, 12)
    assert flow[0, 0].unique().tolist() == [1.0] and flow[0, 1].unique().tolist() == [-2.0]
    luma = (pictures * torch.tensor([0.299, 0.587, 0.114]).reshape(3, 1, 1, 1)).sum(1) * 255
    assert torch.allclose(seen[0], luma[0], atol=1e-3)


def test_the_last_frame_repeats_the_flow_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        network_module, "flow_of", lambda grey: torch.arange(2.0).reshape(2, 1, 1, 1).expand(2, 2, 1, 1)
    )
    streams = Streams(None, Pass(2), mean=torch.zeros(3), std=torch.ones(3), bound=1.0)
    assert streams.flow(torch.rand(1, 3, 3, 1, 1))[0, 0].flatten().tolist() == [0.0, 0.5, 0.5]


def test_a_scene_that_moves_right() -> None:
    """A smooth texture that moves by two pixels a frame."""
    noise = torch.rand(1, 1, 20, 30, generator=torch.Generator().manual_seed(0))
    wide = nn.functional.interpolate(noise, scale_factor=4, mode="bicubic").clamp(0, 1)[0, 0]  # (80, 120)
    frames = torch.stack([wide[8:72, 20 - 2 * t : 100 - 2 * t] for t in range(4)])
    pictures = frames[None, None].expand(1, 3, -1, -1, -1)
    streams = Streams(None, Pass(2), mean=torch.zeros(3), std=torch.full((3,), 0.5), bound=4.0)
    flow = streams.flow(pictures / 0.5)[0, :, :, 16:48, 20:60]
    assert flow[0].mean().item() == pytest.approx(0.5, abs=0.1)  # 2 of 4 pixels, and 4 become 1
    assert abs(flow[1].mean().item()) < 0.05


def test_streams_are_pooled_apart() -> None:
    class Flow(Pass):
        def forward_features(self, x: Tensor) -> list[Tensor]:
            return [torch.cat([x, x[:, :1]], 1)]  # as many channels as the other stream

    streams = Streams(Pass(3), Flow(3), mean=torch.zeros(3), std=torch.ones(3), bound=1.0)
    x = torch.rand(2, 3, 4, 16, 16)
    (last,) = streams.forward_features(x)
    assert last.shape == (2, 6, 4, 16, 16) and streams.num_features == 6
    assert torch.allclose(streams.pool(last)[:, :3], x.mean((2, 3, 4)))


# -- shared filters


def test_all_filters_are_the_same_objects() -> None:
    network = native3d_xs(4)
    other = twin(network, norms="own")
    assert twin(network, norms="shared") is network and other is not network
    norms = {id(value) for part in network.modules() if isinstance(part, nn.BatchNorm3d) for value in part.parameters()}
    pairs = list(zip(network.named_parameters(), other.named_parameters(), strict=True))
    assert len(norms) > 10 and len(pairs) > 30
    for (name, one), (same_name, theirs) in pairs:
        assert name == same_name and (one is theirs) == (id(one) not in norms), name
    own = own_norms(network, other)
    assert {id(value) for value in own.parameters()}.isdisjoint(map(id, network.parameters()))
    assert len(own) == sum(isinstance(part, nn.BatchNorm3d) for part in network.modules())
    assert not list(own_norms(network, network))


def test_high_views_change_filters_and_not_the_statistics_of_low_views() -> None:
    torch.manual_seed(0)
    network = native3d_xs(4, {"dropout": 0.0, "drop_path": 0.0})
    other = twin(network, norms="own")
    x = torch.randn(2, 3, 8, 12, 16)
    assert torch.equal(network.eval()(x), other.eval()(x))  # norms begin alike
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    other.train()(x).square().sum().backward()
    optimiser.step()
    after = network.state_dict()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert "stem.0.0.weight" in changed and "fc.weight" in changed
    assert not {name for name in changed if "running" in name or "num_batches" in name}


@pytest.mark.parametrize(
    ("sharing", "reads", "order"),
    [
        ("epochs", 2, ["high", "low", "high", "low"]),
        ("high-first", 2, ["high", "high", "low", "low"]),
        ("batches", 1, ["high low", "high low"]),
        ("together", 1, ["high+low", "high+low"]),
    ],
)
def test_the_order_of_two_epochs(sharing: str, reads: int, order: list[str]) -> None:
    assert passes(sharing, coupled=True) == reads
    found = [updates(sharing, number, 2, coupled=True) for number in range(2 * reads)]
    assert [" ".join("+".join(parts) for parts in one) for one in found] == order
    assert passes(sharing, coupled=False) == 1 and updates(sharing, 0, 2, coupled=False) == [("low",)]


# -- counts


def built(catalog: Catalog, method: str, **changes: str) -> Recognizer:
    plan = resolve_plan(catalog, PlanRequest(method=method, dataset="hmdb51", **changes))
    with torch.device("meta"):
        return recognizer_of(plan, components_of(catalog, plan))


@pytest.mark.parametrize("method", ["fully-coupled", "fully-coupled:spatial", "fully-coupled:temporal"])
def test_parameters_by_the_layer_table(catalog: Catalog, method: str) -> None:
    stream = sum(outputs * (inputs * window + 1) for inputs, outputs, window in C3D.values())
    assert stream == 77_995_776
    temporal = stream - 64 * 27  # two channels instead of three
    gru = 3 * 512 * (4096 + 512 + 2)
    streams = {"": (stream, temporal), "spatial": (stream,), "temporal": (temporal,)}[method.partition(":")[2]]
    due = sum(streams) + len(streams) * gru + 51 * (512 * len(streams) + 1)
    recognizer = built(catalog, method)
    low = torch.empty(1, 4, 3, 16, 12, 16, device="meta")
    counts = count_parameters(recognizer, low)
    assert counts["total"] == due
    assert counts["head"] == len(streams) * gru + 51 * (512 * len(streams) + 1)


def test_shapes(catalog: Catalog) -> None:
    recognizer = built(catalog, "fully-coupled").eval()
    low = torch.empty(2, 4, 3, 16, 12, 16, device="meta")
    trace = recognizer.trace(low)
    assert trace.image.shape == (8, 3, 16, 112, 112)
    assert trace.stages[-1].shape == (8, 2 * 512, 2, 7, 7)  # both streams' conv5b
    assert trace.features.shape == (2, 4, 2 * 4096) and trace.logits.shape == (2, 51)


def test_gradients_reach_both_streams(catalog: Catalog) -> None:
    torch.manual_seed(0)
    plan = resolve_plan(
        catalog,
        PlanRequest(method="fully-coupled", dataset="puppets", budget="smoke", backbone="native3d-xs", sampling="2x4"),
    )
    recognizer = recognizer_of(plan, components_of(catalog, plan)).train()
    logits = recognizer(torch.rand(3, 2, 3, 4, 12, 16))
    nn.functional.cross_entropy(logits, torch.tensor([0, 5, 11])).backward()
    unused = {id(value) for value in recognizer.backbone.get_classifier().parameters()}
    missing = [
        name
        for name, value in recognizer.named_parameters()
        if id(value) not in unused and (value.grad is None or (value.ndim > 1 and not value.grad.any()))
    ]
    assert not missing
    spatial, temporal = recognizer.backbone.networks
    assert spatial.stem[0][0].in_channels == 3 and temporal.stem[0][0].in_channels == 2
    assert not {id(value) for value in spatial.parameters()} & {id(value) for value in temporal.parameters()}
