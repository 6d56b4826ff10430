"""Which options of the head do not fit each other. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark_core.specs import Value
from elrbench import ElrError


def check_head(method: str, options: Mapping[str, Value]) -> None:
    """Raise ElrError if a chi-square kernel, which compares histograms, gets negative numbers."""
    if options["head"] == "chi2-svm" and options["scaling"] == "standardise":
        raise ElrError(
            f"method '{method}': the chi-square kernel of method.head=chi2-svm takes no negative features, but "
            "method.scaling=standardise makes some; use method.scaling=none or another method.head"
        )
