"""Who looks at a training while it runs. What is trained does not depend on them, except by `Validation.keep`."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark_core.training.epoch_scores import Validation
from benchmark_core.training.figures import Follow


@dataclass(frozen=True, kw_only=True)
class Observers:
    """follow: takes every logged figure. validation: how epochs are scored on held-out clips. None: not done."""

    follow: Follow | None = None
    validation: Validation | None = None


NOBODY = Observers()
