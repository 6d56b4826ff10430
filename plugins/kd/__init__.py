"""Distillation from high to low views (Hinton et al., 2015), as in Purwanto et al. (ICCV Workshops 2019), sec. 3.1."""

from elrbench import MethodSpec, hookimpl
from elrbench_plugins.kd.budgets import BUDGETS, DEFAULTS, OPTIONS


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """Offer one method, for any backbone, single- and multi-label."""
    return [
        MethodSpec(
            name="kd",
            summary="knowledge distillation: a high-resolution teacher's soft labels in addition to the labels",
            citation="Purwanto et al., Extreme Low Resolution Action Recognition with Spatial-Temporal Multi-Head "
            "Self-Attention and Knowledge Distillation, ICCV Workshops 2019; Hinton et al., Distilling the Knowledge "
            "in a Neural Network, 2015 (arXiv 1503.02531)",
            fit="elrbench_plugins.kd.fit:fit",
            options=OPTIONS,
            variants={"no-teacher": {"alpha": 0.0}},
            own_controls={"": "no-teacher"},
            idea_options=("alpha", "temperature"),
            defaults=DEFAULTS,
            budgets=BUDGETS,
            needs_high=True,
            takes=("teacher", "high_source"),
            unspecified=(
                "weights of the average: equal (alpha 0.5). Hinton et al. give the labels 0.5 in their speech "
                "experiments and say that considerably less is often better",
                "factor T² on the soft-label loss: yes, as Hinton et al. say, so that alpha means the same at any T. "
                "The teacher's entropy, a constant, is subtracted, so that equal outputs have loss 0",
                "multi-label datasets (the paper has none): T² times the mean over classes of the KL divergence of two "
                "Bernoulli distributions, each softened by T",
                "initial weights of the student. Paper budget: the backbone's initialisation (Table 1: Kinetics and "
                "ImageNet; pass --weights FILE). Other budgets: the student trained on labels, as in cstat, so that "
                "supervised:matched has as many updates. no-teacher has the same phases and views, on labels alone",
                "training of the teacher: as the student's, with Table 1's numbers, on labels alone. It is then "
                "frozen, in evaluation mode",
                "batch, schedule and weight decay: 16 clips, constant learning rate, none",
                "network size: 224x224, as I3D; the whole view is resized to it. Without super-resolution, low views "
                "are enlarged bilinearly",
                "frames: training draws 64 consecutive frames; testing averages the logits of all windows of 64; a "
                "shorter clip repeats its last frame",
                "blur and noise of the low views: see the degradation",
            ),
        )
    ]
