"""The names of what a plan takes beside its dataset: a pool of clips without labels, a source of high views."""

from __future__ import annotations

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.names import ComponentName, placed_name
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.lookup import find
from benchmark_core.specs import DatasetSpec, DegradationSpec


def pool_name(catalog: Catalog, asked: str | None, degradation: DegradationSpec) -> str:
    """The canonical name of the pool asked for. Any dataset is one, with its labels left aside."""
    if not asked:
        return ""
    spec, name = _beside(catalog, asked)
    if degradation.crop == "none" and spec is not None and not spec.unlabelled and not spec.natively_low:
        raise ElrError(
            f"--unlabelled {name}: its clips are recorded at full size, and degradation '{degradation.name}' takes "
            "clips as recorded; name a pool that is natively low"
        )
    return str(name)


def high_source_name(
    catalog: Catalog,
    asked: str | None,
    dataset: tuple[DatasetSpec, ComponentName],
    components: Components,
) -> str:
    """Where high views come from: nothing, "self", or the canonical name of another dataset with the same classes."""
    own = "self" if components.needs_high and components.degradation.crop == "none" else ""
    if asked is None or asked == own:
        return own
    if asked == "self":
        raise ElrError(
            f"--high-source self is for a method that needs high views of clips as recorded; leave it out with "
            f"'{components.method.name}' and '{components.degradation.name}'"
        )
    source, name = _beside(catalog, asked)
    target, target_name = dataset
    if name.base == target_name.base:
        raise ElrError(f"--high-source {name} is the dataset itself; its clips lend their own high views by default")
    if source is not None:
        if source.unlabelled or source.task != target.task:
            has = "has no labels" if source.unlabelled else f"is {source.task}"
            raise ElrError(f"--high-source {name} {has}, and dataset '{target_name}' is {target.task}")
        if strange := [one for one in source.classes if one not in target.classes]:
            raise ElrError(
                f"--high-source {name}: {len(strange)} of its {len(source.classes)} classes are none of dataset "
                f"'{target_name}' (first: '{strange[0]}'); name clips of the same classes"
            )
    return str(name)


def _beside(catalog: Catalog, text: str) -> tuple[DatasetSpec | None, ComponentName]:
    """A dataset beside the plan's own; no spec where it is a template's, such as `videos:kinetics`, not yet placed."""
    base, colon, rest = text.partition(":")
    if text not in catalog.datasets and base in catalog.datasets and catalog.datasets[base].at is not None:
        if colon and placed_name(base, rest) == text:
            return None, ComponentName.parse(text)
    return find(catalog.datasets, text)
