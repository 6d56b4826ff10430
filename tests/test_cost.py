"""Parameters, multiply-adds, structures; latency if there is a GPU."""

import json
import re

import pytest
import torch
from torch import nn
from torch.nn import functional

from benchmark_core.cost.latency import measure_latency
from benchmark_core.cost.macs import count_macs
from benchmark_core.cost.parameters import count_parameters
from benchmark_core.cost.structure import cost_of, describe_plan, structure_key
from benchmark_core.networks.assemble import build_recognizer
from benchmark_core.networks.heads import HEADS
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.specs import DatasetSpec, DegradationSpec, EnhancerSpec, MethodSpec, Option, Protocol
from benchmark_core.training.recipe_options import RECIPE
from elrbench_plugins.interpolation import elr_enhancers
from elrbench_plugins.resnet import elr_backbones

RESNET18, RESNET34 = elr_backbones()
ENHANCERS = {spec.name: spec for spec in elr_enhancers()}
DESCRIBE = {
    "backbone": "resnet18",
    "enhancer": "bicubic",
    "head": "mean-logits",
    "classes": 5,
    "size": [48, 64],
    "sampling": "2x1",
    "low": [12, 16],
    "options": {},
}


def recognizer(backbone=RESNET18, enhancer="bicubic", classes=5, size=(48, 64), sampling=(2, 1)):
    spec = ENHANCERS[enhancer] if isinstance(enhancer, str) else enhancer
    return build_recognizer(backbone_spec=backbone, enhancer_spec=spec, classes=classes, size=size, sampling=sampling)


def view(intervals=2, frames=1, size=(12, 16)):
    return torch.rand(1, intervals, 3, frames, *size)


@pytest.mark.parametrize("enhancer", [None, "bicubic"])
def test_resnet34_costs_what_cstat_prints(enhancer):
    """21.34 M parameters and 6.51 G a view: convolutions 6493.55 M, norms 13.11 M, classifier and pooling 0.10 M."""
    model = recognizer(RESNET34, enhancer, classes=101, size=(256, 340), sampling=(1, 1))
    low = view(1, size=(256, 340) if enhancer is None else (12, 16))
    assert count_parameters(model) == {"total": 21_336_485, "backbone": 21_336_485, "enhancer": 0, "head": 0}
    macs = count_macs(model, low)
    assert macs.view == macs.clip == 6_493_552_640 + 13_107_200 + 101 * 512 + 512 * 8 * 11 == 6_506_756_608
    assert macs.enhancer == 0
    assert macs.extras["interpolation"] == (0 if enhancer is None else 16 * 3 * 256 * 340)
    assert macs.extras["pooling"] == 9 * 64 * 64 * 85  # 3x3 windows after the stem
    assert macs.uncounted == {} and macs.heavy == ()


class OwnClassifier(nn.Module):
    """A head that goes past the backbone's classifier, and past its pooling."""

    pooled = False

    def __init__(self, channels):
        super().__init__()
        self.fc = nn.Linear(channels, 5)

    def forward(self, maps, mask):
        return self.fc(maps.mean((1, 3, 4)))


def test_layers_that_the_head_goes_past_are_no_parameters_of_what_is_deployed():
    model = recognizer()
    whole = count_parameters(model, view())
    assert whole == count_parameters(model)
    model.head = OwnClassifier(512)
    deployed = count_parameters(model, view())
    assert deployed["backbone"] == whole["backbone"] - (512 * 5 + 5) and deployed["head"] == 512 * 5 + 5
    assert count_parameters(model)["backbone"] == whole["backbone"]
    assert all(not parameter.is_meta for parameter in model.parameters()) and model.training


class ReadsWeights(nn.Module):
    """Reads weights without calling the layer that holds them, and calls a layer without gradients."""

    num_features = 8

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.still = nn.Linear(8, 8)
        self.past = nn.Linear(8, 8)
        self.fc = nn.Linear(8, 5)

    def forward_features(self, image):
        x = self.stem(image).flatten(2).transpose(1, 2)
        x = self.attention(x, x, x, need_weights=False)[0]
        with torch.no_grad():
            still = self.still(x)
        return [(x + still).transpose(1, 2)[..., None]]

    def pool(self, last):
        return last.mean((2, 3))


def test_weights_count_that_are_read_without_a_call_or_without_gradients():
    model = recognizer()
    model.backbone = ReadsWeights()
    model.head = HEADS["mean-logits"](model.backbone.fc, "single-label")
    counted = count_parameters(model, view(size=(24, 32)))["backbone"]
    every = sum(parameter.numel() for parameter in model.backbone.parameters())
    assert counted == every - (8 * 8 + 8)


def test_a_network_that_needs_content_is_counted_whole():
    model = recognizer()
    model.head = OwnClassifier(512)
    model.head.forward = lambda maps, mask: model.head.fc(maps.mean((1, 3, 4))) * (1 if maps.sum() > 0 else 2)
    assert count_parameters(model, view()) == count_parameters(model)


def test_a_clip_costs_its_intervals():
    one, four = (count_macs(recognizer(sampling=(k, 1)), view(k)) for k in (1, 4))
    assert four.clip == 4 * four.view == 4 * one.view
    assert four.extras["interpolation"] == one.extras["interpolation"]


@pytest.mark.parametrize(("enhancer", "taps"), [("nearest", 1), ("bilinear", 4), ("bicubic", 16)])
def test_interpolation_is_counted_beside(enhancer, taps):
    macs = count_macs(recognizer(enhancer=enhancer), view())
    assert macs.extras["interpolation"] == taps * 3 * 48 * 64
    assert macs.uncounted == {}


def test_counting_leaves_the_model_alone():
    model = recognizer().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    count_macs(model, view())
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Tiny(nn.Module):
    """A backbone small enough to count by hand: one 1x1 convolution to 4 channels."""

    num_features = 4

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.fc = nn.Linear(4, 2)

    def forward_features(self, x):
        return [self.conv(x).relu()]

    def pool(self, last):
        return functional.max_pool2d(last, last.shape[-2:]).flatten(1)


class Attentive(nn.Module):
    """A head: attention over intervals, then a linear layer of its own; `extra` is one more operation."""

    def __init__(self, extra=None):
        super().__init__()
        self.fc = nn.Linear(4, 2)
        self.extra = extra

    def forward(self, features, mask):
        features = functional.scaled_dot_product_attention(features, features, features)
        return self.fc((self.extra(features) if self.extra else features).mean(1))


class Learnt(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1, bias=False)

    def forward(self, low):
        return functional.interpolate(self.conv(low), scale_factor=2, mode="nearest")


def tiny(head=None, enhancer=None):
    parts = {"enhancer": enhancer or nn.Identity(), "backbone": Tiny(), "head": head or Attentive()}
    return Recognizer(**parts, dims=2, mean=[0.5] * 3, std=[0.5] * 3)


def test_by_hand():
    """K = 3 intervals of 6x8 from 3x4."""
    model = tiny(enhancer=Learnt())
    assert count_parameters(model) == {
        "total": 16 + 10 + 81 + 10, "backbone": 16 + 10, "enhancer": 81, "head": 10,
    }  # fmt: skip
    macs = count_macs(model, view(3, size=(3, 4)))
    enhancer, convolution = 9 * 3 * 3 * 12, 3 * 4 * 48
    attention, classifier = 3 * 3 * (4 + 4), 4 * 2
    assert macs.enhancer == enhancer
    assert macs.clip == 3 * (enhancer + convolution) + attention + classifier
    assert macs.view == macs.clip / 3
    assert macs.extras["interpolation"] == 3 * 48
    assert macs.extras["activation"] == 4 * 48
    assert macs.extras["pooling"] == 4 * 48
    assert macs.extras["elementwise"] == 2 * 3 * 48 + 3 * 4 / 3  # minus mean, by std; the mean over intervals
    assert macs.uncounted == {}


def test_light_unknown_operators_are_kept():
    macs = count_macs(tiny(Attentive(torch.special.erfcx)), view(2, size=(6, 8)))
    assert macs.uncounted == {"aten::special_erfcx": 1}
    assert macs.heavy == ()


def test_heavy_unknown_operators_are_not_passed_over():
    macs = count_macs(tiny(Attentive(lambda x: torch.cdist(x, x) @ x)), view(2, size=(6, 8)))
    assert macs.uncounted == {"aten::_cdist_forward": 1}
    assert macs.heavy == ("aten::_cdist_forward",)


def test_shared_parameters_are_counted_once():
    model = tiny()
    model.head.fc = model.backbone.fc
    assert count_parameters(model) == {"total": 26, "backbone": 26, "enhancer": 0, "head": 0}


def test_structure_key_is_readable_and_a_file_name():
    key = structure_key(DESCRIBE)
    assert re.fullmatch(r"resnet18-bicubic-mean-logits-48x64-2x1-from-12x16-5-[0-9a-f]{8}", key)
    assert structure_key(json.loads(json.dumps(DESCRIBE))) == key
    assert structure_key({**DESCRIBE, "low": None}).startswith("resnet18-bicubic-mean-logits-48x64-2x1-from-native-5-")


@pytest.mark.parametrize(
    "change",
    [{"classes": 6}, {"size": [64, 48]}, {"low": None}, {"sampling": "1x1"}, {"options": {"enhancer.blocks": 4}}],
    ids=lambda change: next(iter(change)),
)
def test_structures_that_differ_have_keys_that_differ(change):
    assert structure_key({**DESCRIBE, **change}) != structure_key(DESCRIBE)


def test_long_names_keep_their_digest():
    first, second = (structure_key({**DESCRIBE, "backbone": "b" * 200, "classes": n}) for n in (5, 6))
    assert first != second and len(first) < 150 and "/" not in first


def test_cost_record_on_a_cpu():
    record = cost_of(recognizer(), DESCRIBE, (12, 16), torch.device("cpu"))
    assert json.loads(json.dumps(record)) == record
    assert record["structure"] == structure_key(DESCRIBE) and record["describe"] == DESCRIBE
    assert record["latency"] is None and record["peak_memory"] is None
    assert record["macs"]["clip"] == 2 * record["macs"]["view"] > 0
    assert record["params"]["total"] == record["params"]["backbone"]
    assert sum(record["kinds"].values()) == record["macs"]["view"] and record["kinds"]["linear"] == 512 * 5
    assert record["understated"] == [] and record["uncounted"] == {}
    assert record["device"].startswith("cpu: ")
    assert {"torch", "fvcore", "python"} <= record["versions"].keys()


def describe(head=None, *, oracle=False, low=(12, 16), **changed):
    """Of a plan as a user would have it; `head` is the method's `recognizer`."""
    options = {**RECIPE, "tokens": Option(default=4, help="")}
    protocols = {"p": Protocol(summary="", folds=("1",))}
    components = Components(
        dataset=DatasetSpec(name="d", summary="", classes=tuple("abcde"), index="m:f", protocols=protocols),
        degradation=DegradationSpec(name="average-12x16", summary="", low=low),
        enhancer=ENHANCERS["bicubic"],
        backbone=RESNET18,
        method=MethodSpec(
            name="m",
            summary="",
            fit="m:f",
            options=options,
            recognizer=head,
            recognizer_options=("tokens",),
            oracle=oracle,
        ),
    )
    fields = {
        "method": "m:x", "dataset": "d", "protocol": "p", "fold": "1", "degradation": "average-12x16",
        "high_source": "", "enhancer": "bicubic", "backbone": "resnet18", "weights": "scratch", "modality": "rgb",
        "size": (48, 64), "sampling": "2x1", "precision": "fp32", "budget": "small", "seed": 0,
        "settings": {"method.lr": 0.3, "method.tokens": 4},
    }  # fmt: skip
    return describe_plan(Plan(**{**fields, **changed}), components)


def test_describe_a_plan():
    assert describe() == DESCRIBE


def test_what_does_not_shape_the_network_shares_its_cost():
    same = {"seed": 5, "weights": "imagenet", "budget": "paper", "sampling": "2x1s3", "settings": {"method.tokens": 9}}
    assert describe(**same) == DESCRIBE


def test_a_methods_own_head_is_described_by_its_options():
    assert describe("m:head") == {**DESCRIBE, "head": "m"}
    settings = {"method.lr": 0.1, "method.weight": 3, "method.tokens": 9, "backbone.width": 2}
    assert describe("m:head", settings=settings)["options"] == {"backbone.width": 2, "method.tokens": 9}


def test_a_privileged_network_has_no_enhancer():
    assert describe(oracle=True) == {**DESCRIBE, "enhancer": "none", "low": [48, 64]}


def test_clips_taken_as_recorded_have_no_low_size():
    assert describe(low=None) == {**DESCRIBE, "low": None}


def test_no_gpu_no_latency():
    assert measure_latency(recognizer(), view(), torch.device("cpu")) is None


def test_a_learnt_enhancer_is_counted():
    wide = EnhancerSpec(name="learnt", summary="", factory=lambda low, size, options: Learnt())
    macs = count_macs(recognizer(enhancer=wide), view(size=(24, 32)))
    assert macs.enhancer == 9 * 3 * 3 * 24 * 32
