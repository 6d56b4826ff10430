"""The stage that trains the head on the features of a fixed network, which are computed once and stored."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from elrbench_plugins.svm_head.classifiers import train
from elrbench_plugins.svm_head.memory import check_memory

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Recognizer
    from elrbench import Batch, Training
    from elrbench_plugins.svm_head.head import SvmHead

REVISION = 1  # of the stage and of the features: raise it when their results change
OPTIONS = ("head", "c", "gamma", "scaling", "pyramid", "vectors")


def fit_recognizer(
    training: Training,
    *,
    high: bool = False,
    network: Recognizer | None = None,
    trained: torch.nn.Module | None = None,
) -> Recognizer:
    """Return the recognizer with a trained head. Enhancer and backbone keep their weights.

    high: on high views. network: a recognizer on low views whose backbone an earlier stage has trained.
    trained: the part of its backbone that the stage trained; None: all of it.
    """
    earlier = [] if network is None else [network.backbone if trained is None else trained]
    if network is None:
        network = training.teacher() if high else training.recognizer()
    for unused in network.backbone.get_classifier().parameters():
        torch.nn.init.zeros_(unused)  # its random weights would give equal features another key for each seed
    training.stage(
        "svm",
        functools.partial(fit_head, training, network, "high" if high else "low"),
        network.head,
        needs=("high" if high else "low", *OPTIONS, *earlier),
        revision=REVISION,
    )
    return network


def fit_head(training: Training, network: Recognizer, view: str, head: SvmHead) -> None:
    """Train `head` in place on all training clips at once, sorted by id. The result does not depend on the seed."""
    plan = training.plan
    shaping = ("backbone.", "enhancer.")
    views = training.views("train", low=view == "low", high=view == "high", whole=True)
    check_memory(head, len(views), training.device, fewer="fewer training clips")
    derived = training.derive(
        "features",
        functools.partial(features, network, view),
        of=views,
        fixed=[network.enhancer, network.backbone],
        numbers={
            "backbone": plan.backbone,
            "enhancer": plan.enhancer if view == "low" else "",
            "modality": plan.modality,
            **{key: value for key, value in plan.settings.items() if key.startswith(shaping)},
        },
        shape=(network.backbone.num_features,),
        revision=REVISION,
    )
    options = {key: training.options[key] for key in OPTIONS}
    for batch in training.epochs(derived, 1, state=[head], batch=len(derived)):
        if training.device.type == "meta":
            continue  # a count of MACs: there is nothing to learn from
        assert batch.derived is not None
        order = sorted(range(len(batch.ids)), key=batch.ids.__getitem__)
        with torch.no_grad():
            train(head, batch.derived[order], batch.mask[order], batch.target[order], options)  # type: ignore[arg-type]


def features(network: Recognizer, view: str, batch: Batch) -> Tensor:
    """Return the pooled features of one clip's intervals, (K, F)."""
    seen = batch.low if view == "low" else batch.high
    assert seen is not None
    image, _ = network.enhance_and_crop(seen)
    maps = network.backbone.forward_features(network.backbone_input(image))
    pooled: Tensor = network.backbone.pool(maps[-1])
    return pooled.float()
