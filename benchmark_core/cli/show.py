"""`elrbench show [KIND] NAME`: everything that a spec holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from benchmark_core.cli.console import columns, print_json
from benchmark_core.cli.flags import json_flag, plugin_flag
from benchmark_core.cli.list import KINDS, kind_of
from benchmark_core.errors import ElrError, unknown

if TYPE_CHECKING:
    from benchmark_core.catalog import Catalog, Owner
    from benchmark_core.specs import Option, Spec

# Keys of `describe` -> labels in the text, where the key is not plain. JSON keeps the keys.
LABELS: Mapping[str, str] = {
    "needs_high": "needs high views",
    "privileged": "scored on high views",
    "backbones": "only backbones",
    "controls": "controls of all methods",
    "own_controls": "control of rows with a variant",
    "idea_options": "options without effect in the control",
    "takes": "optional inputs",
    "own_head": "has its own head",
    "own_head_if": "own head only with",
    "learnt": "trained",
    "frames": "frames per call",
    "dims": "dimensions",
    "native": "works at the low size",
    "stages": "stage maps",
    "sampling": "default sampling",
    "published": "published settings",
    "embedded": "drawn by code",
    "metric": "primary metric",
    "degradation": "default degradation",
    "low": "low size",
    "crop": "cropped",
    "protocols": "protocols (name, folds, summary)",
    "extra": "needs the extra",
    "given": "variants of this name",
}
CROPS: Mapping[str, str] = {"after": "after enhancement", "before": "before degradation", "none": "no"}


@click.command("show")
@click.argument("words", nargs=-1, required=True, metavar="[KIND] NAME")
@plugin_flag
@json_flag
def command(words: tuple[str, ...], plugins: tuple[str, ...], as_json: bool) -> None:
    """elrbench show cstat

    Show one component: options with their defaults, what its paper leaves unspecified, variants, budgets, citation,
    licence, and the plugin that offers it. KIND is needed only if components of several kinds have the same name.
    """
    from benchmark_core.catalog import load_catalog

    if len(words) > 2:
        raise ElrError(f"'elrbench show' takes one component, as NAME or KIND NAME, not {len(words)} words")
    catalog = load_catalog(extra=plugins)
    spec = find(catalog, words[-1], kind_of(words[0]) if len(words) == 2 else None)
    facts = describe(spec, catalog.owner(spec))
    if given := given_variants(catalog, spec, words[-1]):
        facts["given"] = given
    if as_json:
        print_json(facts)
    else:
        click.echo(as_text(facts))


def find(catalog: Catalog, text: str, plural: str | None) -> Spec:
    """Return the spec that `text` names, with or without variants. Raises ElrError if no kind has it, or several do."""
    sections = [getattr(catalog, kind) for kind in ((plural,) if plural else KINDS)]
    name = text if any(text in section for section in sections) else text.partition(":")[0]
    if plural is not None:
        spec: Spec = sections[0][name]
        return spec
    found: list[Spec] = [section[name] for section in sections if name in section]
    if not found:
        raise unknown("component", name, {known for kind in KINDS for known in getattr(catalog, kind)}, "elrbench list")
    if len(found) > 1:
        kinds = " and ".join(f"{'an' if spec.kind[0] in 'aeiou' else 'a'} {spec.kind}" for spec in found)
        raise ElrError(f"'{name}' is {kinds}; pass the kind: elrbench show KIND {name}")
    return found[0]


def given_variants(catalog: Catalog, spec: Spec, text: str) -> dict[str, dict[str, Any]]:
    """Return what the variants in `text` set: {"clean": {"sigma_noise": 0.0}}. Raises ElrError if one is unknown."""
    from benchmark_core.plans import lookup

    if text == spec.name or getattr(spec, "at", None) is not None:
        return {}
    _, name = lookup.find(getattr(catalog, kind_of(spec.kind)), text)
    return {variant: dict(spec.variants[variant]) for variant in name.variants}


def describe(spec: Spec, owner: Owner) -> dict[str, Any]:
    """Return the spec as JSON-ready names and numbers, without code and without unset fields."""
    facts: dict[str, Any] = {
        "kind": spec.kind,
        "name": spec.name,
        "summary": spec.summary,
        "plugin": {"name": owner.plugin, "distribution": owner.distribution, "version": owner.version},
        "citation": spec.citation,
        "licence": spec.licence,
        **_by_kind(spec),
        "extra": spec.extra,
        "unspecified": list(spec.unspecified),
        "options": {key: _option(option) for key, option in spec.options.items()},
        "variants": {key: dict(values) for key, values in spec.variants.items()},
        "default_variants": list(spec.default_variants),
        "budgets": {key: dict(values) for key, values in spec.budgets.items()},
    }
    return {key: value for key, value in facts.items() if key == "summary" or value not in ("", None, [], {})}


def _option(option: Option) -> dict[str, Any]:
    facts: dict[str, Any] = {"default": option.default, "help": option.help}
    if option.choices:
        facts["choices"] = list(option.choices)
    if option.low is not None:
        facts["low"] = option.low
    if option.high is not None:
        facts["high"] = option.high
    if option.unspecified:
        facts["unspecified"] = True
    return facts


def _by_kind(spec: Spec) -> dict[str, Any]:
    from benchmark_core.specs import BackboneSpec, DatasetSpec, DegradationSpec, EnhancerSpec, MethodSpec

    if isinstance(spec, DatasetSpec):
        return {
            "task": spec.task,
            "metric": spec.metric,
            "embedded": spec.embedded,
            "natively_low": spec.natively_low,
            "degradation": spec.degradation,
            "layout": spec.layout,
            "protocols": {
                name: {"summary": protocol.summary, "folds": list(protocol.folds), "pooled": protocol.pooled}
                for name, protocol in spec.protocols.items()
            },
            "classes": list(spec.classes),
        }
    if isinstance(spec, DegradationSpec):
        return {"crop": spec.crop, "low": list(spec.low) if spec.low else None}
    if isinstance(spec, EnhancerSpec):
        return {"frames": spec.frames, "learnt": spec.fit is not None, "published": list(map(str, spec.published))}
    if isinstance(spec, BackboneSpec):
        return {
            "dims": spec.dims,
            "native": spec.native or None,
            "modality": spec.modality,
            "sampling": spec.sampling,
            "stages": list(spec.stages),
            "weights": ["scratch", *spec.weights],
            "default_weights": spec.default_weights,
            "published": list(map(str, spec.published)),
        }
    if not isinstance(spec, MethodSpec):
        return {}
    return {
        "needs_high": spec.needs_high,
        "privileged": spec.oracle,
        "yardstick": spec.yardstick or None,
        "backbones": list(spec.backbones),
        "controls": [f"{spec.name}:{control}" for control in spec.controls],
        "own_controls": {
            variant: control if ":" in control else f"{spec.name}:{control}"
            for variant, control in spec.own_controls.items()
        },
        "idea_options": list(spec.idea_options),
        "takes": [f"--{name.replace('_', '-')}" for name in spec.takes],
        "own_head": spec.recognizer is not None,
        "own_head_if": [f"{key}={value}" for key, values in spec.recognizer_when.items() for value in values],
        "defaults": dict(spec.defaults),
    }


def as_text(facts: Mapping[str, Any]) -> str:
    """Return `describe` as text: scalars first, then a block for each list or mapping."""
    plugin = facts["plugin"]
    heading = f"{facts['kind']} {facts['name']}: {facts['summary']}"
    rows = [("plugin", f"{plugin['name']} ({plugin['distribution']} {plugin['version']}".rstrip() + ")")]
    blocks = []
    for key, value in facts.items():
        if key in ("kind", "name", "summary", "plugin"):
            continue
        label = LABELS.get(key, key.replace("_", " "))
        if key == "options":
            blocks.append(f"{label} (--set {facts['kind']}.KEY=VALUE)\n{_options(value)}")
        elif key == "protocols":
            folded = ((name, _folds(entry["folds"]), entry["summary"]) for name, entry in value.items())
            blocks.append(f"{label}\n{columns(folded, '  ')}")
        elif isinstance(value, dict):
            lines = ((name or "(other rows)", _settings(entry)) for name, entry in value.items())
            blocks.append(f"{label}\n{columns(lines, '  ')}")
        elif key == "unspecified":
            blocks.append("not specified by the source\n" + "\n".join(f"  - {line}" for line in value))
        elif key == "low":
            rows.append((label, "x".join(map(str, value))))
        elif key == "crop":
            rows.append((label, CROPS[value]))
        elif isinstance(value, list):
            rows.append((label, ", ".join(map(str, value))))
        else:
            rows.append((label, {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)))
    return "\n\n".join([heading + "\n" + columns(rows, "  "), *blocks])


def _folds(folds: list[str]) -> str:
    return ", ".join(folds) if len(folds) <= 4 else f"{folds[0]} … {folds[-1]} ({len(folds)})"


def _settings(entry: Any) -> str:
    if isinstance(entry, dict):
        return ", ".join(f"{key}={_value(value)}" for key, value in entry.items()) or "-"
    return _value(entry)


def _value(value: Any) -> str:
    """Return the value as `--set` takes it; floats with four digits."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _bounds(option: Mapping[str, Any]) -> str:
    low, high = option.get("low"), option.get("high")
    if "choices" in option:
        return f" ({' | '.join(map(_value, option['choices']))})"
    if low is not None and high is not None:
        return f" ({_value(low)} to {_value(high)})"
    if low is not None:
        return f" ({_value(low)} or more)"
    return "" if high is None else f" ({_value(high)} or less)"


def _options(options: Mapping[str, Mapping[str, Any]]) -> str:
    lines = []
    for key, option in options.items():
        mark = " *" if option.get("unspecified") else ""
        lines.append((key, f"{_value(option['default'])}{mark}", option["help"] + _bounds(option)))
    text = columns(lines, "  ")
    if any(option.get("unspecified") for option in options.values()):
        text += "\n  * not specified by the source; the default is this project's choice"
    return text
