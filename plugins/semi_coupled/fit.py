"""Train semi-coupled: one network on low and one on high views in turn, which share some of their filters."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmark_core.training.recipe import Recipe
from elrbench_plugins.semi_coupled.coupling import LAYERS, copy_filters
from elrbench_plugins.semi_coupled.inputs import STORED, real_frames
from elrbench_plugins.semi_coupled.options import OPTIONS

if TYPE_CHECKING:
    from benchmark_core.clips.derived import DerivedViews
    from benchmark_core.networks.recognizer import Recognizer
    from elrbench import Batch, Training

REVISION = 1  # of `learn` and of the stored inputs: raise it when their results change


def fit(training: Training) -> Recognizer:
    """Train and return the network on low views. The network on high views is dropped."""
    student: Recognizer = training.recognizer(role="student", head="mean-logits")
    other = training.teacher(role="student", head="mean-logits") if training.options["coupled"] else None
    training.stage(
        "student",
        functools.partial(learn, training, other),
        student,
        needs=("low", *(["high"] if other is not None else []), *OPTIONS),
        revision=REVISION,
    )
    return student


def learn(training: Training, other: Recognizer | None, student: Recognizer) -> None:
    """Train `student` in place, in turn with `other`, the network on high views; None trains it alone, as long."""
    options = training.options
    passes, turns = int(options["passes"]), int(options["epochs"])
    networks = [student]
    if other is not None:
        other.backbone.load_state_dict(student.backbone.state_dict())  # both begin with equal weights
        networks.append(other)
    else:
        turns = (turns + 1) // 2
    views = stored_inputs(training, student, other)
    steps = views.steps(int(options["batch"]))
    each = turns // len(networks)  # epochs of a network
    recipes = [Recipe([network], options, epochs=each, steps=steps * passes) for network in networks]
    order = (1, 0) if other is not None and options["first"] == "high" else (0, 1)
    ratios = {key: float(options[f"ratio_{key}"]) for key in LAYERS}
    begun = -1
    for batch in training.epochs(views, turns * passes, state=[*networks, *recipes]):
        turn = batch.epoch // passes
        if batch.epoch != begun and batch.epoch % passes == 0 and turn and other is not None:
            copy_filters(*_pair(networks, order[(turn - 1) % 2]), ratios)
        begun = batch.epoch
        at = order[turn % 2] if other is not None else 0
        loss = frame_loss(training, networks[at], batch, at)
        recipes[at].step(loss)
        training.log(**{("loss", "high_loss")[at]: loss})
    if other is not None:
        copy_filters(*_pair(networks, order[(turns - 1) % 2]), ratios)


def _pair(networks: list[Recognizer], trained: int) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Return the backbones of the network that was trained and of the other one."""
    return networks[trained].backbone, networks[1 - trained].backbone


def stored_inputs(training: Training, student: Recognizer, other: Recognizer | None) -> DerivedViews:
    """Return what `Inputs.measured` makes of all windows, (S, 3, T, H, W) each; S: low and, if coupled, high views."""
    plan = training.plan
    kinds = ("dataset.", "degradation.", "enhancer.", "backbone.streams")
    return training.derive(
        "inputs",
        functools.partial(measured, student, other),
        of=training.views("train", low=True, high=other is not None, whole=True),
        numbers={
            "degradation": plan.degradation,
            "enhancer": plan.enhancer,
            "streams": "both" if student.backbone.both else "one",
            "flow": student.backbone.temporal is not None,
            **{key: value for key, value in plan.settings.items() if key.startswith(kinds)},
        },
        shape=(1 if other is None else 2, STORED, student.frames, *plan.size),
        revision=REVISION,
    )


def measured(student: Recognizer, other: Recognizer | None, batch: Batch) -> Tensor:
    """Return the inputs of one clip's windows, (K, S, 3, T, H, W)."""
    found = []
    for network, view in ((student, batch.low), (other, batch.high)):
        if network is not None:
            assert view is not None
            clips, _ = network.enhance_and_crop(view)  # (K, 3, T, H, W)
            found.append(network.backbone.inputs.measured(clips, flow=network.backbone.temporal is not None))
    return torch.stack(found, 1)


def frame_loss(training: Training, network: Recognizer, batch: Batch, at: int) -> Tensor:
    """Return the task loss of random frames, a scalar. at: 0 for the low views of a batch of inputs, 1 for the high."""
    assert batch.derived is not None
    options, backbone = training.options, network.backbone
    windows = batch.derived[:, :, at]  # (B, K, 3, T, H, W)
    clips, intervals = windows.shape[:2]
    part = batch.part
    flip = part.of(training.rng.random(part.rows(clips)) < 0.5)
    flat = mirrored(windows, flip, motion=options["mirror"] == "motion").flatten(0, 1)
    counts = real_frames(flat[:, 0]).unflatten(0, (clips, intervals)) * (batch.mask > 0)  # (B, K)
    drawn = draw_frames(training.rng, training.whole(counts), int(options["frames"]))
    window, frame = (part.of(numbers) for numbers in drawn)  # (B, n) each
    number = window + torch.arange(clips, device=flat.device)[:, None] * intervals
    with training.autocast():
        grey, flow = backbone.inputs.stacks(flat, number.flatten(), frame.flatten())
        logits = backbone.get_classifier()(backbone.features(backbone.maps(grey, flow)))  # (B*n, C)
    return training.task_loss(logits, batch.target.repeat_interleave(window.shape[1], 0))


def mirrored(windows: Tensor, flip: npt.NDArray[np.bool_], *, motion: bool) -> Tensor:
    """Mirror the clips (B, K, 3, T, H, W) with flip (B,) left to right. motion: negate their flow to the right, too."""
    which = torch.from_numpy(flip).to(windows.device).reshape(-1, 1, 1, 1, 1, 1)
    other = windows.flip(-1)
    if motion:
        other = other * other.new_tensor([1.0, -1.0, 1.0]).reshape(3, 1, 1, 1)
    return torch.where(which, other, windows)


def draw_frames(rng: np.random.Generator, counts: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Draw `frames` different frames per clip; a clip of fewer frames has some several times.

    counts: (B, K), real frames of each window. Returns numbers of window and frame, int64 (B, n) each.
    """
    if counts.device.type == "meta":
        nothing = counts.new_zeros((len(counts), frames))
        return nothing, nothing
    drawn = []
    for row in counts.cpu().numpy():
        ends = row.cumsum()
        total = int(ends[-1])
        chosen = np.concatenate([rng.permutation(total) for _ in range(-(-frames // total))])[:frames]
        window = np.searchsorted(ends, chosen, side="right")
        drawn.append((window, chosen - (ends - row)[window]))
    window, frame = (torch.from_numpy(np.stack(part)).to(counts.device) for part in zip(*drawn, strict=True))
    return window, frame
