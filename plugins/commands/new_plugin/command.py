"""The command `elrbench new-plugin`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark_core.cli.console import print_json
from benchmark_core.cli.flags import json_flag
from elrbench_plugins.commands.new_plugin.kinds import KINDS


@click.command("new-plugin")
@click.argument("name")
@click.option("--kind", type=click.Choice(tuple(KINDS)), default="method", show_default=True, help="Kind of component.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder to write. Default: ./elrbench-NAME."
)
@json_flag
def command(name: str, kind: str, out: Path | None, as_json: bool) -> None:
    """elrbench new-plugin soft-labels --kind method

    Write a package with one component that works: a module, a test, a workflow for GitHub Actions, a README. The
    package passes `elrbench check`, its own test and ruff. Replace its component by yours.

    NAME is the name of the component, such as soft-labels. The package is then elrbench-soft-labels, and its module
    elrbench_soft_labels. The folder must not exist.
    """
    from elrbench_plugins.commands.new_plugin.names import PluginNames, check_free
    from elrbench_plugins.commands.new_plugin.write import write_package

    names = PluginNames.parse(name)
    check_free(names, KINDS[kind])
    folder = Path(names.distribution) if out is None else out
    written = write_package(folder, names, KINDS[kind])
    component = KINDS[kind].component(names.name)
    if as_json:
        print_json(
            {
                "folder": str(folder),
                "kind": kind,
                "component": component,
                "module": names.module,
                "files": [str(path) for path in written],
            }
        )
        return
    click.echo(f"{folder}: a package with the {kind} '{component}'")
    for path in written:
        click.echo(f"  {path}")
    click.echo("Next:")
    for line in (f"cd {folder}", "pip install -e '.[test]'", f"elrbench check {names.name}", "pytest"):
        click.echo(f"  {line}")
