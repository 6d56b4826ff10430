"""`elrbench list [KIND]`: components and the plugins that offer them. Only specs are read."""

from __future__ import annotations

import click

from benchmark_core.cli.console import columns, print_json
from benchmark_core.cli.flags import json_flag, plugin_flag
from benchmark_core.errors import unknown

KINDS = ("datasets", "degradations", "enhancers", "backbones", "methods", "commands", "trackers")


def kind_of(name: str) -> str:
    """Return the plural of a kind given as singular or plural. Raises ElrError for an unknown kind."""
    plural = name if name.endswith("s") else f"{name}s"
    if plural not in KINDS:
        raise unknown("kind of component", name, KINDS)
    return plural


@click.command("list")
@click.argument("kind", required=False)
@plugin_flag
@json_flag
def command(kind: str | None, plugins: tuple[str, ...], as_json: bool) -> None:
    """elrbench list methods

    List components with the plugins that offer them. KIND is datasets, degradations, enhancers, backbones, methods,
    commands or trackers.
    """
    from benchmark_core.catalog import load_catalog

    components = KINDS if kind is None else (kind_of(kind),)
    catalog = load_catalog(extra=plugins)
    found = []
    for plural in components:
        for name, spec in getattr(catalog, plural).items():
            owner = catalog.owner(spec)
            found.append(
                {
                    "kind": spec.kind,
                    "name": name,
                    "summary": spec.summary,
                    "plugin": owner.plugin,
                    "distribution": owner.distribution,
                    "version": owner.version,
                }
            )
    if as_json:
        print_json(found)
    else:
        click.echo(columns([row["kind"], row["name"], row["plugin"], row["summary"]] for row in found))
