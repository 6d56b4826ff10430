"""Train strong-kd: AdamW, cosine, label smoothing, aligned augmentation and a moving average of the student."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch

from benchmark_core.clips.enhanced import Enhanced
from benchmark_core.networks.losses import task_loss
from benchmark_core.training.average import Average
from benchmark_core.training.recipe import Recipe
from benchmark_core.training.recipe_options import RECIPE
from elrbench_plugins.distillation.options import SOFT
from elrbench_plugins.distillation.teacher import PHASE, t_net, weighted
from elrbench_plugins.frozen_norms import freeze_norms, unfreeze_norms
from elrbench_plugins.strong_kd import aligned
from elrbench_plugins.strong_kd.budgets import STUDENT
from elrbench_plugins.supervised.fit import student_stage

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark_core.clips.views import View, Views
    from benchmark_core.networks.recognizer import Recognizer
    from benchmark_core.training.training import Training

REVISION = 1  # of `learn`: raise it when its result changes
OWN = ("colour_jitter", "erase_probability", "mixup_alpha")  # of `RECIPE`: the student's options are others
READS = (*RECIPE, *SOFT, *STUDENT)  # options that `learn` reads


def fit(training: Training) -> Recognizer:
    """Train the teacher, then the student from the weights that the option `start` names, and return the student.

    If the high views come from another dataset, the student is then trained on the target's low views, on labels alone.
    """
    options = training.options
    start, joint = str(options["start"]), int(options["joint_epochs"])
    teacher = t_net(training)
    alone = start == "student"
    student = student_stage(training) if alone else training.recognizer(role="student")
    if start == "teacher":
        student.backbone.load_state_dict(teacher.backbone.state_dict())
    epochs = joint if alone else int(options["epochs"]) + joint  # as many updates either way
    training.stage(
        PHASE.get(start, "student"),
        functools.partial(learn, training, teacher, epochs=epochs),
        student,
        needs=("low", "high", *READS, teacher, *([student] if alone else [])),
        revision=REVISION,
    )
    if training.plan.hr_source:
        training.stage(
            "target",
            functools.partial(learn, training, None, epochs=joint),
            student,
            needs=("low", *READS, student),
            revision=REVISION,
        )
    return student


def learn(training: Training, teacher: Recognizer | None, student: Recognizer, *, epochs: int) -> None:
    """Train `student` in place; it ends with the averaged weights. teacher: None to train on labels and low views."""
    options = training.options
    alpha = float(options["alpha"]) if teacher is not None else 0.0
    smoothed = task_loss(training.components.dataset.task, float(options["student_label_smoothing"]))
    strength = {key: float(options[key]) for key in ("jitter", "erase", "mixup")}
    if teacher is not None:
        teacher.eval().requires_grad_(False)
    frozen = freeze_norms(student.backbone, str(options["student_freeze_bn"]))
    views = training.views("train", low=True, high=teacher is not None)
    recipe = student_recipe(training, student, views, epochs)
    average = Average(student, float(options["ema_decay"]))
    for batch in training.epochs(views, epochs, state=[student, recipe, average], without=OWN):
        drawn = aligned.draw(training.rng, batch.part.rows(len(batch.ids)), **strength).of(batch.part)
        drawn = drawn.to(training.device)
        with training.autocast():
            logits = answer(student, batch.low, batch.mask, batch.box, drawn, training.whole)  # (B, C)
        target = aligned.mixed(batch.target, drawn, training.classes, training.whole)
        loss = task = smoothed(logits.float(), target)
        if teacher is not None:
            with training.autocast(), torch.no_grad():
                teacher_logits = answer(teacher, batch.high, batch.mask, batch.box, drawn, training.whole)  # (B, C)
            soft = training.soft_loss(logits, teacher_logits, float(options["temperature"]))
            loss = weighted(soft, task, alpha)
            training.log(soft=soft)
        recipe.step(loss)
        average.update(student)
        training.log(loss=loss, task=task)
    unfreeze_norms(frozen)
    average.into(student)


def student_recipe(training: Training, student: Recognizer, views: Views, epochs: int) -> Recipe:
    """Return AdamW with linear warm-up and half a cosine to 0. The betas are the plan's."""
    options = training.options
    own = {
        "optimiser": "adamw",
        "schedule": "cosine",
        "lr": options["student_lr"],
        "weight_decay": options["student_weight_decay"],
        "warmup_epochs": options["student_warmup_epochs"],
        "model_ema_decay": 0.0,  # `ema_decay` is the student's
    }
    steps = views.steps(int(options["batch"]))
    recipe = Recipe([student], {**options, **own}, epochs=epochs, steps=steps, seed=training.plan.seed)
    recipe.clip = float(options["student_clip_norm"]) or recipe.clip
    return recipe


def answer(
    network: Recognizer,
    view: View | None,
    mask: Tensor,
    box: Tensor | None,
    drawn: aligned.Draw,
    whole: aligned.Whole = lambda view: view,
) -> Tensor:
    """Return logits (B, C) of low or high views: enhanced and cropped as usual, then augmented as drawn."""
    assert view is not None
    image, intervals = network.enhance_and_crop(view, box)  # (B*K, C, [T,] H, W)
    if network.dims == 2:
        image = image.unsqueeze(2)
    image = aligned.change(image.reshape(-1, intervals, *image.shape[1:]), drawn, network.mean.flatten(), whole)
    return network(image.as_subclass(Enhanced), mask)  # `Enhanced` skips the enhancer
