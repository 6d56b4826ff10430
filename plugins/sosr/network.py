"""ToSR's recognizer: the optical flow of super-resolved frames, and a network on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark_core.clips.modality import FLOW
from benchmark_core.networks.channels import with_channels
from benchmark_core.networks.heads import MeanLogits
from elrbench_plugins.fully_coupled.network import Streams

if TYPE_CHECKING:
    from elrbench import Parts, Recognizer


class FlowOfFrames(Streams):
    """A backbone on the flow of its pictures, as the temporal stream of fully-coupled networks."""

    not_exportable = "it computes optical flow with OpenCV"


def recognizer(parts: Parts) -> Recognizer:
    """Return enhancer, flow and backbone; logits are the mean over the intervals of a clip."""
    network = parts.assemble(MeanLogits(parts.backbone.get_classifier(), parts.task))
    network.backbone = FlowOfFrames(
        None,
        with_channels(parts.backbone, FLOW),
        mean=network.mean.flatten(),
        std=network.std.flatten(),
        bound=float(parts.options["flow_bound"]),
    )
    return network
