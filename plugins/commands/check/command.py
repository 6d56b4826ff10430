"""The command `elrbench check`."""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict
from itertools import chain
from pathlib import Path
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
    a short run. A dataset trains on a few of its clips if they are drawn by code or their folder is known. A command
    must load and have a help page. Loading the plugin must not import torch.

    Exit code: 1 if a check fails, else 0.
    """
    from elrbench_plugins.commands.check.find_plugin import find_plugin

    catalog, owner, module = find_plugin(plugin)  # before torch is imported

    from elrbench_plugins.commands.check.check import check_import, check_plugin

    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="elrbench-check-") as work:
        checks = check_plugin(catalog, owner.plugin, work=Path(work), data=_dataset_folders(catalog, data))
        for finding in chain([check_import(owner.plugin, module)], checks):
            findings.append(finding)
            if not as_json:
                click.echo(str(finding))
    failed = sum(finding.outcome == "failed" for finding in findings)
    if as_json:
        print_json({"plugin": owner.plugin, "failed": failed, "findings": [asdict(finding) for finding in findings]})
    else:
        skipped = sum(finding.outcome == "skipped" for finding in findings)
        click.echo(
            f"plugin '{owner.plugin}': {len(findings) - failed - skipped} ok, {failed} failed, {skipped} skipped"
        )
    ctx.exit(1 if failed else 0)


def _dataset_folders(catalog: Catalog, data: Path | None) -> dict[str, Path]:
    """Return dataset name -> folder, for datasets whose folder exists: `data`, else one under ELRBENCH_DATA."""
    folders = {}
    for name, spec in catalog.datasets.items():
        if data is not None or "ELRBENCH_DATA" in os.environ:
            folder = data or Path(os.environ["ELRBENCH_DATA"]) / (spec.folder or name)
            if folder.is_dir() and not spec.embedded:
                folders[name] = folder
    return folders
