"""Inverse super-resolution (Ryoo et al., AAAI 2017): n low views of each clip, under transforms that are learnt."""

from elrbench import MethodSpec, hookimpl
from elrbench_plugins.isr.options import BUDGETS, DEFAULTS, IDEAS, OPTIONS, VARIANTS


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """Return the training of a network, with the SVM as a variant. `identity` has one low view, and is the control."""
    return [
        MethodSpec(
            name="isr",
            summary="n low views of each training clip, under sub-pixel transforms chosen by entropy or boundary",
            citation="Ryoo, Rothrock, Fleming and Yang, Privacy-Preserving Human Activity Recognition from Extreme "
            "Low Resolution, AAAI 2017 (arXiv 1604.03196); pooled time series of isr:svm: Ryoo, Rothrock and "
            "Matthies, CVPR 2015; Metropolis-Hastings: Hastings, Biometrika 57, 1970",
            fit="elrbench_plugins.isr.fit:fit",
            recognizer="elrbench_plugins.hof_svm.method:recognizer",
            recognizer_options=("head", "scaling", "pyramid", "vectors"),
            recognizer_when={"classifier": ("svm",)},
            check="elrbench_plugins.isr.check:check",
            needs=("one-process",),
            options=OPTIONS,
            variants=VARIANTS,
            own_controls={"svm": "isr:identity+svm", "": "isr:identity"},
            idea_options=("transforms", *IDEAS),
            defaults=DEFAULTS,
            budgets=BUDGETS,
            needs_high=True,
            requires=("sklearn", "cv2"),
            extra="yardsticks",
            unspecified=(
                "all numbers: this project's choice; those of the paper's experiments were not available",
                "the pool: all combinations of evenly spaced shifts, scales and rotations of the high view, without a "
                "drift. The identity is always one of the n, because networks are tested on low views as they are",
                "beyond the view's edges its border is repeated. A transform with more than a third of its low "
                "pixels outside the high view is refused",
                "classifier θ(S) while transforms are chosen: logistic regression on pooled time series of HOF and HOG "
                "in 3x3 cells and 3 windows of 16 frames, for all backbones; probabilities are those of its logits",
                "clips on which transforms are compared: a quarter of each class of the training clips, on which θ(S) "
                "is not trained; clips of one film may be on both sides",
                "entropy: mean over these clips under the transform; transforms are added one by one, and θ(S) is "
                "trained again after each",
                "decision boundary: θ* is θ of the whole pool; decisions are compared on low views as they are. A "
                "proposal exchanges one transform for another, near ones more often, with Hastings' correction; the "
                "visited set of least disagreement is taken",
                "a network: the paper trains an SVM (isr:svm). By default, an update sees one of a clip's n low views; "
                "augmentation is that of supervised training",
                "isr:svm: pooled time series of HOF and HOG alone (backbone pot); chi-square kernel and C "
                "as hof-svm:pot. A clip that is longer than a window of the sampling has one pyramid per window, and "
                "the descriptors are averaged; at budget paper, windows have 300 frames",
                "noise of low views that are made: new in each update; fixed by the clip's id for the selection and "
                "the SVM. Repeated frames have equal noise",
            ),
        )
    ]
