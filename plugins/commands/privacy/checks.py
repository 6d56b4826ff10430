"""Refuse what cannot be attacked: no target, people who are never seen in training, or one person only."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchmark_core.catalog import Catalog
from benchmark_core.clips.listing import list_clips
from benchmark_core.errors import ElrError
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.lookup import find
from benchmark_core.plans.plan import Plan
from benchmark_core.runs.request import data_root
from benchmark_core.specs import DatasetSpec, defaults
from benchmark_core.specs.index import Index
from elrbench_plugins.commands.privacy.attacks import PrivacyRequest

IDENTITY, VERIFICATION = "identity", "verification"
_GUIDE = "docs/privacy.md shows how a plugin offers one"
_APART = ", so that there is nothing to tell apart; use clips of two people or more"


def check_target(asked: PrivacyRequest, catalog: Catalog, data: Path | None) -> None:
    """Raise ElrError if the dataset or its target does not exist, or the target has fewer than two classes.

    data: the dataset's folder. If its lists can be read, the error says why its clips have no identity.
    """
    base, colon, target = asked.dataset.partition(":")
    if colon and base in catalog.datasets and catalog.datasets[base].at is None:
        raise ElrError(f"--dataset {asked.dataset} names a target; pass --dataset {base} --target {target}")
    if asked.attacked not in catalog.datasets:
        others = [name for name in catalog.datasets if name.partition(":")[2] == asked.target]
        if asked.dataset not in catalog.datasets and not any(name.startswith(f"{base}:") for name in catalog.datasets):
            find(catalog.datasets, asked.dataset)  # raises: unknown dataset
        offered = f"datasets with that target: {', '.join(sorted(others))}; " if others else ""
        raise ElrError(
            f"dataset '{asked.dataset}' has no target '{asked.target}'{_why(asked, catalog, data)}; {offered}{_GUIDE}"
        )
    spec = catalog.datasets[asked.attacked]
    if len(spec.classes) < 2:
        raise ElrError(f"dataset '{asked.attacked}' has one class only{_APART}")
    if asked.action and asked.dataset not in catalog.datasets:
        raise ElrError(
            f"'{asked.dataset}' has no actions as classes; pass --no-action to attack '{asked.attacked}' alone"
        )


def check_people(
    asked: PrivacyRequest, runs: Iterable[tuple[Plan, Components]], data: Path | None, *, verified: bool
) -> None:
    """Raise ElrError if a fold tests people who have no training clip, or has clips of one person only.

    Only for identity. data: the dataset's folder. verified: the dataset has a target `verification`. Each protocol is
    read once; decodes nothing.
    """
    read: dict[tuple[str, str], Index] = {}
    for plan, components in runs:
        if asked.target != IDENTITY or plan.dataset != asked.attacked:
            continue
        dataset, options = components.dataset, components.options(plan, "dataset")
        key = (plan.protocol, repr(sorted(options.items())))
        if key not in read:
            read[key] = list_clips(dataset, plan.protocol, options, data=data, bad_clips="skip")
        _check_fold(plan, dataset, read[key], verified=verified)


def _check_fold(plan: Plan, dataset: DatasetSpec, index: Index, *, verified: bool) -> None:
    trained, tested = (
        {label for clip in index.split(plan.fold, part) for label in clip.labels} for part in ("train", "test")
    )
    if len(trained | tested) < 2:
        raise ElrError(
            f"{plan.dataset}: fold {plan.fold} of protocol {plan.protocol} has clips of one person only{_APART}"
        )
    if unseen := tested - trained:
        others = [name for name in dataset.protocols if name != plan.protocol]
        remedies = [f"pass --protocol {' or '.join(others)}"] if others else []
        remedies += ["use more training clips"] if tested & trained else []
        remedies += ["ask whether two clips show the same person: --target verification"] if verified else []
        raise ElrError(
            f"{plan.dataset}: protocol {plan.protocol} keeps people apart: in fold {plan.fold}, {len(unseen)} of "
            f"{len(tested)} people in test clips have no training clip (first: {dataset.classes[min(unseen)]}), and "
            f"identity cannot be asked of people never seen; "
            f"{', or '.join(remedies) or 'use a protocol with other clips of these people in training'}"
        )


def _why(asked: PrivacyRequest, catalog: Catalog, data: Path | None) -> str:
    """Return why clips of the dataset have no identity, as far as its lists tell; "" if they cannot be read."""
    if asked.target != IDENTITY or asked.dataset not in catalog.datasets:
        return ""
    spec = catalog.datasets[asked.dataset]
    protocol = asked.protocol if asked.protocol in spec.protocols else spec.default_protocol
    try:
        index = spec.read_index(data_root(catalog, asked.dataset, data), protocol, defaults(spec))
    except ElrError:  # no folder, or a template
        return ""
    people = [
        [{clip.group for clip in index.split(fold, part)} - {""} for part in ("train", "test")] for fold in index.folds
    ]
    if not any(train or test for train, test in people):
        return ": its clips name no subjects"
    if not any(train & test for train, test in people):
        return (
            f": its protocol '{protocol}' keeps subjects apart, and identity cannot be asked of people never seen; a "
            "target needs training and test clips of the same people, from other recordings"
        )
    return ""
