"""The probe: nothing but the head is trained.

Example::

    logits = network.head(network.backbone.pool(network.backbone.forward_features(frames)[-1])[None], mask)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from elrbench_plugins.svm_head.fit import fit_recognizer
from elrbench_plugins.svm_head.head import SvmHead

if TYPE_CHECKING:
    from elrbench import Parts, Recognizer, Training


def recognizer(parts: Parts) -> Recognizer:
    """Return enhancer and backbone with an untrained head."""
    return parts.assemble(
        SvmHead(
            features=parts.num_features,
            classes=parts.classes,
            options=parts.options,
            one_vs_one=parts.task == "single-label",
        )
    )


def fit(training: Training) -> Recognizer:
    """Train the head on low views, or on high views with `view=high`, and return the recognizer."""
    return fit_recognizer(training, high=training.options["view"] == "high")
