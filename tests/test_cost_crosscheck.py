"""Multiply-adds held against torch's own counter, and against the figures that papers and code print."""

import functools
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmark_core.catalog import Catalog
from benchmark_core.clips.sampling import Sampling
from benchmark_core.cost.every import Subject, subjects
from benchmark_core.cost.macs import count_macs
from benchmark_core.cost.parameters import count_parameters
from benchmark_core.cost.structure import structure_key
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.published import Published
from benchmark_core.records.cost_record import CostRecord, read_cost
from benchmark_core.records.files import cost_files

BOARD = Path(__file__).parents[1] / "leaderboards"
PRODUCTS = ("conv", "linear", "addmm", "matmul", "bmm", "einsum", "attention")
BACKBONES = (
    "c3d", "efficientnet-lite0", "i3d", "r2plus1d-18", "r2plus1d-18-tv", "r2plus1d-34", "resnet18", "resnet34",
    "resnet3d-18", "resnet3d-34", "resnet3d-50", "wide-resnet3d-50",
)  # fmt: skip
ENHANCERS = ("bicubic", "bilinear", "d-dbpn", "dbpn", "dbpn-s", "dvsr", "nearest", "prog-dvsr", "prog-dvsr-att")


def torch_counts(recognizer: Recognizer, low: torch.Tensor) -> float:
    """Multiply-adds of convolutions and products of one clip, by torch, which counts each as two."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        recognizer.eval()(low)
    return counter.get_total_flops() / 2


def view(subject: Subject, device: str) -> torch.Tensor:
    """One clip, (1, K, 3, T, h, w)."""
    described = subject.describe()
    sampling = Sampling.parse(described["sampling"])
    return torch.rand(1, sampling.k, 3, sampling.t, *described["low"], device=device)


def of_shapes_alone(subject: Subject) -> tuple[Recognizer, torch.Tensor]:
    """The network and a clip on tensors without content: as large as papers have them, at no cost."""
    with torch.device("meta"):
        return subject.build().eval(), view(subject, "meta")


def of_zeros(subject: Subject) -> tuple[Recognizer, torch.Tensor]:
    """The network, not initialised, and a clip: what is counted does not depend on a weight."""
    recognizer = of_shapes_alone(subject)[0].to_empty(device="cpu")
    for held in (*recognizer.parameters(), *recognizer.buffers()):
        held.data.zero_()
    return recognizer, view(subject, "cpu")


def test_these_are_all(catalog: Catalog):
    assert (tuple(catalog.backbones), tuple(catalog.enhancers)) == (BACKBONES, ENHANCERS)


SMALL = {name: Published(size=(64, 80), sampling="2x1") for name in BACKBONES}
SMALL |= {
    name: Published(size=(32, 40), sampling="2x4") for name in BACKBONES if "3d" in name or "plus" in name
}  # clips
SMALL |= {name: Published(low=(2, 4), size=(16, 32)) for name in ENHANCERS}


@pytest.mark.parametrize("name", [*BACKBONES, *ENHANCERS])
def test_torch_counts_the_same_products(name: str, catalog: Catalog):
    """On small views, which one of the counters needs computed; within 1 % is asked for, and they are equal."""
    spec = subjects(catalog, [name])[0].spec
    subject = Subject(spec, SMALL[name])
    recognizer, low = of_zeros(subject)
    counted = count_macs(recognizer, low)
    products = low.shape[1] * sum(counted.kinds.get(kind, 0) for kind in PRODUCTS)
    assert products == torch_counts(*of_shapes_alone(subject))
    assert counted.kinds.keys() <= {*PRODUCTS, "batch_norm", "adaptive_avg_pool"}
    assert counted.uncounted == {}
    assert (products > 0) is bool(list(recognizer.parameters()))


@pytest.mark.parametrize(("name", "times"), [("dbpn-s", 2), ("dbpn", 4), ("d-dbpn", 2), ("d-dbpn", 4), ("dvsr", 4)])
def test_torch_counts_the_same_products_at_other_scales(name: str, times: int, catalog: Catalog):
    subject = Subject(catalog.enhancers[name], Published(low=(2, 3), size=(2 * times, 3 * times)))
    assert count_macs(*of_zeros(subject)).kinds["conv"] == torch_counts(*of_shapes_alone(subject)) > 0


@pytest.mark.parametrize("method", ["cstat", "purwanto", "purwanto:softmax"])
def test_torch_counts_the_same_products_of_methods_heads(method: str, toy_catalog: Catalog):
    """Within 1 %: on a processor torch passes attention over."""
    request = PlanRequest(
        method=method, dataset="toy", backbone="resnet3d-18", size="32x32", sampling="2x8", modality="rgb"
    )
    plan = resolve_plan(toy_catalog, request)
    recognizer = recognizer_of(plan, components_of(toy_catalog, plan))
    low = torch.rand(1, 2, 3, 8, 12, 16)
    counted = count_macs(recognizer, low)
    assert sum(2 * counted.kinds.get(kind, 0) for kind in PRODUCTS) == pytest.approx(
        torch_counts(recognizer, low), rel=0.01
    )
    assert counted.heavy == ()


# -- figures that are printed


def normalised(recognizer: Recognizer, low: torch.Tensor) -> int:
    """Elements that batch normalisation sees."""
    seen = 0

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal seen
        seen += output.numel()

    norms = (nn.BatchNorm2d, nn.BatchNorm3d)
    hooks = [part.register_forward_hook(count) for part in recognizer.modules() if isinstance(part, norms)]
    with torch.no_grad():
        recognizer(low)
    for hook in hooks:
        hook.remove()
    return seen


STAT = (256, 340)


@pytest.mark.parametrize(
    ("name", "at", "parameters", "products", "with_norms"),
    [
        # CSTAT, section IV.B: 21.34 M and 6.51 G; He et al.: 3.6 G
        ("resnet34", Published(size=STAT, sampling="1x1"), 21.3365e6, 6.4936e9, 6.5067e9),
        ("resnet34", Published(size=(224, 224), sampling="1x1", classes=1000), 21.797672e6, 3.663e9, 3.671e9),
        # CSTAT, section IV.B: 33.43 M and 28.99 G, with activations and pooling in part
        ("r2plus1d-18", Published(size=STAT, sampling="1x5", classes=400), 33.4329e6, 28.866e9, 28.967e9),
        ("r2plus1d-18", Published(size=STAT, sampling="1x5"), 33.2796e6, 28.866e9, 28.967e9),
        ("r2plus1d-18-tv", Published(size=STAT, sampling="1x5"), 31.352e6, 101.06e9, 101.35e9),
        ("r2plus1d-18-tv", Published(size=(112, 112), sampling="1x5"), 31.352e6, 14.49e9, 14.53e9),
        ("r2plus1d-34", Published(size=STAT, sampling="1x5", classes=51), 63.580e6, 53.40e9, 53.5e9),
        ("r2plus1d-34", Published(size=STAT, sampling="1x32", classes=51), 63.580e6, 284.8e9, 285.7e9),
        ("r2plus1d-34", Published(size=STAT, sampling="1x64", classes=51), 63.580e6, 569.7e9, 571.4e9),
        # mmaction2's table: 63.8 M and 53.1 G
        ("r2plus1d-34", Published(size=(256, 256), sampling="1x8", classes=400), 63.7593e6, 53.1e9, 53.14e9),
        ("i3d", Published(size=(224, 224), sampling="1x64", classes=400), 12.6973e6, 111.15e9, 111.33e9),
        ("resnet3d-50", Published(size=(112, 112), sampling="1x16", classes=400), 47.0186e6, 10.07e9, 10.10e9),
        ("wide-resnet3d-50", Published(size=(112, 112), sampling="1x16", classes=400), 158.2483e6, 26.24e9, 26.28e9),
        ("d-dbpn", Published(low=(12, 16), size=(24, 32)), 5.954e6, None, None),
        ("d-dbpn", Published(low=(12, 16), size=(48, 64)), 10.426e6, None, None),
        ("d-dbpn", Published(low=(12, 16), size=(96, 128)), 23.206e6, 5.59e9, 5.59e9),
        ("d-dbpn", Published(low=(12, 16), size=(96, 128), options={"units": 10}), None, 8.92e9, 8.92e9),
        ("dvsr", Published(low=(14, 14), size=(112, 112)), 4.1520e6, 31.76e9, 31.76e9),
        ("dvsr", Published(low=(28, 28), size=(112, 112)), 2.7412e6, 51.03e9, 51.03e9),
        ("prog-dvsr-att", Published(low=(14, 14), size=(112, 112)), 4.1696e6, 31.76e9, 31.76e9),
    ],
    ids=str,
)
def test_table_figures_figures(name, at, parameters, products, with_norms, catalog: Catalog):
    """Multiply-adds within 1 %, parameters to four digits."""
    spec = subjects(catalog, [name])[0].spec
    recognizer, low = of_shapes_alone(Subject(spec, at))
    if parameters:
        assert count_parameters(recognizer, low)["total"] == pytest.approx(parameters, rel=1e-4)
    if products:
        counted = torch_counts(recognizer, low)
        assert counted == pytest.approx(products, rel=0.01)
        assert counted + 2 * normalised(recognizer, low) == pytest.approx(with_norms, rel=0.01)


@pytest.mark.parametrize(
    ("name", "sampling", "classes", "clip"),
    [("resnet34", "8x1", 101, 52.1e9), ("r2plus1d-18", "4x5", 400, 115.9e9)],
)
def test_a_clip_of_cstats_is_so_many_intervals(name, sampling, classes, clip, catalog: Catalog):
    """One network is tested, over 8 frames or 4 intervals of 5."""
    subject = Subject(catalog.backbones[name], Published(size=STAT, sampling=sampling, classes=classes))
    recognizer, low = of_shapes_alone(subject)
    assert torch_counts(recognizer, low) + 2 * normalised(recognizer, low) == pytest.approx(clip, rel=0.01)


# -- what the leaderboards hold


@functools.cache
def published() -> dict[str, list[CostRecord]]:
    """Structure -> its records, one a device."""
    found: dict[str, list[CostRecord]] = {}
    for path in cost_files(BOARD):
        record = read_cost(path)
        found.setdefault(record["structure"], []).append(record)
    return found


@pytest.mark.parametrize("name", [*BACKBONES, *ENHANCERS])
def test_the_leaderboards_hold_what_each_costs(name: str, catalog: Catalog):
    """In each setting that it is published in; products as torch counts them, within 1 %, of the networks as they are.

    Where one changes: elrbench cost --all --publish --refresh.
    """
    for subject in subjects(catalog, [name]):
        records = published().get(structure_key(subject.describe()), [])
        assert records, f"no cost of {subject}: elrbench cost --all --publish"
        recognizer, low = of_shapes_alone(subject)
        products = torch_counts(recognizer, low)
        for record in records:
            assert record["params"] == count_parameters(recognizer, low)
            counted = low.shape[1] * sum(record["kinds"].get(kind, 0) for kind in PRODUCTS)
            assert counted == pytest.approx(products, rel=0.01)
            assert counted <= record["macs"]["clip"] <= 1.1 * counted and record["understated"] == []
