"""Backbones and enhancers measured alone: where they are measured, what they are called, and what they cost."""

import dataclasses
import re
from pathlib import Path

import pytest
import torch

from benchmark_core.catalog import Catalog, Owner, load_catalog
from benchmark_core.cost.every import (
    ENLARGED,
    MOVING,
    STILL,
    EnhancerAlone,
    Subject,
    measure,
    settings,
    subjects,
)
from benchmark_core.cost.macs import count_macs
from benchmark_core.cost.parameters import count_parameters
from benchmark_core.cost.structure import structure_key
from benchmark_core.errors import ElrError
from benchmark_core.networks.assemble import build_recognizer
from benchmark_core.specs import BackboneSpec, EnhancerSpec
from benchmark_core.specs.published import Published

CPU = torch.device("cpu")
OWNER = Owner("p", "elrbench-p", "1.0")
LEARNT = Path(__file__).with_name("learnt.py")


def test_every_backbone_and_enhancer_of_the_project_says_where_it_is_published(catalog: Catalog):
    backbones = [spec for spec in catalog.backbones.values() if spec.at is None]  # a template has no network
    every_one = [*backbones, *catalog.enhancers.values()]
    assert all(spec.published for spec in every_one)
    found = subjects(catalog)
    assert [subject.spec.name for subject in found] == [spec.name for spec in every_one for _ in spec.published]
    assert {str(subject) for subject in found} >= {
        "resnet34 1x1 of 256x340 (101 classes)",
        "resnet34 1x1 of 224x224 (1000 classes)",
        "c3d 1x16 of 112x112 (487 classes)",
        "dvsr 14x14 to 112x112",
        "dvsr 28x28 to 112x112",
        "d-dbpn 12x16 to 24x32",
        "d-dbpn 12x16 to 96x128 units=10",
        "bicubic 12x16 to 256x340",
    }
    keys = [structure_key(subject.describe()) for subject in found]
    assert len(set(keys)) == len(keys)


def test_what_says_nothing_is_measured_where_it_is_usual():
    still = BackboneSpec(name="a", summary="", factory="m:f")
    moving = dataclasses.replace(still, dims=3)
    assert settings(still) == STILL and [at.size for at in STILL] == [(256, 340), (224, 224)]
    assert settings(moving) == MOVING and settings(EnhancerSpec(name="e", summary="", factory="m:f")) == ENLARGED
    own = Published(size=(64, 64))
    assert settings(dataclasses.replace(still, published=(own,))) == (own,)
    described = Subject(dataclasses.replace(moving, sampling="windows-16"), MOVING[0]).describe()
    assert described["sampling"] == "1x16" and described["classes"] == 101


def test_only_some(catalog: Catalog):
    found = subjects(catalog, ["bicubic", "resnet18"])
    assert [subject.spec.name for subject in found] == ["resnet18", "resnet18", "bicubic", "bicubic"]
    with pytest.raises(ElrError, match="unknown backbone or enhancer 'resnet81'. Did you mean 'resnet18'"):
        subjects(catalog, ["resnet81"])


def test_a_backbone_has_the_structure_that_it_has_by_hand(catalog: Catalog):
    """So that `elrbench cost --backbone …` and `--all` fill one record."""
    assert Subject(catalog.backbones["resnet34"], Published(size=(256, 340), sampling="1x1")).describe() == {
        "backbone": "resnet34", "enhancer": "none", "head": "mean-logits", "classes": 101, "size": [256, 340],
        "sampling": "1x1", "low": [256, 340], "options": {},
    }  # fmt: skip


def test_an_enhancer_alone_has_no_backbone_no_head_and_no_classes(catalog: Catalog):
    described = Subject(catalog.enhancers["dvsr"], Published(low=(14, 14), size=(112, 112))).describe()
    assert described == {
        "backbone": "none", "enhancer": "dvsr", "head": "none", "classes": 0, "size": [112, 112],
        "sampling": "1x16", "low": [14, 14], "options": {},
    }  # fmt: skip
    assert re.fullmatch(r"none-dvsr-none-112x112-1x16-from-14x14-0-[0-9a-f]{8}", structure_key(described))


def test_options_of_a_setting_are_built_and_described(catalog: Catalog):
    deep = Published(low=(2, 3), size=(4, 6), options={"units": 3})
    subject = Subject(catalog.enhancers["d-dbpn"], deep)
    assert subject.describe()["options"] == {"enhancer.units": 3}
    plain = Subject(catalog.enhancers["d-dbpn"], dataclasses.replace(deep, options={}))
    fewer, seven = (count_parameters(each.build())["total"] for each in (subject, plain))
    assert fewer < seven == 5_953_526
    for wrong, says in (({"unit": 3}, "unknown option of enhancer 'd-dbpn': 'unit'"), ({"units": 99}, "is above 10")):
        with pytest.raises(ElrError, match=says):
            Subject(catalog.enhancers["d-dbpn"], dataclasses.replace(deep, options=wrong)).describe()


def test_an_enhancer_alone_enlarges_a_view(catalog: Catalog):
    learnt = load_catalog([str(LEARNT)], entry_points=False).enhancers
    still, four = learnt["framewise"], learnt["four-at-once"]
    with torch.no_grad():
        image = EnhancerAlone(still.build((3, 4), (6, 8)), 1)
        assert image(torch.rand(5, 1, 3, 1, 3, 4)).shape == (5, 3, 1, 6, 8)
        video = EnhancerAlone(four.build((3, 4), (6, 8)), 4)
        assert video(torch.rand(2, 1, 3, 4, 3, 4)).shape == (2, 3, 4, 6, 8)


@pytest.mark.parametrize("name", ["framewise", "four-at-once"])
def test_alone_it_costs_what_it_costs_in_a_recognizer(name: str, catalog: Catalog):
    """By hand: 3x3 filters from three colours to three, over 24x32; of four frames, 3x3x3 over each."""
    spec = load_catalog([str(LEARNT)], entry_points=False).enhancers[name]
    at = Published(low=(12, 16), size=(24, 32))
    record = measure(Subject(spec, at), OWNER, CPU)
    due = 81 * 24 * 32 if name == "framewise" else 4 * 243 * 24 * 32
    assert record["macs"] == {"view": due, "clip": due, "enhancer": due}
    assert record["params"]["total"] == record["params"]["enhancer"] > 0
    assert record["params"]["backbone"] == record["params"]["head"] == 0
    whole = build_recognizer(
        backbone_spec=catalog.backbones["resnet3d-18"],
        enhancer_spec=spec,
        classes=3,
        low=(12, 16),
        size=(24, 32),
        sampling=(1, spec.frames),
    )
    assert count_macs(whole, torch.rand(1, 1, 3, spec.frames, 12, 16)).enhancer == due


def test_an_interpolation_alone_is_no_multiply_adds(catalog: Catalog):
    record = measure(Subject(catalog.enhancers["bicubic"], Published(low=(3, 4), size=(6, 8))), OWNER, CPU)
    assert record["macs"]["view"] == 0 and record["params"]["total"] == 0
    assert record["extras"]["interpolation"] == 16 * 3 * 6 * 8
    assert record["latency"] is None and record["peak_memory"] is None
    whose = {"name": "bicubic", "plugin": "p", "distribution": "elrbench-p", "version": "1.0"}
    assert record["plugins"] == {"enhancer": whose}
