"""Say what a run is about to do: its initial weights, its trained teacher, and how long its training will take."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from benchmark_core.catalog import Catalog
from benchmark_core.networks.assemble import enhancer_initialisation_of, initialisation_of
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.lists import Listing
from benchmark_core.runs.preview import preview
from benchmark_core.runs.teachers import Teacher
from benchmark_core.runs.time_estimate import report_time_estimate


def say_initialisation(plan: Plan, components: Components, context: RunContext) -> None:
    """Report the initial weights of network and enhancer, unless they are what the plan says in so many words."""
    initialisation = initialisation_of(plan, components)
    if initialisation != plan.weights:
        context.reporter.say(f"weights: {initialisation}")
    if not components.method.oracle and (text := enhancer_initialisation_of(plan, components)):
        context.reporter.say(f"enhancer weights: {text}")


def say_teacher(teacher: Teacher | None, context: RunContext) -> None:
    """Report which trained network teaches, if the plan names one."""
    if teacher is not None:
        plan = teacher.record["plan"]
        context.reporter.say(
            f"teacher: the trained network of run {teacher.record['digest']} ({plan['method']} on {plan['dataset']}); "
            "it is not trained here"
        )


def say_time(
    plan: Plan,
    components: Components,
    catalog: Catalog,
    context: RunContext,
    device: torch.device,
    listing: Listing,
    owners: Mapping[str, str],
    teacher: Teacher | None,
) -> None:
    """Report the estimated training time before all clips are decoded, which may take hours."""
    context.reporter.say("estimating the training time from the clip files and a few timed training steps")
    counted = preview(plan, components, context, listing, owners)
    report_time_estimate(
        plan,
        components,
        catalog,
        clips=counted.clips,
        inputs=counted.inputs,
        device=device,
        cache=context.cache,
        refit=context.refit,
        reporter=context.reporter,
        external_teacher=teacher.network if teacher else None,
        unlabelled=counted.unlabelled,
        hr_source=counted.hr_source,
        frames=counted.frames,
    )
