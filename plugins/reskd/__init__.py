"""ResKD: cross-resolution distillation of the last map (Ma et al., NeurIPS 2022)."""

from elrbench import MethodSpec, hookimpl
from elrbench_plugins.reskd.options import BUDGETS, DEFAULTS, MAP, OPTIONS


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """Offer one method. Its variant `no-map` is trained as long on labels alone, and is the control."""
    return [
        MethodSpec(
            name="reskd",
            summary="ResKD: the student's last map imitates the map of a teacher on high views",
            citation="Ma et al., Rethinking Resolution in the Context of Efficient Video Recognition, NeurIPS 2022 "
            "(arXiv 2209.12797); numbers from the authors' public code (CVMI-Lab/ResKD)",
            fit="elrbench_plugins.reskd.fit:fit",
            options=OPTIONS,
            variants={
                "no-map": {"map_weight": 0.0},
                "running-norms": {"teacher_norms": "running"},
                "resize-teacher": {"resize": "teacher"},
            },
            own_controls={"": "reskd:no-map"},
            idea_options=tuple(MAP),
            defaults=DEFAULTS,
            budgets=BUDGETS,
            needs_high=True,
            no_teacher_when={"map_weight": (0.0,)},
            takes=("teacher", "high_source"),
            unspecified=(
                "extreme low resolution: the paper's student sees 112x112 pixels of 224x224. Here it sees the low "
                "view, enlarged bilinearly to 112x112",
                "backbone: ResNet-34 instead of ResNet-50, ResNet-152, TSM, SlowOnly and Swin",
                "initial weights: random, unless --weights FILE has others or the backbone comes with ImageNet weights "
                "(efficientnet-lite0). The authors start both networks from ImageNet. The teacher is then trained on "
                "the dataset's high views",
                "networks with different numbers of channels: a 1x1 projection of the student's map, which is dropped "
                "after training; the paper's pairs of other depth have equal channels",
                "maps of clips: the time axis is resized linearly if the networks differ in frames",
                "classifier: the backbone's own; the authors' has dropout 0.5 and weights of standard deviation 0.001",
                "learning rate of biases: that of the weights; the authors' code doubles it",
                "the teacher's running statistics: unchanged; in the authors' code they move, which has no effect",
            ),
        )
    ]
