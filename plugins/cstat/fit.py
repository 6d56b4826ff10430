"""CSTAT's training (section IV.B): the stages of attention transfer with CSTAT's distance and confidence maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from benchmark_core.specs import Value
from elrbench_plugins.attention_transfer.phase import train_with_attention
from elrbench_plugins.attention_transfer.stages import fit_phases
from elrbench_plugins.cstat.confidence import ConfidenceMap
from elrbench_plugins.cstat.difference_map import Difference
from elrbench_plugins.cstat.gradient_map import Gradient
from elrbench_plugins.cstat.losses import cosine_distance
from elrbench_plugins.cstat.mlp_map import Mlp

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Recognizer
    from benchmark_core.training.training import Training

REVISION = 1  # of `transfer` and `pretrain`: raise it when their result changes


def fit(training: Training) -> Recognizer:
    """Train and return the recognizer."""
    return fit_phases(training, pretrain=pretrain, transfer=transfer, revision=REVISION)


def transfer(training: Training, teacher: Recognizer, student: Recognizer) -> None:
    """Train the joint phase (eq. 4)."""
    train_with_attention(
        training, teacher, student, distance=cosine_distance, measure=confidence_of(training.options, student)
    )


def pretrain(training: Training, teacher: Recognizer, student: Recognizer) -> None:
    """Train on unlabelled clips (section III.D.1). The joint phase starts with a new confidence map."""
    train_with_attention(
        training,
        teacher,
        student,
        distance=cosine_distance,
        measure=confidence_of(training.options, student),
        unlabelled=str(training.options["unlabelled"]),
    )


def confidence_of(options: Mapping[str, Value], student: Recognizer | None = None) -> ConfidenceMap | None:
    """Build the confidence map that the options name, or None for confidence=none. student: gives image channels."""
    normalise, grey = str(options["confidence_normalise"]), str(options["confidence_grey"])
    match options["confidence"]:
        case "mlp":
            channels = 3 if student is None else student.channels
            return Mlp(int(options["confidence_width"]), normalise, channels, int(options["confidence_outputs"]))
        case "difference":
            return Difference(float(options["difference_same"]), normalise, grey)
        case "gradient":
            return Gradient(
                float(options["gradient_sigma"]),
                int(options["gradient_dilations"]),
                blurred=str(options["gradient_blurred"]),
                operator=str(options["gradient_operator"]),
                normalise=normalise,
                grey=grey,
            )
        case _:
            return None
