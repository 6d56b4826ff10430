"""Multiply-adds against fvcore, against the figures that papers and code print, and against all published records.

fvcore counts on a graph from `torch.jit.trace`, with rules of its own: it shares no code with the counter under test.
"""

import functools
import math
import warnings
from collections import Counter
from pathlib import Path

import pytest
import torch

from benchmark_core.catalog import Catalog
from benchmark_core.clips.sampling import Sampling
from benchmark_core.cost.every import EnhancerAlone, Subject, subjects
from benchmark_core.cost.macs import Macs, count_macs
from benchmark_core.cost.operators import PRODUCTS
from benchmark_core.cost.parameters import count_parameters
from benchmark_core.cost.structure import structure_key
from benchmark_core.networks.assemble import build_recognizer, recognizer_of
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.records.cost_record import CostRecord, read_cost
from benchmark_core.records.files import cost_files
from benchmark_core.specs import Published, defaults

BOARD = Path(__file__).parents[1] / "leaderboards"
BACKBONES = (
    "c3d", "efficientnet-lite0", "efficientnet-lite0-tsm", "efficientnet-lite1", "efficientnet-lite2", "i3d",
    "native-vit", "native3d-l", "native3d-m", "native3d-s", "native3d-xs", "r2plus1d-18", "r2plus1d-18-tv",
    "r2plus1d-34", "resnet18", "resnet18-tsm", "resnet34", "resnet3d-18", "resnet3d-34", "resnet3d-50",
    "wide-resnet3d-50",
)  # fmt: skip
# Counted by their own tests: networks with flow or other inputs, descriptors, and a template.
DESCRIPTORS = (
    "bag-of-words", "elr-two-stream", "hf", "hof", "lr-two-stream", "pca-hash", "pixel-series", "plrn-net", "pot",
)  # fmt: skip
DENOISERS = ("denoise-bicubic", "denoise-bilinear")  # no parameter and no product; see tests/test_temporal_denoise.py
FLOW_HEADS = ("fully-coupled",)  # optical flow is computed in the recognizer
ENHANCERS = (
    "bdq", "bicubic", "bilinear", "cubic", "d-dbpn", "dbpn", "dbpn-s", "duf", "duf-s", "dvsr", "nearest", "none",
    "prog-dvsr", "prog-dvsr-att", "rrdb", "rrdb-s",
)  # fmt: skip


def attention(inputs: list[torch.Value], outputs: list[torch.Value]) -> Counter[str]:
    """L·S·(E + Ev) for each head of softmax(Q K^T) V, for which fvcore has no rule."""
    (*heads, queries, width), (*_, keys, out) = (inputs[number].type().sizes() for number in (0, 2))
    return Counter(attention=math.prod(heads) * queries * keys * (width + out))


def fvcore_counts(recognizer: Recognizer, low: torch.Tensor) -> tuple[float, float]:
    """Multiply-adds of one clip: convolutions and matrix products; batch normalisation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit
        from fvcore.nn import FlopCountAnalysis

        analysis = FlopCountAnalysis(recognizer.eval(), low)
        analysis.set_op_handle("aten::scaled_dot_product_attention", attention)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        with torch.no_grad():
            counted: Counter[str] = analysis.by_operator()
    return sum(counted[kind] for kind in PRODUCTS), counted["batch_norm"]


def products(counted: Macs, intervals: int) -> float:
    """Multiply-adds of one clip: convolutions and matrix products."""
    return intervals * sum(counted.kinds.get(kind, 0) for kind in PRODUCTS)


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
    assert set(catalog.backbones) == {*BACKBONES, *DESCRIPTORS}
    assert set(catalog.enhancers) == {*ENHANCERS, *DENOISERS}


SMALL = {name: Published(size=(64, 80), sampling="2x1") for name in BACKBONES}
SMALL |= {
    name: Published(size=(32, 40), sampling="2x4")
    for name in BACKBONES
    if "3d" in name or "plus" in name or "vit" in name
}  # clips
SMALL |= {name: Published(size=(32, 40), sampling="2x4") for name in BACKBONES if name.endswith("-tsm")}
SMALL |= {name: Published(low=(2, 4), size=(16, 32)) for name in ENHANCERS}
SMALL |= {name: Published(low=(2, 4), size=(8, 16)) for name in ("duf", "duf-s", "rrdb", "rrdb-s")}


@pytest.mark.parametrize("name", [*BACKBONES, *ENHANCERS])
def test_fvcore_counts_the_same(name: str, catalog: Catalog):
    """On small views, because fvcore runs the network."""
    spec = subjects(catalog, [name])[0].spec
    recognizer, low = of_zeros(Subject(spec, SMALL[name]))
    counted = count_macs(recognizer, low)
    found = (products(counted, low.shape[1]), low.shape[1] * counted.kinds.get("batch_norm", 0))
    assert found == fvcore_counts(recognizer, low)
    assert counted == count_macs(*of_shapes_alone(Subject(spec, SMALL[name])))
    assert counted.kinds.keys() <= {*PRODUCTS, "batch_norm", "layer_norm", "adaptive_avg_pool"}
    assert counted.uncounted == {}
    assert (found[0] > 0) is (bool(list(recognizer.parameters())) or name == "cubic")  # by matrices of constants


@pytest.mark.parametrize(("name", "times"), [("dbpn-s", 2), ("dbpn", 4), ("d-dbpn", 2), ("d-dbpn", 4), ("dvsr", 4)])
def test_fvcore_counts_the_same_at_other_scales(name: str, times: int, catalog: Catalog):
    built = of_zeros(Subject(catalog.enhancers[name], Published(low=(2, 3), size=(2 * times, 3 * times))))
    assert count_macs(*built).kinds["conv"] == fvcore_counts(*built)[0] > 0


@pytest.mark.parametrize("method", ["cstat", "purwanto"])
def test_fvcore_counts_the_same_of_heads(method: str, toy_catalog: Catalog):
    request = PlanRequest(
        method=method, dataset="toy", backbone="resnet3d-18", size="32x32", sampling="2x8", modality="rgb"
    )
    plan = resolve_plan(toy_catalog, request)
    recognizer = recognizer_of(plan, components_of(toy_catalog, plan))
    low = torch.rand(1, 2, 3, 8, 12, 16)
    counted = count_macs(recognizer, low)
    assert products(counted, 2) == pytest.approx(fvcore_counts(recognizer, low)[0], rel=0.01)
    assert counted.heavy == ()


# -- figures that are printed


STAT = (256, 340)


@pytest.mark.parametrize(
    ("name", "at", "parameters", "macs", "with_norms"),
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
        ("rrdb", Published(low=(12, 16), size=(48, 64)), 16.697987e6, None, None),
        ("duf", Published(low=(12, 16), size=(48, 64), options={"layers": 52}), 5.821952e6, None, None),
        ("dvsr", Published(low=(14, 14), size=(112, 112)), 4.1520e6, 31.76e9, 31.76e9),
        ("dvsr", Published(low=(28, 28), size=(112, 112)), 2.7412e6, 51.03e9, 51.03e9),
        ("prog-dvsr-att", Published(low=(14, 14), size=(112, 112)), 4.1696e6, 31.76e9, 31.76e9),
    ],
    ids=str,
)
def test_printed_figures(name, at, parameters, macs, with_norms, catalog: Catalog):
    """Multiply-adds within 1 %, parameters to four digits."""
    spec = subjects(catalog, [name])[0].spec
    recognizer, low = of_shapes_alone(Subject(spec, at))
    if parameters:
        assert count_parameters(recognizer, low)["total"] == pytest.approx(parameters, rel=1e-4)
    if macs:
        counted = count_macs(recognizer, low)
        assert products(counted, low.shape[1]) == pytest.approx(macs, rel=0.01)
        assert counted.clip == pytest.approx(with_norms, rel=0.01)


@pytest.mark.parametrize(
    ("name", "sampling", "classes", "clip"),
    [("resnet34", "8x1", 101, 52.1e9), ("r2plus1d-18", "4x5", 400, 115.9e9)],
)
def test_a_clip_of_cstats_is_so_many_intervals(name, sampling, classes, clip, catalog: Catalog):
    """One network is tested, over 8 frames or 4 intervals of 5."""
    subject = Subject(catalog.backbones[name], Published(size=STAT, sampling=sampling, classes=classes))
    assert count_macs(*of_shapes_alone(subject)).clip == pytest.approx(clip, rel=0.01)


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
    """In each setting that it is published in. If one changes: elrbench cost --all --publish --refresh."""
    for subject in subjects(catalog, [name]):
        assert structure_key(subject.describe()) in published(), f"no cost of {subject}: elrbench cost --all --publish"


def of_description(described: dict, low: list[int], catalog: Catalog) -> tuple[Recognizer, torch.Tensor]:
    """The network of a cost record and a clip, on meta."""
    options: dict[str, dict] = {"backbone": {}, "enhancer": {}, "method": {}}
    for key, value in described["options"].items():
        options[key.partition(".")[0]][key.partition(".")[2]] = value
    sampling, size = Sampling.parse(described["sampling"]), tuple(described["size"])
    alone = described["backbone"] == "none"
    named = described["enhancer"].partition(":")[0]  # the options hold what a variant sets
    enhancer = catalog.enhancers[named] if alone or named != "none" else None
    if enhancer:
        options["enhancer"] = defaults(enhancer) | options["enhancer"]
    small = tuple(described["low"]) if described["low"] else None
    with torch.device("meta"):
        if alone:
            recognizer = EnhancerAlone(enhancer.build(small, size, options["enhancer"]), enhancer.frames)
        else:
            method = None if described["head"] == "mean-logits" else catalog.methods[described["head"]]
            recognizer = build_recognizer(
                backbone_spec=catalog.backbones[described["backbone"]],
                enhancer_spec=enhancer,
                classes=described["classes"],
                size=size,
                sampling=(sampling.k, sampling.t),
                low=small,
                method_spec=method,
                method_options=(defaults(method) if method else {}) | options["method"],
                backbone_options=options["backbone"],
                enhancer_options=options["enhancer"],
                modality=described.get("modality", "rgb"),
            )
        frames = sampling.widened(recognizer.frames_at_once)
        return recognizer, torch.rand(1, sampling.k, recognizer.channels, frames, *low)


@pytest.mark.parametrize("path", cost_files(BOARD), ids=lambda path: path.stem)
def test_published_figures_stand(path: Path, catalog: Catalog):
    """Counted again: multiply-adds equal to the last one.

    `extras` were counted on a trace in records before the present counter. A trace counts arithmetic on shapes as
    element-wise work, and a pooling window of computed size as one operation for each input element.
    """
    record = read_cost(path)
    if "streams" in record:
        parts = [published()[stream][0] for stream in record["streams"]]
        assert record["macs"] == {key: sum(part["macs"][key] for part in parts) for key in record["macs"]}
        return
    recognizer, low = of_description(record["describe"], record["low_size"], catalog)
    counted = count_macs(recognizer, low)
    assert record["macs"] == {"view": counted.view, "clip": counted.clip, "enhancer": counted.enhancer}
    assert record.get("kinds", counted.kinds) == counted.kinds
    parts = {record["describe"][part] for part in ("backbone", "enhancer", "head") if part in record["describe"]}
    if parts & {*DESCRIPTORS, *DENOISERS, *FLOW_HEADS}:
        return  # they look at values, which a network without content does not have
    assert record["uncounted"] == counted.uncounted == {} and record["understated"] == []
    assert record["params"] == count_parameters(recognizer, low)
    for kind, count in record["extras"].items():
        assert counted.extras[kind] == pytest.approx(count, rel=1e-3 if kind in ("pooling", "elementwise") else 0)
