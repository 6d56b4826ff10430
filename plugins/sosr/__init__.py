"""Super-resolution for two-stream recognition (Zhang et al., ICCV 2019): SoSR for pictures, ToSR for motion."""

from elrbench import MethodSpec, hookimpl
from elrbench_plugins.sosr.options import (
    DEFAULTS,
    SPATIAL_BUDGETS,
    SPATIAL_OPTIONS,
    SPATIAL_VARIANTS,
    TEMPORAL_BUDGETS,
    TEMPORAL_DEFAULTS,
    TEMPORAL_OPTIONS,
    TEMPORAL_VARIANTS,
)

CITATION = (
    "Zhang, Liu and Xiong, Two-Stream Action Recognition-Oriented Video Super-Resolution, ICCV 2019 (arXiv "
    "1903.05577); numbers from the authors' public code, which has no licence"
)
BOTH = (
    "low views: the authors reduce whole frames of 240x320 by MATLAB's imresize, bicubically. average-60x80:clean has "
    "the whole height of the frame, cropped to 3:4, and area averages; bicubic-60x80 has the cubic kernel, and the "
    "centre of the frame",
    "recognizers: the authors use the public code of TSN (BN-Inception) and ST-ResNet; their code does not say which "
    "clips these were trained on. Here the network is trained on the super-resolved training clips",
    "optimizer, schedule, batch and epochs of the recognizer: this project's choice",
    "super-resolution: `elrbench show rrdb` and `elrbench show duf` list what the paper leaves open",
    "both streams: run sosr and tosr, and average the probabilities of their predictions. --modality rgb+flow has one "
    "enhancer for both, and computes flow of frames that are enlarged bicubically",
)


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """Offer the spatial and the temporal stream.

    Each has a variant with the same networks and without the paper's terms. Tables do not pair the two, because their
    enhancers differ; `elrbench compare` does.
    """
    return [
        MethodSpec(
            name="sosr",
            summary="super-resolution with a motion-weighted loss, then a recognizer",
            citation=CITATION,
            fit="elrbench_plugins.sosr.fit:fit_spatial",
            options=SPATIAL_OPTIONS,
            variants=SPATIAL_VARIANTS,
            defaults=DEFAULTS,
            budgets=SPATIAL_BUDGETS,
            unspecified=(
                "the bare name: eq. 1 alone, because the feature loss of eq. 2 needs a trained network (--weights) and "
                "the paper gives no weights of the losses. adversarial adds the discriminator, perceptual both",
                *BOTH,
            ),
        ),
        MethodSpec(
            name="tosr",
            summary="video super-resolution that is trained to keep motion, then a recognizer on its optical flow",
            citation=CITATION,
            fit="elrbench_plugins.sosr.fit:fit_temporal",
            recognizer="elrbench_plugins.sosr.network:recognizer",
            check="elrbench_plugins.sosr.check:check",
            options=TEMPORAL_OPTIONS,
            variants=TEMPORAL_VARIANTS,
            defaults=TEMPORAL_DEFAULTS,
            budgets=TEMPORAL_BUDGETS,
            needs=("single-input",),
            requires=("cv2",),
            extra="flow",
            unspecified=(
                "flow of the super-resolved frames: DIS, computed in the recognizer; the authors use TV-L1. It is "
                "clipped, see flow_bound",
                "recognizer: a 3D network on fields of flow; the authors' 2D networks read stacks of them. Its first "
                "convolution starts with the mean over colours (Wang et al., ECCV 2016)",
                *BOTH,
            ),
        ),
    ]
