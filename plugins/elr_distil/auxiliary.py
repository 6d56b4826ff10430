"""Modules that only the student's training needs: the projection of its map and the decoder of flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from elrbench_plugins.distillation.empty_views import empty_high_view, empty_low_view
from elrbench_plugins.distillation.map_loss import CrossResolution
from elrbench_plugins.elr_distil.motion_target import FlowDecoder

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Recognizer
    from benchmark_core.training.training import Training
    from elrbench_plugins.elr_distil.teachers import Teachers


class Auxiliary(nn.Module):
    """The modules that the options ask for; None otherwise. stage: index of the map that predicts the flow."""

    def __init__(self, map_loss: CrossResolution | None, decoder: FlowDecoder | None, stage: int) -> None:
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
        map_loss = CrossResolution(shapes[-1][1], teacher_channels(training, teachers), resize="teacher")
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
    view = empty_high_view(training)
    network = teachers.of_maps(str(training.options["map_teacher"]))
    return network.last_map(view, view.new_ones(view.shape[:2]))[1].shape[1]
