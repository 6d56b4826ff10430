"""The memory that the histograms of all training clips take when the SVM is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elrbench import ElrError
from elrbench_plugins.svm_head.memory import installed

if TYPE_CHECKING:
    from elrbench import Training

COPIES = 3  # float32: as stored, averaged over windows, and while they are averaged


def check_memory(training: Training, features: int) -> None:
    """Raise ElrError if the histograms take more memory than the device has. features: numbers of a clip."""
    if training.device.type == "meta":
        return
    clips = len(training.views("train", whole=True))
    needed, most = COPIES * 4 * clips * features, installed(training.device)
    if needed > most:
        raise ElrError(
            f"the histograms of {clips} training clips, {features} numbers each, take {needed / 2**30:.1f} GiB, but "
            f"the device '{training.device}' has {most / 2**30:.1f} GiB; lower backbone.filters2 (7 of 10 takes an "
            "eighth) or raise backbone.block"
        )
