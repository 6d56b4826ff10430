"""Modules that only the student's training needs: the projection of its map and the decoder of flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from benchmark_core.clips.modality import channels, kind
from benchmark_core.clips.sampling import Sampling
from elrbench_plugins.elr_distil.map_loss import MapLoss
from elrbench_plugins.elr_distil.motion_target import FlowDecoder

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Recognizer
    from benchmark_core.training.training import Training
    from elrbench_plugins.elr_distil.teachers import Teachers


class Auxiliary(nn.Module):
    """The modules that the options ask for; None otherwise. stage: index of the map that predicts the flow."""

    def __init__(self, map_loss: MapLoss | None, decoder: FlowDecoder | None, stage: int) -> None:
        super().__init__()
        self.map_loss = map_loss
        self.decoder = decoder
        self.stage = stage


def auxiliary(training: Training, teachers: Teachers, student: Recognizer) -> Auxiliary:
    """Return new modules for the maps of student and teacher, on the device. The networks are in evaluation mode."""
    options = training.options
    shapes = stage_shapes(training, student)
    stage = min(int(options["motion_stage"]), len(shapes)) - 1
    map_loss = decoder = None
    if float(options["map_weight"]) > 0:
        map_loss = MapLoss(shapes[-1][1], teacher_channels(training, teachers))
    if float(options["motion_weight"]) > 0:
        decoder = FlowDecoder(shapes[stage][1])
    made: Auxiliary = training.to_device(Auxiliary(map_loss, decoder, stage))
    return made


@torch.no_grad()
def stage_shapes(training: Training, student: Recognizer) -> list[torch.Size]:
    """Return the shapes of the student's stage maps for one clip, (K, C, [T,] h, w) each."""
    return [stage.shape for stage in student.eval().trace(empty_low_view(training)).stages]


@torch.no_grad()
def teacher_channels(training: Training, teachers: Teachers) -> int:
    """Return the channels of the teacher's map that is the target of the map loss."""
    plan, sampling = training.plan, Sampling.parse(training.plan.sampling)
    shape = (1, sampling.k, channels(plan.modality), sampling.t, *plan.high_size)
    view = torch.zeros(shape, device=training.device)
    network = teachers.of_maps(str(training.options["map_teacher"]))
    return network.last_map(view, view.new_ones(view.shape[:2]))[1].shape[1]


def empty_low_view(training: Training) -> Tensor:
    """Return a low view of one clip without content, (1, K, 3, T, h, w), or flow (1, K, 2, T, H, W)."""
    plan, sampling = training.plan, Sampling.parse(training.plan.sampling)
    if kind(plan.modality) == "flow":
        frames, size = sampling.t, plan.size
    else:
        frames = sampling.widened(training.components.enhancer.frames)
        size = training.components.degradation.low or plan.size
    return torch.zeros(1, sampling.k, channels(plan.modality), frames, *size, device=training.device)
