"""hof-svm: a descriptor of optical flow and gradients, then an SVM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elrbench_plugins.hof_svm.hof import Hof
from elrbench_plugins.hof_svm.pot import Pot
from elrbench_plugins.svm_head.fit import fit_recognizer
from elrbench_plugins.svm_head.head import SvmHead

if TYPE_CHECKING:
    from elrbench import Parts, Recognizer, Training


def recognizer(parts: Parts) -> Recognizer:
    """Return enhancer and descriptor with an untrained head."""
    return parts.assemble(
        SvmHead(
            features=parts.num_features,
            classes=parts.classes,
            options=parts.options,
            one_vs_one=parts.task == "single-label",
            kinds=parts.backbone.kinds if isinstance(parts.backbone, Hof) else (1,),
            cells=parts.backbone.cells if isinstance(parts.backbone, Hof) else (1,),
            group_sizes=parts.backbone.group_sizes if isinstance(parts.backbone, Pot) else None,
        )
    )


def fit(training: Training) -> Recognizer:
    """Train the head on the descriptors of low views and return the recognizer."""
    return fit_recognizer(training)
