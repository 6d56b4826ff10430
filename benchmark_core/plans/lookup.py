"""Look up names with variants, such as `cstat:mlp+rc`: the spec, and what the variants set."""

from __future__ import annotations

from typing import TypeVar

from benchmark_core.catalog import Section
from benchmark_core.errors import ElrError, unknown
from benchmark_core.names import ComponentName
from benchmark_core.specs import BackboneSpec, DatasetSpec, Spec, Value, defaults

S = TypeVar("S", bound=Spec)


def find(section: Section[S], text: str) -> tuple[S, ComponentName]:
    """Return the spec of a name with variants, and the canonical name: variants in declared order, defaults filled in.

    ElrError, with a suggestion, if the name or a variant is unknown.
    """
    name = ComponentName(text) if text in section else ComponentName.parse(text)
    spec = section[name.base]
    if isinstance(spec, DatasetSpec) and spec.at is not None:
        raise ElrError(
            f"dataset '{text}' is a folder that is not in the catalog; call Catalog.with_folder('{text}') first"
        )
    if isinstance(spec, BackboneSpec) and spec.at is not None:
        if not name.variants:
            raise ElrError(f"backbone '{text}' is a template and needs a model: {spec.summary}")
        raise ElrError(f"backbone '{text}' is not in the catalog; name it by --backbone {text}")
    for variant in name.variants:
        if variant not in spec.variants:
            if targets := [known for known in section if known.startswith(f"{name.base}:")]:
                raise unknown(spec.kind, text, [*(f"{name.base}:{known}" for known in spec.variants), *targets])
            raise unknown(f"variant of {spec.kind} '{spec.name}'", variant, spec.variants)
    order = list(spec.variants)
    variants = tuple(sorted(set(name.variants or spec.default_variants), key=order.index))
    return spec, ComponentName(name.base, variants)


def expand(spec: Spec, name: ComponentName) -> dict[str, Value]:
    """Return the options of a component: defaults, then those of its variants in declared order."""
    return {key: value for key, value in _merged(spec, name).items() if key in spec.options}


def variant_fields(spec: Spec, name: ComponentName) -> dict[str, Value]:
    """Return the plan fields that its variants set: `{"enhancer": "bicubic"}`."""
    return {key: value for key, value in _merged(spec, name).items() if key not in spec.options}


def _merged(spec: Spec, name: ComponentName) -> dict[str, Value]:
    merged = defaults(spec)
    setter: dict[str, str] = {}
    for variant in name.variants:
        for key, value in spec.variants[variant].items():
            if key in setter and merged[key] != value:
                raise ElrError(
                    f"variants '{setter[key]}' and '{variant}' of {spec.kind} '{spec.name}' set {key} to different "
                    "values; use one of them"
                )
            setter[key], merged[key] = variant, value
    return merged
