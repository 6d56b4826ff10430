"""Train the student's backbone on a pretext task, on low views without labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from elrbench_plugins.distillation.empty_views import empty_low_view
from elrbench_plugins.elr_distil.auxiliary import stage_shapes
from elrbench_plugins.elr_distil.pretext import Masked, Order, Speed, Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark_core.networks.recognizer import Recognizer
    from benchmark_core.training.training import Training

MIXING = ("mixup_alpha", "cutmix_time")  # mixed clips have no one order or speed
REVISION = 1  # of `pretrain`: raise it when its result changes
READS = ("pretext", "pretext_epochs", "pretext_clips", "masked_share", "masked_frames", "masked_pixels")  # options


def pretrain(training: Training, student: Recognizer) -> None:
    """Train the backbone of `student` in place. With several tasks, batches get them in turn."""
    options = training.options
    epochs = int(options["pretext_epochs"])
    views = training.views("train", low=True, unlabelled=options["pretext_clips"] == "unlabelled")
    tasks = nn.ModuleDict(tasks_of(training, student))
    training.to_device(tasks)
    recipe = training.recipe([student, tasks], views, epochs)
    names = list(tasks)
    for batch in training.epochs(views, epochs, state=[student, tasks, recipe], without=MIXING):
        name = names[recipe.updates % len(names)]
        task: Task = tasks[name]
        image, _ = student.enhance_and_crop(batch.low, batch.box)  # (B*K, 3, T, h, w)
        seen, change = task.change(image, training.rng, batch.part)
        with training.autocast():
            last = student.backbone.forward_features(student.backbone_input(seen))[-1]
            loss = task.loss(last, image, change)
        recipe.step(loss)
        training.log(**{name: loss})


def tasks_of(training: Training, student: Recognizer) -> dict[str, nn.Module]:
    """Return the tasks that the option `pretext` names, with heads for the student's last map."""
    options = training.options
    stages = stage_shapes(training, student)
    last = tuple(stages[-1][1:])  # (C, T', h', w')
    view = tuple(student.enhance_and_crop(empty_low_view(training))[0].shape[1:])  # (3, T, h, w)
    wanted: Sequence[str] = ("order", "speed", "masked") if options["pretext"] == "all" else (str(options["pretext"]),)
    made: dict[str, nn.Module] = {}
    for name in wanted:
        if name == "masked":
            made[name] = Masked(
                last,
                view,
                share=float(options["masked_share"]),
                frames=int(options["masked_frames"]),
                pixels=int(options["masked_pixels"]),
            )
        else:
            made[name] = (Order if name == "order" else Speed)(last[0])
    return made
