"""elr-distil: a student at the low size, which learns from high views of the training clips in several ways."""

from elrbench import MethodSpec, hookimpl
from elrbench_plugins.elr_distil.options import BUDGETS, DEFAULTS, IDEAS, OPTIONS, VARIANTS


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """Offer one method. Its variants are ideas, which can be combined; `plain` has none of them and is the control."""
    return [
        MethodSpec(
            name="elr-distil",
            summary="elrbench's own method: many low views of each clip, and distillation from teachers on high views",
            citation="elrbench. Ideas from: Ryoo et al., AAAI 2017 (arXiv 1604.03196), transforms; Hinton et al., 2015 "
            "(arXiv 1503.02531), soft labels; Ma et al., ResKD, NeurIPS 2022, map loss; Simonyan & Zisserman, NeurIPS "
            "2014, motion teacher; Xu et al., CVPR 2019, order; Benaim et al., CVPR 2020, speed; Tong et al., "
            "VideoMAE, NeurIPS 2022, masked blocks",
            fit="elrbench_plugins.elr_distil.fit:fit",
            check="elrbench_plugins.elr_distil.check:check",
            options=OPTIONS,
            variants=VARIANTS,
            default_variants=("transforms", "soft"),
            own_controls={"": "elr-distil:plain"},
            idea_options=tuple(IDEAS),
            defaults=DEFAULTS,
            budgets=BUDGETS,
            needs_high=True,
            unlabelled={"pretext_clips": ("unlabelled",)},
            takes=("teacher",),
            unspecified=(
                "all numbers: the method follows no single paper, so that each is this project's choice",
                "transforms: one draw per clip and epoch, the same for all frames, or with a constant drift; Ryoo et "
                "al. choose a fixed set per video. Beyond the view's edges its border is repeated. The blur lacks the "
                "light from outside the view",
                "teacher views: transformed or cropped as the student's",
                "training of the teachers: labels alone, for `epochs`, by the same recipe as the student",
                "ensemble of two teachers: weighted mean of logits",
                "map loss: ResKD's networks have one architecture. Here the student's map gets a 1x1 projection if the "
                "channels differ, and the teacher's map is resized to the student's in space and time; ResKD's code "
                "enlarges the student's map. ResKD itself is the method reskd",
                "optical flow: iterative Lucas-Kanade on a pyramid, at twice the low size, on the device",
                "pretext tasks: their epochs are part of joint_epochs, so that all variants have as many updates",
            ),
        )
    ]
