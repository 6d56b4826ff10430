"""Warn about rows that train a paper's budget from random weights: how few updates they get. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from benchmark_core.catalog import Catalog
from benchmark_core.plans.budgets import changed_from_budget
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from elrbench_plugins.commands.suite.counts import training_clips

if TYPE_CHECKING:
    from elrbench_plugins.commands.suite.rows import PlannedRow

BUDGET, SCRATCH = "paper", "scratch"
LENGTH = ("method.epochs", "method.batch")  # of the first training phase


def scratch_remarks(rows: Iterable[PlannedRow], catalog: Catalog) -> list[str]:
    """Return one remark with the number of updates of each dataset, or nothing if no row trains from scratch.

    A row is counted if its runs have the budget `paper`, unchanged in epochs and batch, and random initial weights.
    """
    found: dict[str, None] = {}
    count = 0
    for row in rows:
        if not row.plans or row.components is None or row.left_out:
            continue
        plan = row.plans[0]
        if plan.budget == BUDGET and plan.weights == SCRATCH and not _other_length(catalog, plan):
            found[_updates(plan, row.components)] = None
            count += 1
    if not count:
        return []
    return [
        f"{count} row{' trains' if count == 1 else 's train'} the paper's budget from random weights. "
        f"{'; '.join(found)}. Figures of networks that start from pre-trained weights are probably out of reach; pass "
        "--weights FILE to start from a checkpoint"
    ]


def _other_length(catalog: Catalog, plan: Plan) -> bool:
    """Whether epochs or batch are changed, or the method has no such options."""
    changed = changed_from_budget(catalog, plan)
    return any(key in changed or key not in plan.settings for key in LENGTH)


def _updates(plan: Plan, components: Components) -> str:
    """Return `ucf101: 9,537 clips x 50 epochs / batch 256 = 1,900 updates`, of one phase and the plan's fold."""
    clips = training_clips(plan, components)
    epochs, batch = (int(plan.settings[key]) for key in LENGTH)
    if clips is None:
        return f"{plan.dataset}: {epochs} epochs, batch {batch}; the number of clips is not known without its folder"
    whole, rest = divmod(clips, batch)
    updates, dropped = epochs * (whole + bool(rest)), epochs * (whole or 1)
    text = f"{plan.dataset}: {clips:,} clips x {epochs} epochs / batch {batch} = {updates:,} updates a phase"
    return text if updates == dropped else f"{text} ({dropped:,} without partial batches, which training leaves out)"
