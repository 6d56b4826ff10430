"""Store the series of all training clips in the head."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from elrbench_plugins.dai.memory import check_memory

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark_core.networks.recognizer import Recognizer
    from elrbench import Batch, Training
    from elrbench_plugins.dai.head import NearestHead

REVISION = 1  # of the stage and of the series: raise it when their results change


def fit(training: Training) -> Recognizer:
    """Return the recognizer with the training clips. The result does not depend on the seed or on distances."""
    network = training.recognizer()
    for unused in network.backbone.get_classifier().parameters():
        torch.nn.init.zeros_(unused)  # its random weights would give equal series another key for each seed
    training.stage(
        "references", functools.partial(keep, training, network), network.head, needs=("low",), revision=REVISION
    )
    return network


def keep(training: Training, network: Recognizer, head: NearestHead) -> None:
    """Store series and labels of the training clips, sorted by id."""
    plan = training.plan
    frames, pixels = head.references.shape[1:]
    intervals = frames // network.frames
    of = training.views("train", whole=True)
    check_memory(len(of), frames, pixels, training.device)
    derived = training.derive(
        "series",
        functools.partial(series, network),
        of=of,
        fixed=[network.enhancer, network.backbone],
        numbers={
            "backbone": plan.backbone,
            "enhancer": plan.enhancer,
            **{key: value for key, value in plan.settings.items() if key.startswith(("backbone.", "enhancer."))},
        },
        shape=(1, frames // intervals, *plan.size),
        revision=REVISION,
    )
    for batch in training.epochs(derived, 1, state=[head], batch=len(derived)):
        if training.device.type == "meta":
            continue  # a count of MACs: there is nothing to learn from
        assert batch.derived is not None
        order = sorted(range(len(batch.ids)), key=batch.ids.__getitem__)
        target = batch.target[order]
        labels = F.one_hot(target, training.classes) if target.ndim == 1 else target > 0
        head.register_buffer("references", head.series(batch.derived[order]))
        head.register_buffer("labels", labels.to(head.references.dtype))


def series(network: Recognizer, batch: Batch) -> Tensor:
    """Return the series of one clip's intervals, (K, 1, T, h, w)."""
    assert batch.low is not None
    image, _ = network.enhance_and_crop(batch.low)
    found: Tensor = network.backbone.forward_features(network.backbone_input(image))[-1]
    return found
