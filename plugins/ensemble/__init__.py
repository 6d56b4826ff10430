"""Deep ensembles: several networks that differ by chance alone, and one network that learns from their mean."""

from dataclasses import replace

from elrbench import MethodSpec, Option, hookimpl
from elrbench_plugins.distillation.options import SOFT
from elrbench_plugins.supervised.budgets import BUDGETS, DEFAULTS, JOINT_BUDGETS, JOINT_OPTIONS, OPTIONS

MEMBERS = Option(default=3, low=2, high=32, help="networks, trained apart: initial weights and batches differ")
CITATION = (
    "Lakshminarayanan et al., Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles, NeurIPS 2017"
)
UNSPECIFIED = (
    "loss: cross-entropy. Lakshminarayanan et al. add adversarial examples, which are left out here",
    "members: 3 (the paper shows 1 to 15)",
    "from weights of a file, members differ in classifier, order of clips and augmentation only",
)


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """Offer the ensemble and the network that learns from it, for any backbone, single- and multi-label."""
    return [
        MethodSpec(
            name="ensemble",
            summary="several networks on low views, trained apart on labels; the mean of their probabilities",
            citation=CITATION,
            fit="elrbench_plugins.ensemble.fit:ensemble",
            recognizer="elrbench_plugins.ensemble.network:recognizer",
            recognizer_options=("members",),
            check="elrbench_plugins.ensemble.check:check",
            options={**OPTIONS, "members": MEMBERS},
            defaults=DEFAULTS,
            budgets=BUDGETS,
            unspecified=UNSPECIFIED,
        ),
        MethodSpec(
            name="ensemble-distil",
            summary="one network on low views, trained on labels and on the mean of an ensemble of its kind",
            citation="Hinton et al., Distilling the Knowledge in a Neural Network, 2015 (arXiv 1503.02531), section 3; "
            f"members: {CITATION}",
            fit="elrbench_plugins.ensemble.fit:distilled",
            check="elrbench_plugins.ensemble.check:check",
            options={
                **JOINT_OPTIONS,
                "members": MEMBERS,
                "alpha": SOFT["alpha"],
                "temperature": replace(
                    SOFT["temperature"], default=2.0, unspecified=True, help="T, the divisor of logits"
                ),
                "joint_epochs": replace(JOINT_OPTIONS["joint_epochs"], help="epochs of the network to deploy"),
            },
            defaults=DEFAULTS,
            budgets=JOINT_BUDGETS,
            unspecified=(
                *UNSPECIFIED,
                "the student sees the same augmented low view as the members. T is 2, alpha 0.5",
                "mean of logits, not of probabilities, as soft label",
            ),
        ),
    ]
