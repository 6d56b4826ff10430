"""The training loop of STAT and CSTAT: the student learns from labels and from the teacher's attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from benchmark_core.errors import RunFailed
from benchmark_core.specs import Value
from elrbench_plugins.attention_transfer import rolling
from elrbench_plugins.attention_transfer.confidence import spread, straight_through_threshold, video_score
from elrbench_plugins.attention_transfer.gate import gated_logits
from elrbench_plugins.attention_transfer.losses import Distance, spatial_distances, temporal_distances, total
from elrbench_plugins.attention_transfer.unlike import image_like
from elrbench_plugins.frozen_norms import freeze_norms, unfreeze_norms

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Recognizer, Trace
    from benchmark_core.training.training import Training

ALIVE = (0.05, 0.95)  # range of the mean of a useful trained confidence map


def train_with_attention(
    training: Training,
    teacher: Recognizer,
    student: Recognizer,
    *,
    distance: Distance,
    measure: nn.Module | None = None,
    unlabelled: str = "",
) -> None:
    """Train `student` in place by eq. 4. The teacher is frozen, in evaluation mode.

    measure: maps images (high, low) to a confidence map; trained with the student if it has parameters.
    unlabelled: "" trains on the labelled clips. The other values train on the unlabelled set. "attention" drops L_CE
        (STAT, section 3.3.1). "attention+soft" replaces L_CE by the teacher's soft label (CSTAT, section III.D.1).
    RunFailed if nothing was transferred in the first epoch; see `refuse_empty`.
    """
    options = training.options
    epochs = epochs_of(options, unlabelled)
    teacher.eval().requires_grad_(False)
    trained: list[nn.Module] = [student]
    if measure is not None and any(True for _ in measure.parameters()):
        trained.append(training.to_device(measure))
    frozen = freeze_norms(student.backbone, str(options["freeze_bn"]))
    external = [float(options[key]) for key in ("w_ce", "w_sat", "w_tat")]
    views = training.views("train", low=True, high=True, unlabelled=bool(unlabelled))
    recipe = training.recipe(trained, views, epochs)
    recipe.clip = float(options["joint_clip_norm"]) or recipe.clip
    for batch in training.epochs(views, epochs, state=[*trained, recipe]):
        refuse_empty(training.history, options)
        with training.autocast():
            with torch.no_grad():
                teacher_trace = teacher.trace(batch.high, batch.mask, batch.box)
            student_trace = student.trace(batch.low, batch.mask, batch.box)
        mask = batch.mask if teacher_trace.mask is None else teacher_trace.mask  # (B, K) of the teacher
        gaps = compare(student_trace, teacher_trace, mask, measure, options, distance=distance)
        internal = [inner_weights(options, len(terms), batch.epoch, epochs) for terms in (gaps.spatial, gaps.temporal)]
        classification = classification_terms(
            training, student_trace.logits, teacher_trace.logits, batch.target, unlabelled
        )
        sat = gaps.spatial @ gaps.spatial.new_tensor(internal[0])  # eq. 2, weighted by block
        tat = gaps.temporal @ gaps.temporal.new_tensor(internal[1])  # eq. 3, weighted by layer
        loss = total(next(iter(classification.values()), sat.new_zeros(())), sat, tat, external)
        gated: dict[str, Tensor] = {}
        if gaps.kept is not None and options["confidence_loss"] != "transfer":
            with training.autocast():
                logits = gated_logits(student, student_trace.stages[-1], gaps.kept, batch.mask)
            terms = classification_terms(training, logits, teacher_trace.logits, batch.target, unlabelled)
            gated = {f"{name}_gated": term for name, term in terms.items()}
        recipe.step(loss + external[0] * sum(gated.values()) if gated else loss)
        training.log(
            loss=loss, **classification, sat=sat, tat=tat, **gated, **gaps.statistics,
            **{f"sat_{i}": term for i, term in enumerate(gaps.spatial, 1)},
            **{f"tat_{i}": term for i, term in enumerate(gaps.temporal, 1)},
            **{f"w_sat_{i}": weight for i, weight in enumerate(internal[0], 1)},
            **{f"w_tat_{i}": weight for i, weight in enumerate(internal[1], 1)},
        )  # fmt: skip
    unfreeze_norms(frozen)
    refuse_empty(training.history, options)
    if len(trained) > 1 and (text := out_of_range([row["confidence"] for row in training.history])):
        training.note(text)


def epochs_of(options: Mapping[str, Value], unlabelled: str) -> int:
    """Return the number of epochs of the joint phase, or of the phase on unlabelled clips."""
    joint = int(options["joint_epochs"])
    return (int(options["unlabelled_epochs"]) or joint) if unlabelled else joint


def classification_terms(
    training: Training, student: Tensor, teacher: Tensor, target: Tensor, unlabelled: str
) -> dict[str, Tensor]:
    """Return L_CE or what replaces it in eq. 4, under its name in the log; empty if there is none.

    student, teacher: logits (B, C). target: int64 (B,) or float (B, C).
    """
    if not unlabelled:
        return {"ce": training.task_loss(student, target)}
    if unlabelled == "attention+soft":
        return {"soft": training.soft_loss(student, teacher, float(training.options["soft_temperature"]))}
    return {}


@dataclass
class Gaps:
    """Terms of eq. 2 (stages,), terms of eq. 3 (2,), and logged statistics of the confidence map.

    kept: the confidence map after its threshold, (B*K, [T,] H, W) of the teacher's images; None without a map.
    """

    spatial: Tensor
    temporal: Tensor
    statistics: Mapping[str, Tensor]
    kept: Tensor | None = None


def compare(
    student: Trace,
    teacher: Trace,
    mask: Tensor,
    measure: nn.Module | None,
    options: Mapping[str, Value],
    *,
    distance: Distance,
) -> Gaps:
    """Return the distances between the student's and the teacher's attention on one batch, in float32.

    mask: (B, K) of the teacher.
    """
    kept = weight = score = None
    statistics: dict[str, Tensor] = {}
    if measure is not None:
        threshold = float(options["confidence_threshold"])
        low = image_like(student.image, teacher.image, len(mask))
        confidence = measure(teacher.image, low)  # (B*K, [T,] H, W)
        kept = straight_through_threshold(confidence, threshold, bool(options["confidence_binary"]))
        weight = kept.detach() if options["confidence_loss"] == "classification" else kept
        same = float(options["difference_same"]) / 255
        score = video_score(confidence, mask, threshold, str(options["confidence_score"]), same)  # (B,)
        statistics = {
            "confidence": confidence.mean(),
            "confidence_area": (confidence >= threshold).float().mean(),
            "confidence_spread": spread(kept),
            "confidence_video": score.mean(),
        }
    return Gaps(
        spatial_distances(student.stages, teacher.stages, mask, weight, str(options["over_time"]), distance=distance),
        temporal_distances(
            student.head_outputs,
            teacher.head_outputs,
            mask,
            score,
            bool(options["tat_after_softmax"]),
            distance=distance,
        ),
        statistics,
        kept,
    )


def inner_weights(options: Mapping[str, Value], blocks: int, epoch: int, epochs: int) -> list[float]:
    """Return the weights of the terms of eq. 2 or 3 in `epoch`."""
    return rolling.weights(
        str(options["rolling"]),
        blocks,
        epoch=epoch,
        epochs=epochs,
        inner=str(options["inner"]),
        turns=str(options["rolling_turns"]),
    )


def refuse_empty(history: Sequence[Mapping[str, float]], options: Mapping[str, Value]) -> None:
    """RunFailed if nothing was transferred in the first epoch.

    This is so if no pixel of any clip reached the threshold, or if the temporal confidence of every clip was 0.
    """
    if not history:
        return
    if history[0].get("confidence_area") == 0:
        raise RunFailed(
            f"no pixel of any clip reached method.confidence_threshold={options['confidence_threshold']} in the first "
            f"epoch, so no attention would be transferred (mean of the {options['confidence']} confidence map: "
            f"{history[0]['confidence']:.3g}); lower the threshold or change method.confidence_normalise"
        )
    if history[0].get("confidence_video") == 0 and float(options["w_tat"]) > 0:
        raise RunFailed(
            f"method.confidence_score={options['confidence_score']} was 0 for every clip in the first epoch, so no "
            f"temporal attention would be transferred: no pixel of the {options['confidence']} confidence map is "
            "without loss; set method.confidence_score=mean or change method.confidence_normalise"
        )


def out_of_range(means: Sequence[float]) -> str:
    """Return a note if the mean of a trained confidence map left its range; empty otherwise. means: one per epoch."""
    outside = [mean for mean in means if not ALIVE[0] < mean < ALIVE[1]]
    if not outside:
        return ""
    return (
        f"the mean of the trained confidence map was outside ({ALIVE[0]}, {ALIVE[1]}) in {len(outside)} of "
        f"{len(means)} epochs ({means[-1]:.3g} in the last): the map hardly distinguishes areas"
    )
