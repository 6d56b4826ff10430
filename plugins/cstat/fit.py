"""CSTAT, section IV.B: each network alone, then the student once more with the teacher's attention before its eyes."""

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

REVISION = 1  # of `transfer` and `pretrain`: raised when what they train changes


def fit(training: Training) -> Recognizer:
    """The method's phases, with CSTAT's distance and confidence."""
    return fit_phases(training, pretrain=pretrain, transfer=transfer, revision=REVISION)


def transfer(training: Training, teacher: Recognizer, student: Recognizer) -> None:
    """The joint phase."""
    train_with_attention(
        training, teacher, student, distance=cosine_distance, measure=confidence_of(training.options, student)
    )


def pretrain(training: Training, teacher: Recognizer, student: Recognizer) -> None:
    """The phase on clips without labels; its confidence map is not the joint phase's, which starts afresh."""
    train_with_attention(
        training,
        teacher,
        student,
        distance=cosine_distance,
        measure=confidence_of(training.options, student),
        unlabelled=str(training.options["unlabelled"]),
    )


def confidence_of(options: Mapping[str, Value], sees: Recognizer | None = None) -> ConfidenceMap | None:
    """What measures confidence, or None where every area counts alike. sees: the network whose images it is given."""
    normalise, grey = str(options["confidence_normalise"]), str(options["confidence_grey"])
    match options["confidence"]:
        case "mlp":
            channels = 3 if sees is None else sees.channels
            return Mlp(int(options["confidence_width"]), normalise, channels)
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
