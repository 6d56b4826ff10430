"""Train the student: labels, soft labels, the teacher's map and the flow of the high view, on transformed views."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from benchmark_core.clips.augment import cut
from elrbench_plugins.distillation.teacher import weighted
from elrbench_plugins.distillation.unlike_maps import volume
from elrbench_plugins.elr_distil.augment import transformed
from elrbench_plugins.elr_distil.auxiliary import Auxiliary, auxiliary
from elrbench_plugins.elr_distil.motion_target import flow_loss, target_flow
from elrbench_plugins.elr_distil.options import uses_teachers
from elrbench_plugins.elr_distil.teachers import Teachers, ask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark_core.clips.views import Batch
    from benchmark_core.networks.recognizer import Recognizer, Trace
    from benchmark_core.specs import Value
    from benchmark_core.training.training import Training

REVISION = 3  # of `learn`: raise it when its result changes


def reads_high(training: Training) -> bool:
    """Return whether the student's training reads high views."""
    options = training.options
    makes = float(options["transforms"]) > 0 and training.components.degradation.crop != "none"
    return makes or uses_teachers(options) or float(options["motion_weight"]) > 0


def label_epochs(options: Mapping[str, Value]) -> int:
    """Return the epochs on labels: `joint_epochs` without those of the pretext task."""
    taken = 0 if options["pretext"] == "none" else int(options["pretext_epochs"])
    return int(options["joint_epochs"]) - taken


def learn(training: Training, teachers: Teachers, student: Recognizer) -> None:
    """Train `student` in place. Decoder and projection are dropped at the end."""
    epochs = label_epochs(training.options)
    for network in teachers.networks:
        network.eval().requires_grad_(False)
    views = training.views("train", low=True, high=reads_high(training))
    extra = auxiliary(training, teachers, student)
    trained = [student, extra] if any(True for _ in extra.parameters()) else [student]
    recipe = training.recipe(trained, views, epochs)
    for batch in training.epochs(views, epochs, state=[*trained, recipe]):
        seen = transformed(training, batch)
        with training.autocast():
            trace = student.trace(seen.low, seen.mask, seen.box)
        terms = losses(training, teachers, extra, trace, seen)
        loss = total(terms, training.options)
        recipe.step(loss)
        training.log(loss=loss, **terms)


def losses(training: Training, teachers: Teachers, extra: Auxiliary, trace: Trace, batch: Batch) -> dict[str, Tensor]:
    """Return the losses of a batch by name, each a scalar; those that the options turn off are left out.

    trace: of the student on the batch's low views.
    """
    options = training.options
    terms = {"task": training.task_loss(trace.logits, batch.target)}
    if teachers.networks:
        taught = ask(training, teachers, batch)
        if float(options["alpha"]) > 0:
            terms["soft"] = training.soft_loss(trace.logits, taught.logits, float(options["temperature"]))
        if extra.map_loss is not None:
            with training.autocast():
                terms["map"] = extra.map_loss(volume(trace.stages[-1], len(batch.ids)), taught.last)
    if extra.decoder is not None:
        assert isinstance(batch.high, Tensor)
        low = training.components.degradation.low
        assert low is not None
        target = target_flow(cropped(batch.high, batch.box), low)
        with training.autocast():
            terms["flow"] = flow_loss(extra.decoder(trace.stages[extra.stage], target.shape[2:]), target)
    return terms


def total(terms: Mapping[str, Tensor], options: Mapping[str, Value]) -> Tensor:
    """Return (1 - alpha) · task + alpha · soft + map_weight · map + motion_weight · flow of the terms that exist."""
    loss = terms["task"]
    if "soft" in terms:
        loss = weighted(terms["soft"], loss, float(options["alpha"]))
    if "map" in terms:
        loss = loss + float(options["map_weight"]) * terms["map"]
    if "flow" in terms:
        loss = loss + float(options["motion_weight"]) * terms["flow"]
    return loss


def cropped(high: Tensor, box: Tensor | None) -> Tensor:
    """Return high views (B, K, 3, T, H, W), cropped by the boxes (B, 5) that crop the low views."""
    if box is None:
        return high
    intervals = high.shape[1]
    return cut(high.flatten(0, 1), box.repeat_interleave(intervals, 0)).unflatten(0, (-1, intervals))
