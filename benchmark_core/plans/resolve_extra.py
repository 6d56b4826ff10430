"""Resolve the names of a plan's extra data: an unlabelled set, and another dataset's high views."""

from __future__ import annotations

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.names import ComponentName, folder_dataset_name
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.lookup import find
from benchmark_core.specs import DatasetSpec, DegradationSpec


def unlabelled_name(catalog: Catalog, asked: str | None, degradation: DegradationSpec) -> str:
    """Return the canonical name of the unlabelled set asked for, "" for none. Labels of a labelled dataset are ignored.

    ElrError if the degradation takes clips as recorded and the set is not natively low.
    """
    if not asked:
        return ""
    spec, name = _extra_dataset(catalog, asked)
    if degradation.crop == "none" and spec is not None and not spec.unlabelled and not spec.natively_low:
        raise ElrError(
            f"--unlabelled {name} has clips of full size, but degradation '{degradation.name}' takes clips as "
            "recorded; pass a natively low dataset"
        )
    return str(name)


def hr_source_name(
    catalog: Catalog,
    asked: str | None,
    dataset: tuple[DatasetSpec, ComponentName],
    components: Components,
) -> str:
    """Return where high views of natively low clips come from: "", "self", or the canonical name of another dataset.

    ElrError if that dataset has no labels, another task, or classes that the plan's dataset lacks.
    """
    own = "self" if components.needs_high and components.degradation.crop == "none" else ""
    if asked is None or asked == own:
        return own
    if asked == "self":
        raise ElrError(
            f"method '{components.method.name}' with degradation '{components.degradation.name}' does not use high "
            "views of clips taken as recorded; remove --high-source self"
        )
    source, name = _extra_dataset(catalog, asked)
    target, target_name = dataset
    if name.base == target_name.base:
        raise ElrError(f"--high-source {name} is the run's own dataset, which is the default; remove --high-source")
    if source is not None:
        if source.unlabelled or source.task != target.task:
            has = "has no labels" if source.unlabelled else f"is {source.task}"
            raise ElrError(f"--high-source {name} {has}; pass a {target.task} dataset like '{target_name}'")
        if foreign := [one for one in source.classes if one not in target.classes]:
            raise ElrError(
                f"--high-source {name}: {len(foreign)} of its {len(source.classes)} classes are not classes of "
                f"dataset '{target_name}' (first: '{foreign[0]}'); pass a dataset with the same classes"
            )
    return str(name)


def _extra_dataset(catalog: Catalog, text: str) -> tuple[DatasetSpec | None, ComponentName]:
    """Look up an extra dataset. The spec is None for a folder's name, `videos:kinetics`, without its path."""
    base, colon, rest = text.partition(":")
    if text not in catalog.datasets and base in catalog.datasets and catalog.datasets[base].at is not None:
        if colon and folder_dataset_name(base, rest) == text:
            return None, ComponentName.parse(text)
    return find(catalog.datasets, text)
