"""Heads over K intervals, and recognizers built from specs."""

import copy
import math

import pytest
import torch
from torch import nn

from benchmark_core.errors import ElrError
from benchmark_core.networks.assemble import build_recognizer
from benchmark_core.networks.heads import HEADS, MeanProbability
from benchmark_core.networks.protocols import takes_maps
from benchmark_core.specs import BackboneSpec, MethodSpec
from elrbench_plugins.efficientnet_lite.efficientnet_lite import efficientnet_lite0
from elrbench_plugins.interpolation import elr_enhancers
from elrbench_plugins.resnet import elr_backbones

RESNET18 = next(spec for spec in elr_backbones() if spec.name == "resnet18")
BILINEAR = next(spec for spec in elr_enhancers() if spec.name == "bilinear")


def same(features):
    return features


def recognizer(**changed):
    torch.manual_seed(0)
    parts = {"backbone_spec": RESNET18, "enhancer_spec": BILINEAR, "classes": 5, "size": (48, 64), "sampling": (2, 1)}
    return build_recognizer(**{**parts, **changed})


# One clip of three intervals, the last not real; the classifier is the identity.
LOGITS = torch.tensor([[[1.0, 3.0], [2.0, -1.0], [50.0, 60.0]]])
MASK = torch.tensor([[1.0, 1.0, 0.0]])


def test_mean_logits():
    assert torch.equal(HEADS["mean-logits"](nn.Identity())(LOGITS, MASK), torch.tensor([[1.5, 1.0]]))


def test_max():
    assert torch.equal(HEADS["max"](nn.Identity())(LOGITS, MASK), torch.tensor([[2.0, 3.0]]))


def test_mean_probability():
    # softmax of two classes: sigmoid of the difference
    first = (1 / (1 + math.exp(2)) + 1 / (1 + math.exp(-3))) / 2
    logits = HEADS["mean-probability"](nn.Identity())(LOGITS, MASK)
    assert logits.exp().tolist()[0] == pytest.approx([first, 1 - first])
    torch.testing.assert_close(logits.softmax(-1), logits.exp())


def test_mean_probability_of_many_labels():
    expected = [
        (1 / (1 + math.exp(-1)) + 1 / (1 + math.exp(-2))) / 2,
        (1 / (1 + math.exp(-3)) + 1 / (1 + math.exp(1))) / 2,
    ]
    logits = MeanProbability(nn.Identity(), "multi-label")(LOGITS, MASK)
    assert logits.sigmoid().tolist()[0] == pytest.approx(expected)


def test_mean_probability_of_certain_labels_is_finite():
    logits = MeanProbability(nn.Identity(), "multi-label")(torch.tensor([[[200.0, -200.0]]]), torch.ones(1, 1))
    assert logits.tolist() == [[200.0, -200.0]]


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_an_interval_that_is_not_real_has_no_part(name, task):
    head = HEADS[name](nn.Identity(), task)
    logits = torch.randn(2, 3, 4, requires_grad=True)
    mask = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
    out = head(logits, mask)
    torch.testing.assert_close(out[1:], head(logits[1:, :1], torch.ones(1, 1)))
    (out * torch.randn(2, 4)).sum().backward()
    assert torch.isfinite(logits.grad).all()
    assert not logits.grad[1, 1:].any() and logits.grad[1, 0].any()


@pytest.mark.parametrize("name", HEADS)
def test_boolean_masks_do(name):
    head = HEADS[name](nn.Identity())
    assert torch.equal(head(LOGITS, MASK), head(LOGITS, MASK.bool()))


def test_the_classifier_is_saved_once_under_its_published_name():
    model = recognizer()
    assert [name for name in model.state_dict() if "fc" in name] == ["backbone.fc.weight", "backbone.fc.bias"]
    assert not list(model.head.parameters())


def test_a_copy_classifies_with_its_own_classifier():
    model = recognizer()
    twin = copy.deepcopy(model)
    assert twin.head.shared[0] is twin.backbone.fc
    assert twin.head.shared[0] is not model.backbone.fc


def test_moving_and_converting_reaches_the_heads_classifier():
    model = recognizer().double()
    assert model.head.shared[0].weight.dtype == torch.float64
    assert model(torch.rand(1, 2, 3, 1, 12, 16, dtype=torch.float64)).dtype == torch.float64


def test_dropout_before_the_classifier_follows_the_recognizers_mode():
    network = efficientnet_lite0(3, {"dropout": 0.5})
    classify = network.get_classifier()
    features = torch.ones(1, 1280)
    network.train()
    assert not torch.equal(classify(features), classify(features))
    network.eval()
    assert torch.equal(classify(features), network._fc(features))


def test_recognizer_on_low_and_high_views():
    low, high = torch.rand(2, 2, 3, 1, 12, 16), torch.rand(2, 2, 3, 1, 48, 64)
    student, teacher = recognizer().eval(), recognizer(enhancer_spec=None).eval()
    assert student(low).shape == teacher(high).shape == (2, 5)
    torch.testing.assert_close(student(high), teacher(high))  # at network size neither changes a view
    assert teacher(torch.rand(1, 2, 3, 1, 96, 100)).shape == (1, 5)


def test_recognizer_on_clips_of_different_sizes():
    model = recognizer().eval()
    clips = [torch.rand(2, 3, 1, 12, 16), torch.rand(2, 3, 1, 20, 10)]
    expected = torch.cat([model(clip[None]) for clip in clips])
    torch.testing.assert_close(model(clips), expected)


def test_recognizer_trace():
    model = recognizer().eval()
    trace = model.trace(torch.rand(3, 2, 3, 1, 12, 16))
    assert trace.image.shape == (6, 3, 48, 64)
    assert [tuple(stage.shape[1:]) for stage in trace.stages] == [(64, 12, 16), (128, 6, 8), (256, 3, 4), (512, 2, 2)]
    assert trace.features.shape == (3, 2, 512)
    torch.testing.assert_close(trace.logits, model.backbone.fc(trace.features).mean(1))


def test_the_enhancer_does_not_change_the_backbones_random_weights():
    first, second = recognizer(), recognizer(enhancer_spec=None)
    assert all(map(torch.equal, first.backbone.parameters(), second.backbone.parameters()))


def test_head_by_name():
    assert isinstance(recognizer(head="mean-probability", task="multi-label").head, MeanProbability)


class Doubled(nn.Module):
    def __init__(self, parts):
        super().__init__()
        self.fc = nn.Linear(parts.num_features * parts.intervals, parts.classes)
        self.scale = parts.options["scale"]

    def forward(self, features, mask):
        joined = features.flatten(1) * self.scale
        return self.fc(joined), {"joined": joined}


def test_a_method_brings_its_own_head():
    spec = MethodSpec(name="own", summary="", fit=same, recognizer=lambda parts: parts.assemble(Doubled(parts)))
    model = recognizer(method_spec=spec, method_options={"scale": 2.0})
    trace = model.trace(torch.rand(1, 2, 3, 1, 12, 16))
    assert trace.logits.shape == (1, 5)
    torch.testing.assert_close(trace.head_outputs["joined"], 2 * trace.features.flatten(1))


def test_a_method_without_a_head_gets_mean_logits():
    spec = MethodSpec(name="plain", summary="", fit=same)
    assert type(recognizer(method_spec=spec).head) is HEADS["mean-logits"]


def test_weights_by_name():
    def ones(module):
        nn.init.ones_(module.fc.weight)

    spec = BackboneSpec(name="r", summary="", factory=RESNET18.factory, weights={"ones": ones})
    assert bool((recognizer(backbone_spec=spec, weights="ones").backbone.fc.weight == 1).all())
    assert not bool((recognizer(backbone_spec=spec).backbone.fc.weight == 1).any())
    with pytest.raises(ElrError, match="weights of backbone 'r'.*'one'.*'ones'"):
        recognizer(backbone_spec=spec, weights="one")


def test_a_2d_backbone_refuses_several_frames():
    with pytest.raises(ElrError, match="'resnet18'.*4x5.*--sampling 4x1"):
        recognizer(sampling=(4, 5))


def test_a_head_may_take_features_unpooled():
    class Whole(nn.Module):
        pooled = False

        def forward(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            self.seen = tuple(features.shape)
            return features.mean((1, 3, 4))

    head = Whole()
    model = recognizer(enhancer_spec=None, size=(64, 96))
    model.head = head
    assert takes_maps(head) and not takes_maps(nn.Linear(2, 2))  # a plain module declares nothing
    trace = model.trace(torch.rand(2, 2, 3, 1, 64, 96))
    assert head.seen == (2, 2, 512, 2, 3) == tuple(trace.features.shape) and trace.logits.shape == (2, 512)
