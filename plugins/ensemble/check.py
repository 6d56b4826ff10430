"""Which plans an ensemble refuses. Imports no torch."""

from __future__ import annotations

from elrbench import Components, ElrError, Plan


def check(plan: Plan, components: Components) -> None:
    """Raise ElrError if each member would train an enhancer of its own."""
    if components.options(plan, "enhancer").get("train", False):
        raise ElrError(
            f"method '{plan.method}' has one enhancer for all members, so that it is not trained with them; remove "
            "--set enhancer.train=true"
        )
