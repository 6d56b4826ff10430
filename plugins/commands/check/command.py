"""The command `elrbench check`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import click

from benchmark_core.cli.console import print_json
from benchmark_core.cli.flags import json_flag

if TYPE_CHECKING:
    from benchmark_core.catalog import Catalog
    from elrbench_plugins.commands.check.check import Finding


@click.command("check")
@click.argument("plugin", metavar="NAME|FILE|MODULE")
@click.option("--data", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the plugin's dataset.")
@json_flag
@click.pass_context
def command(ctx: click.Context, plugin: str, data: Path | None, as_json: bool) -> None:
    """elrbench check resnet

    Test every component of a plugin: an installed plugin by its NAME, or a FILE or MODULE that is not installed.

    A component must build, return the right shapes, pass gradients to every parameter, restore its state, and train in
    a short run. A command must load and have a help page. Loading the plugin must not import torch.

    Exit code: 1 if a check fails, else 0.
    """
    from elrbench_plugins.commands.check.find_plugin import find_plugin

    catalog, owner, module = find_plugin(plugin)
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="elrbench-check-") as work:
        for finding in _findings(catalog, owner.plugin, module, Path(work), _dataset_folders(catalog, data)):
            findings.append(finding)
            if not as_json:
                click.echo(_line(finding))
    failed = sum(finding.outcome == "failed" for finding in findings)
    if as_json:
        print_json({"plugin": owner.plugin, "failed": failed, "findings": [asdict(finding) for finding in findings]})
    else:
        skipped = sum(finding.outcome == "skipped" for finding in findings)
        click.echo(
            f"plugin '{owner.plugin}': {len(findings) - failed - skipped} ok, {failed} failed, {skipped} skipped"
        )
    ctx.exit(1 if failed else 0)


def _findings(
    catalog: Catalog, plugin: str, module: ModuleType, work: Path, data: Mapping[str, Path]
) -> Iterator[Finding]:
    """Yield the import check of the plugin, then the checks of its components."""
    from elrbench_plugins.commands.check.check import Finding, check_plugin
    from elrbench_plugins.commands.check.imports import author_of, importable_name, torch_import

    component, name = f"plugin {plugin}", "loads without torch"
    if where := torch_import([importable_name(module)], author_of(module)):
        detail = "it imports torch when it is loaded; import torch inside the functions that need it"
        yield Finding(component, name, "failed", detail, where)
    else:
        yield Finding(component, name, "ok")
    yield from check_plugin(catalog, plugin, work=work, data=data)


def _dataset_folders(catalog: Catalog, data: Path | None) -> dict[str, Path]:
    """Return dataset name -> folder, for datasets whose folder exists: `data`, else one under ELRBENCH_DATA."""
    folders = {}
    for name, spec in catalog.datasets.items():
        if data is not None or "ELRBENCH_DATA" in os.environ:
            folder = data or Path(os.environ["ELRBENCH_DATA"]) / (spec.folder or name)
            if folder.is_dir() and not spec.embedded:
                folders[name] = folder
    return folders


def _line(finding: Finding) -> str:
    detail = f": {finding.detail}" if finding.detail else ""
    where = f" ({finding.where})" if finding.where else ""
    return f"{finding.outcome:7}  {finding.component}  {finding.check}{detail}{where}"
