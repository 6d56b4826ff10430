"""The stage that learns TenneT's filters from the training clips, without labels."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch

from elrbench import ElrError
from elrbench_plugins.plrn_tennet.hashing import grey_of
from elrbench_plugins.plrn_tennet.patches import FilterBank, Moments, patches, principal
from elrbench_plugins.svm_head.precision import full_precision

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark_core.networks.recognizer import Recognizer
    from elrbench import Training

REVISION = 1  # of `learn`: raise it when its result changes


def filters(training: Training, network: Recognizer, bank: FilterBank) -> FilterBank:
    """Learn the filters of `bank` in place and return it. network: its enhancer makes the views."""
    training.stage("filters", functools.partial(learn, training, network), bank, needs=("low",), revision=REVISION)
    return bank


def learn(training: Training, network: Recognizer, bank: FilterBank) -> None:
    """Set both stages of `bank`, one after the other, from all patches of all training clips."""
    views = training.views("train", whole=True)
    for stage in ("first", "second"):
        moments = Moments().to(training.device)
        for batch in training.epochs(views, 1, state=[bank, moments], batch=1):
            assert batch.low is not None
            with torch.no_grad(), full_precision(training.device):
                image, _ = network.enhance_and_crop(batch.low)  # (K, 3, T, H, W) in [0, 1]
                for grey in grey_of(image.float()):
                    moments.add(patches(_maps(bank, grey.unsqueeze(0), stage)))
        if training.device.type != "meta":  # else a count of MACs
            _set(training, bank, stage, moments)


def _maps(bank: FilterBank, grey: Tensor, stage: str) -> Tensor:
    """Return what a stage's filters see of grey clips (N, T, H, W): maps of the same size."""
    return grey if stage == "first" else bank.respond(grey, "first").flatten(0, 1)


def _set(training: Training, bank: FilterBank, stage: str, moments: Moments) -> None:
    own: Tensor = getattr(bank, stage)
    if float(moments.products.diagonal().sum()) <= 0:
        raise ElrError(
            f"method '{training.plan.method}' learns filters from differences between pixels, but the training clips "
            "have none; check the videos with `elrbench contact-sheet`"
        )
    found, above = principal(moments.products, len(own))
    if above < len(own):
        training.note(f"{above} of {len(own)} filters of the {stage} stage explain variance of the training clips")
    own.copy_(found)
