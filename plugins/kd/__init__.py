"""Distillation from high to low views (Hinton et al., 2015), as Purwanto et al., ICCV Workshops 2019, section 3.1."""

from benchmark_core import MethodSpec, hookimpl
from elrbench_plugins.kd.budgets import BUDGETS, DEFAULTS, OPTIONS


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """One method; any backbone, single- and multi-label."""
    return [
        MethodSpec(
            name="kd",
            summary="knowledge distillation: a high-resolution teacher's softened answer beside the label",
            citation="Purwanto et al., Extreme Low Resolution Action Recognition with Spatial-Temporal Multi-Head "
            "Self-Attention and Knowledge Distillation, ICCV Workshops 2019; Hinton et al., Distilling the Knowledge "
            "in a Neural Network, 2015 (arXiv 1503.02531)",
            fit="elrbench_plugins.kd.fit:fit",
            options=OPTIONS,
            defaults=DEFAULTS,
            budgets=BUDGETS,
            needs_high=True,
            takes=("teacher", "high_source"),
            unspecified=(
                "the weights of the average: equal (alpha 0.5). Hinton et al. give the labels 0.5 in their speech "
                "experiments and say that considerably less is often better",
                "whether the softened term is multiplied by the temperature's square: it is, as Hinton et al. say, so "
                "that the weights mean the same at any temperature; its cross-entropy is taken less the teacher's own "
                "entropy, a constant, so that it is 0 where both answers are the same",
                "several labels, of which the paper has none: T² times the mean over classes of the divergence of two "
                "yes-or-no answers, each softened by T",
                "what the student starts from: on the paper budget what Table 1 names, its backbone's initialisation "
                "(Kinetics and ImageNet: files of the user's, --weights FILE), and learns from labels and teacher at "
                "once; on the smaller budgets the student alone on its labels, as cstat's does, so that "
                "supervised:matched has as many updates. Of kd at method.start=fresh the control is supervised",
                "how the teacher is trained: as the student, by Table 1's numbers, on labels alone; it stands still "
                "afterwards, in evaluation mode",
                "batch and schedule: 16 clips, and a learning rate that stands still; no weight decay",
                "network size: 224x224, I3D's, to which the whole view is brought; how low views are enlarged where "
                "there is no super-resolution: bilinearly",
                "which frames: training draws 64 consecutive ones, testing takes all windows of 64 and the mean of "
                "their logits; a shorter clip repeats its last frame",
                "blur and noise of the low view: see the degradation",
            ),
        )
    ]
