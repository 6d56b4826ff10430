"""Options that kd and strong-kd share. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from elrbench import Option

SOFT: Mapping[str, Option] = {
    "alpha": Option(
        default=0.5,
        low=0.0,
        high=1.0,
        unspecified=True,
        help="weight of the soft-label loss; the task loss has weight 1 - alpha",
    ),
    "temperature": Option(default=5.0, low=0.1, help="T of eq. 1, the divisor of both networks' logits (Table 1)"),
}
