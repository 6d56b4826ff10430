"""The teachers: appearance and motion of the high view, and their common soft label.

Hinton et al., Distilling the Knowledge in a Neural Network, 2015: an ensemble's soft label is the arithmetic or
geometric mean of its members' distributions. Here it is the weighted geometric mean, that is, the mean of the logits.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from benchmark_core.training.recipe_options import RECIPE
from elrbench_plugins.distillation.batch_statistics import batch_statistics
from elrbench_plugins.distillation.teacher import t_net
from elrbench_plugins.distillation.unlike_maps import volume
from elrbench_plugins.elr_distil.motion_stream import MotionStream, fit_motion, motion_stream
from elrbench_plugins.elr_distil.options import uses_teachers
from elrbench_plugins.supervised.fit import REVISION as CLASSIFIER_REVISION
from elrbench_plugins.supervised.fit import fit_classifier

if TYPE_CHECKING:
    from benchmark_core.clips.views import Batch, View
    from benchmark_core.networks.recognizer import Recognizer
    from benchmark_core.training.training import Training

MOTION_REVISION = 1  # of `fit_motion`: raise it when its result changes


class Appearance(nn.Module):
    """The plan's teacher, with the interface of `MotionStream`."""

    def __init__(self, network: Recognizer) -> None:
        super().__init__()
        self.network = network

    def last_map(self, high: View, mask: Tensor, box: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits (B, C) and the last map (B*K', C', [T',] h, w) of high views."""
        trace = self.network.trace(high, mask, box)
        return trace.logits, trace.stages[-1]


@dataclass(frozen=True, kw_only=True)
class Teachers:
    """Trained networks on high views; None if the options name none."""

    appearance: Appearance | None = None
    motion: MotionStream | None = None

    @property
    def networks(self) -> list[Appearance | MotionStream]:
        """All teachers, in the order of their weights."""
        return [network for network in (self.appearance, self.motion) if network is not None]

    @property
    def trained(self) -> list[nn.Module]:
        """The modules that stages have trained, for the needs of a stage."""
        return [one.network if isinstance(one, Appearance) else one for one in self.networks]

    def of_maps(self, name: str) -> Appearance | MotionStream:
        """Return the teacher of the option `map_teacher`, or the only one."""
        named = self.motion if name == "motion" else self.appearance
        return self.networks[0] if named is None else named


@dataclass(frozen=True, kw_only=True)
class Taught:
    """Outputs for a batch: logits (B, C) of all teachers, and the last map (B, C', T, h, w) of one, see `of_maps`."""

    logits: Tensor
    last: Tensor


def trained_teachers(training: Training) -> Teachers:
    """Train the teachers that a loss uses, each in a stage of its own, or restore them."""
    if not uses_teachers(training.options):
        return Teachers()
    wanted = str(training.options["teachers"])
    appearance = _appearance(training) if wanted in ("appearance", "both") else None
    motion = None
    if wanted in ("motion", "both"):
        stream = motion_stream(training)
        motion = training.stage(
            "teacher-motion",
            functools.partial(fit_motion, training),
            stream,
            needs=("low", "high", *RECIPE),  # "low": flow is computed at twice the low size
            revision=MOTION_REVISION,
        )
    return Teachers(appearance=None if appearance is None else Appearance(appearance), motion=motion)


def _appearance(training: Training) -> Recognizer:
    """Return the plan's teacher: the stage of method `teacher`, or one whose classifier alone is trained."""
    if training.options["teacher_layers"] == "all":
        return t_net(training)
    network: Recognizer = training.teacher_stage(
        "teacher-classifier",
        functools.partial(fit_last_layer, training),
        training.teacher(role="teacher", head="mean-logits"),
        needs=("high", *RECIPE),
        revision=CLASSIFIER_REVISION,
    )
    return network


def fit_last_layer(training: Training, network: Recognizer) -> None:
    """Train the classifier of `network` in place, on labels and high views; all other layers are frozen."""
    network.requires_grad_(False)
    network.backbone.get_classifier().requires_grad_(True)
    fit_classifier(training, network, high=True, epochs=int(training.options["epochs"]))


def ask(training: Training, teachers: Teachers, batch: Batch) -> Taught:
    """Return the teachers' logits and map for the high views of a batch, without gradients."""
    options, logits, last = training.options, [], None
    assert batch.high is not None
    by_batch = options["map_teacher_norms"] == "batch"
    with torch.no_grad(), training.autocast():
        for network in teachers.networks:
            with batch_statistics(network, use=by_batch):
                answer, stage = network.last_map(batch.high, batch.mask, batch.box)
            logits.append(answer)
            if network is teachers.of_maps(str(options["map_teacher"])):
                last = volume(stage, len(batch.ids))
    assert last is not None
    share = float(options["motion_share"])
    return Taught(logits=logits[0] if len(logits) == 1 else ensemble(logits, [1 - share, share]), last=last)


def ensemble(logits: list[Tensor], weights: list[float]) -> Tensor:
    """Return the weighted mean of logits (B, C)."""
    return torch.stack([weight * each.float() for each, weight in zip(logits, weights, strict=True)]).sum(0)
