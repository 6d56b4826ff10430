"""tennet: learn filters by PCA, then train a linear SVM on the histograms of all blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elrbench_plugins.plrn_tennet.learn_filters import filters
from elrbench_plugins.plrn_tennet.memory import check_memory
from elrbench_plugins.svm_head.fit import fit_recognizer
from elrbench_plugins.svm_head.head import SvmHead

if TYPE_CHECKING:
    from elrbench import Parts, Recognizer, Training


def recognizer(parts: Parts) -> Recognizer:
    """Return enhancer and descriptor with an untrained head, which reads the histograms of all blocks."""
    return parts.assemble(
        SvmHead(
            features=parts.num_features,
            classes=parts.classes,
            options=parts.options,
            one_vs_one=parts.task == "single-label",
            sparse=True,
        )
    )


def fit(training: Training) -> Recognizer:
    """Learn the filters, then train the head on the histograms of low views; return the recognizer."""
    network = training.recognizer()
    bank = filters(training, network, network.backbone.bank)
    check_memory(training, network.backbone.num_features)
    return fit_recognizer(training, network=network, trained=bank)
