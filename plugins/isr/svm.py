"""The SVM on pooled features of n low views of each training clip, the paper's own classifier."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from benchmark_core.training.seeds import seeded
from elrbench_plugins.isr.descriptors import made_views
from elrbench_plugins.isr.select import chosen_transforms
from elrbench_plugins.svm_head.classifiers import train
from elrbench_plugins.svm_head.fit import OPTIONS, fit_recognizer
from elrbench_plugins.svm_head.memory import check_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmark_core.clips.views import Batch
    from elrbench import Recognizer, Training
    from elrbench_plugins.isr.chosen import Chosen
    from elrbench_plugins.lr_transforms.transforms import Draw
    from elrbench_plugins.svm_head.head import SvmHead

REVISION = 1  # of the stage and of the features: raise it when their results change


def fit_svm(training: Training) -> Recognizer:
    """Train the head on the features of n low views per clip. With n = 1, the stage is that of `hof-svm`."""
    if training.options["transforms"] == 1:
        return fit_recognizer(training)
    chosen = chosen_transforms(training)
    network: Recognizer = training.recognizer()
    for unused in network.backbone.get_classifier().parameters():
        torch.nn.init.zeros_(unused)  # its random weights would give equal features another key for each seed
    training.stage(
        "svm",
        functools.partial(fit_head, training, chosen, network),
        network.head,
        needs=("low", "high", *OPTIONS, chosen),
        revision=REVISION,
    )
    return network


def fit_head(training: Training, chosen: Chosen, network: Recognizer, head: SvmHead) -> None:
    """Train `head` in place on all low views at once, in order of the clips' ids, then of the transforms."""
    plan = training.plan
    drawn = chosen.drawn()
    views = training.views("train", low=True, high=True, whole=True)
    check_memory(head, len(views) * len(drawn.scale), training.device, fewer="a lower method.transforms")
    derived = training.derive(
        "features",
        functools.partial(features, training.degrade, drawn, network),
        of=views,
        fixed=[chosen, network.enhancer, network.backbone],  # the set itself, not its stage: seeds may share it
        numbers={
            "backbone": plan.backbone,
            "enhancer": plan.enhancer,
            **{key: value for key, value in plan.settings.items() if key.startswith(("backbone.", "enhancer."))},
        },
        shape=(len(drawn.scale), network.backbone.num_features),
        revision=REVISION,
    )
    options = {key: training.options[key] for key in OPTIONS}
    for batch in training.epochs(derived, 1, state=[head], batch=len(derived)):
        if training.device.type == "meta":
            continue  # a count of MACs: there is nothing to learn from
        assert batch.derived is not None
        order = sorted(range(len(batch.ids)), key=batch.ids.__getitem__)
        number = len(drawn.scale)
        vectors = batch.derived[order].transpose(1, 2).flatten(0, 1)  # (B*n, K, F)
        mask, target = (each[order].repeat_interleave(number, 0) for each in (batch.mask, batch.target))
        with torch.no_grad():
            train(head, vectors, mask, target, options)  # type: ignore[arg-type]


def features(degrade: Callable[[Tensor], Tensor], drawn: Draw, network: Recognizer, batch: Batch) -> Tensor:
    """Return the features of one clip's K intervals under n transforms, (K, n, F).

    The noise of the made views depends on the clip's id alone, so that the order of clips does not matter.
    """
    found = []
    with seeded("isr", batch.ids[0]):
        for view in made_views(degrade, drawn, batch):
            image, _ = network.enhance_and_crop(view)
            maps = network.backbone.forward_features(network.backbone_input(image))
            found.append(network.backbone.pool(maps[-1]).float())
    return torch.stack(found, 1)
