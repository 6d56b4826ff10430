"""`elrbench check PLUGIN`: every component of a plugin, tried."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

import click

from benchmark_core.cli.console import print_json
from benchmark_core.cli.flags import json_flag


@click.command("check")
@click.argument("plugin")
@click.option("--data", type=click.Path(path_type=Path), metavar="ROOT", help="The folder of a dataset under test.")
@json_flag
@click.pass_context
def command(ctx: click.Context, plugin: str, data: Path | None, as_json: bool) -> None:
    """elrbench check resnet

    Try every component of an installed plugin, or of a FILE.py or a module that holds one: it builds, its shapes hold,
    gradients reach every parameter, its state is restored, and one smoke run trains. Exit 1 where a check fails.
    """
    from benchmark_core.catalog import load_catalog

    catalog = load_catalog()
    name = plugin
    if plugin not in {owner.plugin for owner in catalog.plugins} and (plugin.endswith(".py") or _importable(plugin)):
        known = set(catalog.plugins)
        catalog = load_catalog(extra=(plugin,))
        name = next(owner.plugin for owner in catalog.plugins if owner not in known)

    folders = {}
    for dataset, spec in catalog.datasets.items():
        if data is not None or "ELRBENCH_DATA" in os.environ:
            folder = data or Path(os.environ["ELRBENCH_DATA"]) / (spec.folder or dataset)
            if folder.is_dir() and not spec.embedded:
                folders[dataset] = folder

    from elrbench_plugins.commands.check.check import Finding, check_plugin

    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="elrbench-check-") as work:
        for finding in check_plugin(catalog, name, work=Path(work), data=folders):
            findings.append(finding)
            if not as_json:
                detail = f": {finding.detail}" if finding.detail else ""
                click.echo(f"{finding.outcome:7}  {finding.component}  {finding.check}{detail}")
    failed = sum(finding.outcome == "failed" for finding in findings)
    if as_json:
        print_json({"plugin": name, "failed": failed, "findings": [asdict(finding) for finding in findings]})
    else:
        skipped = sum(finding.outcome == "skipped" for finding in findings)
        ok = len(findings) - failed - skipped
        click.echo(f"plugin '{name}': {ok} ok, {failed} failed, {skipped} skipped")
    ctx.exit(1 if failed else 0)


def _importable(name: str) -> bool:
    """Whether a module is called so; its own name does, of a package that lies on the path and is not installed."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
