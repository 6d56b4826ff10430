"""Backbones of templates: `--backbone TEMPLATE:TEXT` names a network that is no plugin's, such as a folder of a model.

A plan contains the name that the template gives it, which stands for exactly this network, and never a path.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from benchmark_core.catalog import Catalog, Section
from benchmark_core.specs import BackboneSpec, Value


def add_backbone(catalog: Catalog, text: str) -> tuple[Catalog, str]:
    """Add the backbone that `text` names, `TEMPLATE:TEXT`. Returns the new catalog and its name in plans.

    For the name of any other backbone, returns this catalog and `text`. Raises ElrError if the template does not know
    the text.
    """
    template, rest = _template(catalog, text)
    if template is None:
        return catalog, text
    spec = template.at_text(rest)
    return _with(catalog, template, dataclasses.replace(spec, source=spec.source or text)), spec.name


def add_recorded(catalog: Catalog, backbone: str, settings: Mapping[str, Value], teacher: str = "") -> Catalog:
    """Add the backbones of a recorded plan that are of a template and not in the catalog, without their files.

    backbone, teacher: names in the plan; "" for none. settings: the plan's, "backbone.KEY" and "teacher_backbone.KEY".
    Their weights cannot be loaded, but a run's recognizer can be built, which has its own.
    """
    for kind, name in (("backbone", backbone), ("teacher_backbone", teacher)):
        template, rest = _template(catalog, name)
        if template is not None:
            prefix = f"{kind}."
            options = {key.removeprefix(prefix): each for key, each in settings.items() if key.startswith(prefix)}
            catalog = _with(catalog, template, template.at_text(rest, options))
    return catalog


def sources(catalog: Catalog) -> list[str]:
    """Return what `add_backbone` needs in another process to add the same backbones."""
    return [spec.source for spec in catalog.backbones.values() if spec.source]


def _template(catalog: Catalog, text: str) -> tuple[BackboneSpec | None, str]:
    """Return the template of `TEMPLATE:TEXT` and the text; None if `text` is another name or already added."""
    base, colon, rest = text.partition(":")
    if text in catalog.backbones or not colon or not rest or base not in catalog.backbones:
        return None, rest
    spec = catalog.backbones[base]
    return (spec if spec.at is not None else None), rest


def _with(catalog: Catalog, template: BackboneSpec, spec: BackboneSpec) -> Catalog:
    owners = {**catalog.owners, (spec.kind, spec.name): catalog.owners[template.kind, template.name]}
    section = Section(catalog.backbones.kind, {**catalog.backbones, spec.name: spec})
    return dataclasses.replace(catalog, backbones=section, owners=owners)
