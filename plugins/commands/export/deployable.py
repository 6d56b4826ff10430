"""The module that is exported: uint8 frames to probabilities, with normalisation and enhancer inside."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmark_core.clips.flow_format import LEVELS
from benchmark_core.clips.modality import kind
from benchmark_core.errors import ElrError
from benchmark_core.exported.metadata import Metadata
from benchmark_core.networks.protocols import NotExportable
from elrbench import LoadedRun, Recognizer


class Deployable(nn.Module):
    """Map frames uint8 (B, K, C, T, h, w) to probabilities and logits, (B, C) each.

    recognizer: in eval mode. flow: frames are levels of optical flow. multi_label: sigmoid instead of softmax.
    """

    def __init__(self, recognizer: Recognizer, *, flow: bool, multi_label: bool) -> None:
        super().__init__()
        self.recognizer = recognizer
        self.flow = flow
        self.multi_label = multi_label

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities and logits."""
        levels = frames.float()
        low = (levels - 128) / LEVELS if self.flow else levels / 255
        logits = self.recognizer.trace(low).logits
        return logits.sigmoid() if self.multi_label else logits.softmax(-1), logits


def deployable(loaded: LoadedRun, metadata: Metadata) -> Deployable:
    """Return the module of a loaded run, which it changes: parameters are frozen, the enhancer takes all at once.

    Raises ElrError if a part of the recognizer declares that it cannot be exported.
    """
    recognizer = loaded.recognizer.float().eval()
    for part in recognizer.modules():
        if isinstance(part, NotExportable):
            raise ElrError(
                f"the recognizer of method '{loaded.plan.method}' with backbone '{loaded.plan.backbone}' cannot be "
                f"exported because {part.not_exportable}; export a run with another --method or --backbone"
            )
    recognizer.piece = None
    module = Deployable(recognizer, flow=metadata.stream == "flow", multi_label=metadata.multi_label)
    return module.requires_grad_(False)


def example(metadata: Metadata, size: tuple[int, int], batch: int, intervals: int) -> Tensor:
    """Return random frames (batch, intervals, C, T, h, w) of the shape that the file takes."""
    shape = (batch, intervals, *metadata.view_frames, *size)
    drawn = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=drawn)


def input_size(loaded: LoadedRun, recorded: set[tuple[int, int]]) -> tuple[int, int]:
    """Return (h, w) of the frames that the file takes.

    The low size; network size for flow and oracles. Clips that are taken as recorded may differ in size, and a file
    has one: theirs if all share it, otherwise network size, to which the reader resizes them.
    recorded: sizes of the test clips.
    """
    if kind(loaded.plan.modality) == "flow":
        return loaded.plan.size
    if loaded.components.method.oracle:
        return loaded.plan.high_size
    if loaded.low_size is not None:
        return loaded.low_size
    return next(iter(recorded)) if len(recorded) == 1 else loaded.plan.size
