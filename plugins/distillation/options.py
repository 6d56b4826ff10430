"""The numbers of distillation. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark_core import Option

SOFT: Mapping[str, Option] = {
    "alpha": Option(
        default=0.5,
        low=0.0,
        high=1.0,
        unspecified=True,
        help="weight of the teacher's softened answer; the label has the rest",
    ),
    "temperature": Option(default=5.0, low=0.1, help="T of eq. 1, which divides both networks' logits (Table 1)"),
}
