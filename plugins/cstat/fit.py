"""CSTAT, section IV.B: each network alone, then the student once more with the teacher's attention before its eyes."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from benchmark_core.specs import Value
from benchmark_core.training.recipe_options import RECIPE
from elrbench_plugins.cstat import rolling
from elrbench_plugins.cstat.confidence import Confidence, involved, spread, video_score
from elrbench_plugins.cstat.losses import spatial_distances, temporal_distances, total
from elrbench_plugins.supervised.fit import REVISION as CLASSIFIER_REVISION
from elrbench_plugins.supervised.fit import fit_classifier, student_stage

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Recognizer, Trace
    from benchmark_core.training.training import Training

REVISION = 1  # of `transfer`: raised when what it trains changes
TAM = ("tam_width", "tam_activation", "tam_start")


def fit(training: Training) -> Recognizer:
    """T-Net on high views with its temporal attention module, S-Net on low ones without; then the joint phase."""
    teacher: Recognizer = training.stage(
        "teacher-tam",
        functools.partial(fit_classifier, training, high=True, epochs=int(training.options["epochs"])),
        training.teacher(role="teacher"),
        needs=("high", *RECIPE, *TAM),
        revision=CLASSIFIER_REVISION,
    )
    alone = student_stage(training)
    student = training.recognizer(role="student")  # with a temporal attention module
    student.enhancer.load_state_dict(alone.enhancer.state_dict())
    student.backbone.load_state_dict(alone.backbone.state_dict())
    joint: Recognizer = training.stage(
        "joint",
        functools.partial(transfer, training, teacher),
        student,
        needs=("low", "high", *sorted(training.options), teacher, alone),
        revision=REVISION,
    )
    return joint


def transfer(training: Training, teacher: Recognizer, student: Recognizer) -> None:
    """The joint phase, eq. 4, in place on `student`; the T-Net stands still, with its running statistics."""
    options, epochs = training.options, int(training.options["joint_epochs"])
    teacher.eval().requires_grad_(False)
    extractor = confidence_of(options)
    trained = [student] if extractor is None else [student, training.place(extractor)]
    external = [float(options[key]) for key in ("w_ce", "w_sat", "w_tat")]
    views = training.views("train", low=True, high=True)
    recipe = training.recipe(trained, views, epochs)
    for batch in training.epochs(views, epochs, state=[*trained, recipe]):
        with training.autocast():
            with torch.no_grad():
                shown = teacher.trace(batch.high, batch.mask, batch.box)
            seen = student.trace(batch.low, batch.mask, batch.box)
        gaps = compare(seen, shown, batch.mask, extractor, options)
        internal = [inner_weights(options, len(terms), batch.epoch, epochs) for terms in (gaps.spatial, gaps.temporal)]
        ce = training.task_loss(seen.logits, batch.target)
        sat = gaps.spatial @ gaps.spatial.new_tensor(internal[0])  # eq. 2, weighted by block
        tat = gaps.temporal @ gaps.temporal.new_tensor(internal[1])  # eq. 3, weighted by layer
        loss = total(ce, sat, tat, external)
        recipe.step(loss)
        training.log(
            loss=loss, ce=ce, sat=sat, tat=tat, **gaps.statistics,
            **{f"sat_{i}": term for i, term in enumerate(gaps.spatial, 1)},
            **{f"tat_{i}": term for i, term in enumerate(gaps.temporal, 1)},
            **{f"w_sat_{i}": weight for i, weight in enumerate(internal[0], 1)},
            **{f"w_tat_{i}": weight for i, weight in enumerate(internal[1], 1)},
        )  # fmt: skip


@dataclass
class Gaps:
    """spatial: (stages,), the terms of eq. 2. temporal: (2,), the terms of eq. 3. statistics: of the confidence map."""

    spatial: Tensor
    temporal: Tensor
    statistics: Mapping[str, Tensor]


def compare(
    student: Trace, teacher: Trace, mask: Tensor, extractor: Confidence | None, options: Mapping[str, Value]
) -> Gaps:
    """How far the student's attention is from the teacher's on one batch, in float32."""
    kept = score = None
    statistics: dict[str, Tensor] = {}
    if extractor is not None:
        threshold = float(options["confidence_threshold"])
        confidence = extractor(teacher.image, student.image)  # (B*K, [T,] H, W)
        kept = involved(confidence, threshold)
        score = video_score(confidence, mask, threshold)  # (B,)
        statistics = {
            "confidence": confidence.mean(),
            "confidence_area": (confidence >= threshold).float().mean(),
            "confidence_spread": spread(kept),
            "confidence_video": score.mean(),
        }
    return Gaps(
        spatial_distances(student.stages, teacher.stages, mask, kept, str(options["over_time"])),
        temporal_distances(student.taps, teacher.taps, mask, score, bool(options["tat_after_softmax"])),
        statistics,
    )


def confidence_of(options: Mapping[str, Value]) -> Confidence | None:
    """The module that measures confidence, or None where every area counts alike."""
    if options["confidence"] == "none":
        return None
    return Confidence(int(options["confidence_width"]), str(options["confidence_normalise"]))


def inner_weights(options: Mapping[str, Value], blocks: int, epoch: int, epochs: int) -> list[float]:
    """The internal weights of eq. 2 or 3 in `epoch`."""
    return rolling.weights(str(options["rolling"]), blocks, epoch=epoch, epochs=epochs, inner=str(options["inner"]))
