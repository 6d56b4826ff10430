"""plrn-tennet: train the network on labels and on a low-rank version of each clip, from TenneT's filters on."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional as F

from benchmark_core.training.recipe_options import RECIPE
from benchmark_core.training.seeds import seeded
from elrbench_plugins.plrn_tennet.hashing import grey_of
from elrbench_plugins.plrn_tennet.learn_filters import filters
from elrbench_plugins.plrn_tennet.low_rank import low_rank
from elrbench_plugins.plrn_tennet.options import FILTERS, SIDE, TARGET
from elrbench_plugins.plrn_tennet.patches import FilterBank

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark_core.networks.recognizer import Recognizer, Trace
    from elrbench import Training

REVISION = 1  # of `learn`: raise it when its result changes


def fit(training: Training) -> Recognizer:
    """Train and return the network. The layer that estimates the low-rank clip is dropped."""
    student: Recognizer = training.recognizer(role="student", head="mean-logits")
    bank = None
    if training.options["start"] == "tennet":
        bank = filters(training, student, FilterBank(FILTERS, FILTERS).to(training.device))
    training.stage(
        "student",
        functools.partial(learn, training, bank),
        student,
        needs=("low", *RECIPE, "start", *TARGET, *([] if bank is None else [bank])),
        revision=REVISION,
    )
    return student


def learn(training: Training, bank: FilterBank | None, student: Recognizer) -> None:
    """Train `student` in place on classification + target_weight · squared error of the low-rank clip."""
    options = training.options
    epochs, weight = int(options["epochs"]), float(options["target_weight"])
    kind, rank = str(options["low_rank"]), int(options["rank"])
    if bank is not None:
        student.backbone.start_from(bank)
    with seeded(training.plan.seed, "estimate"):
        estimate = nn.Conv3d(FILTERS, 1, SIDE, padding=SIDE // 2)
    estimate = estimate.to(training.device)
    views = training.views("train")
    recipe = training.recipe([student, estimate] if weight > 0 else student, views, epochs)
    for batch in training.epochs(views, epochs, state=[student, estimate, recipe]):
        with training.autocast():
            trace = student.trace(batch.low, batch.mask, batch.box)
        task = loss = training.task_loss(trace.logits, batch.target)
        if weight > 0:
            error = target_error(trace, estimate, kind, rank)
            loss = task + weight * error
            training.log(low_rank=error)
        recipe.step(loss)
        training.log(loss=loss, task=task)


def target_error(trace: Trace, estimate: nn.Module, kind: str, rank: int) -> Tensor:
    """Return the mean squared error of the estimated low-rank clips, over all pixels of real intervals: a scalar."""
    assert trace.mask is not None
    grey = grey_of(trace.image.float())  # (B*K, T, H, W) in [0, 1]
    guessed = estimate(trace.stages[-1].float()).squeeze(1)
    each = F.mse_loss(guessed, low_rank(grey, kind, rank), reduction="none").mean((1, 2, 3))  # (B*K,)
    real = (trace.mask.flatten() > 0).to(each.dtype)
    return (each * real).sum() / real.sum().clamp_min(1)
