"""Options of a plan's components: defaults, variants, budget, then `--set`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from benchmark_core.errors import ElrError, nearest, unknown
from benchmark_core.names import ComponentName
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.lookup import expand, variant_fields
from benchmark_core.specs import EnhancerSpec, MethodSpec, Spec, Value


def resolve_settings(
    components: Components, names: Mapping[str, ComponentName], budget: Mapping[str, Value], asked: tuple[str, ...]
) -> dict[str, Value]:
    """Return every option of every component as "KIND.KEY": defaults, then variants, budget, and `asked` ("KEY=VALUE").

    Raises ElrError if an option is unknown or out of range.
    """
    specs: dict[str, Spec] = {kind: getattr(components, kind) for kind in names}
    settings = {
        f"{kind}.{key}": value for kind, spec in specs.items() for key, value in expand(spec, names[kind]).items()
    }
    overrides: dict[str, tuple[str, Any]] = {
        key: (f"budget: {key}", value) for key, value in budget.items() if "." in key
    }
    for key in overrides.keys() - settings.keys():
        owners = " or ".join(specs[kind].name for kind in ("method", "dataset", "enhancer"))
        raise ElrError(f"a budget of {owners} sets '{key}', an option that none of them has")
    for text in asked:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not value.strip():
            raise ElrError(f"--set {text!r} is not KEY=VALUE, e.g. --set method.epochs=3")
        if key not in settings:
            raise _unknown(key, settings, specs)
        overrides[key] = (f"--set {key}", _read(value.strip(), settings[key]))
    for key, (where, value) in overrides.items():
        kind, _, option = key.partition(".")
        settings[key] = specs[kind].options[option].check(where, value)
    return {key: value for key, value in sorted(settings.items()) if not _omitted(specs, key, value)}


def split_budget(
    method: MethodSpec, name: ComponentName, budget: Mapping[str, Value]
) -> tuple[dict[str, Value], dict[str, Value]]:
    """Split a budget into settings and into plan fields that the variants of `name` fix.

    A key `VARIANT:FIELD` of the budget replaces what that variant fixes; the other keys apply to every variant.
    """
    fixed = variant_fields(method, name)
    for key, value in budget.items():
        variant, colon, field = key.partition(":")
        if colon and variant not in method.variants:
            raise unknown(f"variant in a budget of method '{method.name}':", variant, method.variants)
        if colon and variant in name.variants:
            fixed[field] = value
    usual = {key: value for key, value in budget.items() if ":" not in key}
    dotted = {key: value for key, value in fixed.items() if "." in key}
    return {**usual, **dotted}, {key: value for key, value in fixed.items() if "." not in key}


def weights_setting(enhancer: EnhancerSpec, name: str | None) -> tuple[str, ...]:
    """Return the setting that loads the file `name` instead of training the enhancer."""
    if not name:
        return ()
    if enhancer.public is None:
        raise ElrError(f"enhancer '{enhancer.name}' has no public checkpoint; remove --enhancer-weights")
    return (f"enhancer.weights={name}",)


def _unknown(key: str, settings: Mapping[str, Value], specs: Mapping[str, Spec]) -> ElrError:
    """Return the error for a key that no component has. Without a near key, it lists those of the same component."""
    kind = key.partition(".")[0]
    if kind in specs and not nearest(key, settings):
        own = [name for name in settings if name.startswith(f"{kind}.")]
        return unknown("setting", key, own, f"elrbench show {specs[kind].name}")
    return unknown("setting", key, settings, "elrbench show NAME")


def _omitted(specs: Mapping[str, Spec], key: str, value: Value) -> bool:
    """Return whether plans leave the option out: it was added later and is at its default."""
    kind, _, name = key.partition(".")
    option = specs[kind].options[name]
    return option.added and value == option.default


def _read(text: str, like: Value) -> Value:
    """Convert `text` to the type of `like`. Return other text as it is: the option's check refuses it."""
    if isinstance(like, bool):
        return {"true": True, "false": False}.get(text.lower(), text)
    kinds: tuple[Callable[[str], Value], ...] = (int, float, _fraction) if isinstance(like, float) else (int, float)
    if isinstance(like, (int, float)):
        for kind in kinds:
            try:
                return kind(text)
            except (ValueError, ZeroDivisionError):
                continue
    return text


def _fraction(text: str) -> float:
    """Convert a fraction such as `4/7` to the nearest float."""
    return float(Fraction(text))
